"""Train an LCRankNet, first on trainings of many tasks, then on the completed ones of the task at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.checks import require_instance, require_seed
from mpnas_ray.curves.architecture_features import NUM_FEATURES, architecture_features
from mpnas_ray.curves.partial import PartialCurves
from mpnas_ray.curves.ranknet import CurveBatch, LCRankNet, RankNetConfig
from mpnas_ray.curves.scaling import standardized
from mpnas_ray.errors import PredictorError
from mpnas_ray.graphs import graph_batch
from mpnas_ray.optimizers import AdamW
from mpnas_ray.predictors import Predictor
from mpnas_ray.predictors.neural.gcn import pairwise_loss
from mpnas_ray.spaces import Architectures
from mpnas_ray.tables.normalization import normalize

__all__ = ["LCRankNetMethod", "TaskCurves", "pretrain"]

TaskCurves = tuple[PartialCurves, NDArray[np.float64]]
"""Completed trainings of a task, and their final scores ``[N]``, higher is better."""

_NO_ARCHS, _NO_TASK = 0.1, 0.5
"""Share of batches that hide the architectures, or which task it is: a trial may lack the one, a new task the other."""

_IN_FULL = 1 / 3
"""Share of trainings that are shown in full; the others of a batch are cut at one random epoch."""

_FROM_NOTHING = 300
"""Iterations of a network that was not pre-trained."""

_FEWEST = 2


class LCRankNetMethod:
    """LCRankNet as a `CurveMethod`; given a pre-trained network, it judges without having been fitted too.

    Fitting starts from the network given each time, so that fitting twice to the same trainings gives the same network.
    """

    def __init__(
        self,
        network: LCRankNet | None = None,
        config: RankNetConfig | None = None,
        *,
        predictor: Predictor | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        """Make a method that has learned nothing on this task.

        Args:
            network: One of `pretrain`; is not changed. None to learn from the trainings of `fit` alone.
            config: Configuration of the network, if none is given.
            predictor: The one that the network was pre-trained with, or none (`architecture_features`).
            seed: Seed of weights and batches.
            device: Device to compute on.

        Raises:
            PredictorError: If the seed is not a whole number of at least 0, or the network or its config is none.
        """
        require_seed("seed", seed, error=PredictorError)
        for name, given, wanted in (("network", network, LCRankNet), ("config", config, RankNetConfig)):
            if given is not None:
                require_instance(name, given, wanted, error=PredictorError)
        self.predictor, self.seed, self.device = predictor, seed, torch.device(device)
        self.config = (config or RankNetConfig()) if network is None else network.config
        self._known_before: dict[tuple[str, bytes], NDArray[np.float32]] = {}
        self._initial = None if network is None else deepcopy(network).to(self.device).eval()
        self.network = self._initial

    def fit(self, curves: PartialCurves, scores: NDArray[np.float64], known: PartialCurves | None = None) -> None:
        """See `CurveMethod.fit`; ``known`` are all trainings of the task, for the scale of the curves."""
        if len(curves) < _FEWEST or len(curves) != len(scores) or not np.isfinite(scores).all():
            raise PredictorError(
                f"LCRankNet learns from {_FEWEST} or more trainings and a finite score for each; got {len(curves)} and "
                f"scores of shape {list(scores.shape)}."
            )
        with _seeded(self.seed, self.device):
            network = LCRankNet(self.config, 0).to(self.device) if self._initial is None else deepcopy(self._initial)
            features = None if curves.archs is None else self._features(curves.archs)
            completed = _Completed.of((curves, scores), network.num_tasks, features, self.device, known)
            if self._initial is None:
                self.network = _learn(network, [completed], _FROM_NOTHING, self.config.learning_rate)
            else:
                rate = self.config.refit_learning_rate
                self.network = _learn(network, [completed], self.config.refit_iterations, rate)

    @torch.no_grad()
    def predict(self, curves: PartialCurves, known: PartialCurves | None = None) -> NDArray[np.float64]:
        """See `CurveMethod.predict`; a difference is the logit of one training's chance to end better than another.

        Args:
            curves: N trainings.
            known: All trainings of the task, for the scale of the curves; None if these are all.

        Raises:
            PredictorError: If the network was neither pre-trained nor fitted.
        """
        if self.network is None:
            raise PredictorError("This LCRankNet has learned nothing yet: call fit first, or give it a network.")
        tasks = torch.full((len(curves),), self.network.num_tasks, device=self.device)
        features = None if curves.archs is None else self._features(curves.archs)
        values = self.network(_batch(curves, known, features, self.device), tasks)
        return np.where(curves.lengths > 0, values.double().cpu().numpy(), -np.inf)

    def _features(self, archs: Architectures) -> NDArray[np.float32]:
        """Compute the features of each architecture once: a search asks about the same ones again and again."""
        keys = [(archs.space.name, row.tobytes()) for row in archs.codes]
        new = [row for row, key in enumerate(keys) if key not in self._known_before]
        if new:
            computed = architecture_features(archs[np.array(new)], self.predictor)
            self._known_before.update(zip((keys[row] for row in new), computed, strict=True))
        return np.stack([self._known_before[key] for key in keys])

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights of the network as it is now, on the CPU; empty if it has learned nothing."""
        state = {} if self.network is None else self.network.state_dict()
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state_dict` of a method with the same configuration gave.

        Raises:
            PredictorError: If the weights do not fit.
        """
        if not state:
            self.network = self._initial
            return
        try:
            network = LCRankNet(self.config, len(state["tasks.weight"]) - 1)
            network.load_state_dict(state)
        except (KeyError, RuntimeError) as error:
            raise PredictorError(f"These weights do not fit an LCRankNet of {self.config}: {error}") from error
        self.network = network.to(self.device).eval()


def pretrain(
    tasks: Sequence[TaskCurves],
    config: RankNetConfig | None = None,
    *,
    predictor: Predictor | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_step: Callable[[int, float], None] | None = None,
) -> LCRankNet:
    """Learn from completed trainings of other tasks, cut at random epochs.

    Args:
        tasks: At least one, each of two trainings or more.
        config: Shape and training; `RankNetConfig()` if None.
        predictor: One that ranks architectures without scores of the task, if there is one; see
            `architecture_features`. What it has learned counts as seen.
        seed: Seed of weights and batches.
        device: Device to compute on.
        on_step: Called after each step with its number, from 1, and its loss.

    Raises:
        PredictorError: If there is no task, or the seed is not a whole number of at least 0.
    """
    if not tasks:
        raise PredictorError("A network is pre-trained on at least one task.")
    require_seed("seed", seed, error=PredictorError)
    config = config or RankNetConfig()
    require_instance("config", config, RankNetConfig, error=PredictorError)
    completed = []
    for number, (curves, scores) in enumerate(tasks):
        features = None if curves.archs is None else architecture_features(curves.archs, predictor)
        completed.append(_Completed.of((curves, scores), number, features, device))
    with _seeded(seed, torch.device(device)):
        network = LCRankNet(config, len(tasks)).to(device)
        return _learn(network, completed, config.iterations, config.learning_rate, on_step)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let torch's random numbers follow from the seed, and go on afterwards as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _batch(
    curves: PartialCurves,
    known: PartialCurves | None,
    features: NDArray[np.float32] | None,
    device: torch.device | str,
) -> CurveBatch:
    lengths = torch.from_numpy(curves.lengths).to(device)
    if features is None:
        features = np.zeros((len(curves), NUM_FEATURES), dtype=np.float32)
    return CurveBatch(
        torch.from_numpy(standardized(curves, curves if known is None else known)).to(device),
        lengths,
        lengths.float() / curves.num_epochs,
        None if curves.archs is None else graph_batch(curves.archs, device),
        torch.from_numpy(features).to(device),
    )


@dataclass(frozen=True, eq=False)
class _Completed:
    """N trainings of one task in full, and the ranks of their final scores, float32 ``[N]``."""

    batch: CurveBatch
    scores: Tensor
    num_epochs: int
    task: int

    @classmethod
    def of(
        cls,
        task: TaskCurves,
        number: int,
        features: NDArray[np.float32] | None,
        device: torch.device | str,
        known: PartialCurves | None = None,
    ) -> _Completed:
        curves, scores = task
        labels = torch.from_numpy(normalize(scores, "rank")).to(device, torch.float32)  # the loss asks no more
        return cls(_batch(curves, known, features, device), labels, curves.num_epochs, number)

    def cut(self, rows: Tensor, lengths: Tensor, *, with_archs: bool) -> CurveBatch:
        """Cut some of the trainings after so many epochs."""
        whole = self.batch
        lengths = torch.minimum(lengths, whole.lengths[rows])
        graphs = None if whole.graphs is None or not with_archs else whole.graphs[rows]
        features = whole.features[rows] * float(with_archs)
        return CurveBatch(whole.curves[rows], lengths, lengths.float() / self.num_epochs, graphs, features)


def _learn(
    network: LCRankNet,
    completed: Sequence[_Completed],
    iterations: int,
    rate: float,
    on_step: Callable[[int, float], None] | None = None,
) -> LCRankNet:
    """Train on one task a step, in turn."""
    config, device = network.config, network.tasks.weight.device
    optimizer = AdamW(network.parameters(), lr=rate, weight_decay=config.weight_decay, foreach=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=iterations)
    network.train()
    for step in range(iterations):
        one = completed[step % len(completed)]
        rows = torch.randperm(len(one.scores))[: config.batch_size].to(device)
        lengths = _random_lengths(len(rows), one.num_epochs).to(device)
        batch = one.cut(rows, lengths, with_archs=bool(torch.rand(()) >= _NO_ARCHS))
        task = network.num_tasks if torch.rand(()) < _NO_TASK else one.task
        values = network(batch, torch.full((len(rows),), task, device=device))
        loss = pairwise_loss(values, one.scores[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if on_step is not None:
            on_step(step + 1, loss.item())
    return network.eval()


def _random_lengths(count: int, num_epochs: int) -> Tensor:
    """Draw one length for all but those shown in full, since trials are compared so.

    Its logarithm is uniform, since there is most to save at the beginning.
    """
    length = (num_epochs ** torch.rand(1)).round().long().expand(count)
    return torch.where(torch.rand(count) < _IN_FULL, num_epochs, length)
