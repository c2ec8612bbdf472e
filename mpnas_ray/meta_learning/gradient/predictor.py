"""A predictor meta-learned by gradient: it ranks at once, and adapts to a task from a few measured architectures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.common.network import (
    Graphs,
    Parameters,
    check_shapes,
    forward,
    graphs_of,
    initial_parameters,
    stacked,
)
from mpnas_ray.meta_learning.gradient.config import MetaConfig
from mpnas_ray.meta_learning.gradient.inner_loop import trajectory
from mpnas_ray.spaces import Architecture, Architectures
from mpnas_ray.stats import spearman
from mpnas_ray.tables.normalization import normalize

__all__ = ["STEP_COUNTS", "MetaPredictor"]

STEP_COUNTS = (5, 10, 20, 50, 100)
"""Numbers of inner steps that adaptation chooses from."""

_FEWEST = 4
"""Number of measured architectures below which the zero-shot ranking is kept."""

_CHUNK = 512
"""Number of architectures ranked at once: their node states (V x width floats each) stay in the processor's cache."""


class MetaPredictor:
    """A meta-learned initialisation and, after `fit`, what it became on one task.

    Adaptation follows MP-NAS: gradient steps of the algorithm it was meta-learned by, from the initialisation, which
    never changes. How many steps is chosen from `STEP_COUNTS` by one Spearman correlation over held-out predictions of
    all folds (each point its own fold up to 10 points, 5 folds above); ties take fewer steps.
    """

    def __init__(
        self,
        config: MetaConfig | None = None,
        initial: Parameters | None = None,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        """Make a predictor that ranks zero-shot.

        Args:
            config: Shape and algorithm; `MetaConfig()` if None.
            initial: The meta-learned initialisation, copied; random weights from ``config.seed`` if None.
            device: Device to compute on.

        Raises:
            PredictorError: If the initialisation has not the shape that ``config`` says.
        """
        self.config = config or MetaConfig()
        self.device = torch.device(device)
        if initial is None:
            initial = initial_parameters(self.config.gcn, torch.Generator().manual_seed(self.config.seed))
        check_shapes(initial, self.config.gcn)
        self._initial = {name: tensor.detach().clone().to(self.device) for name, tensor in initial.items()}
        self._adapted: Parameters | None = None
        self._num_steps = 0

    @property
    def num_steps(self) -> int:
        """Number of inner steps that the last adaptation chose; 0 for the zero-shot ranking."""
        return self._num_steps

    def adapt(self, archs: Sequence[Architecture], scores: ArrayLike) -> MetaPredictor:
        """Return a new predictor of the same initialisation, adapted to N measured architectures of one space.

        With fewer than four, or if all scores are equal, it ranks zero-shot.

        Args:
            archs: N architectures, an `Architectures` or a list.
            scores: ``[N]``, finite, higher is better, on any scale: they are normalised as in meta-training.

        Raises:
            PredictorError: If numbers differ or a score is not finite.
        """
        adapted = MetaPredictor(self.config, self._initial, device=self.device)
        adapted.fit(archs, scores)
        return adapted

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Adapt this predictor itself, see `adapt`; earlier adaptations have no influence."""
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != (len(archs),) or not np.isfinite(values).all():
            raise PredictorError(
                f"Adapting needs a finite score for each architecture; got {len(archs)} architectures and scores of "
                f"shape {list(values.shape)}."
            )
        self._adapted, self._num_steps = None, 0
        if len(values) >= _FEWEST and values.min() < values.max():
            graphs = graphs_of(Architectures.of(archs), self.config.gcn, self.device)
            self._adapted, self._num_steps = self._best_of_counts(graphs, values)

    def _best_of_counts(self, graphs: Graphs, scores: NDArray[np.float64]) -> tuple[Parameters, int]:
        """Adapt to all points and to the points of each fold, all in one batch, and read off at each count."""
        fold = _folds(len(scores), np.random.default_rng(self.config.seed))
        num_folds = int(fold.max()) + 1
        best, best_steps, best_spearman = self._initial, 0, -np.inf
        for steps, parameters in self._adaptations(graphs, scores, fold):
            with torch.no_grad():
                repeated = graphs.for_tasks(num_folds + 1).contiguous()
                predicted = forward(parameters, repeated, self.config.gcn).cpu().numpy()
            found = _agreement(predicted[fold, np.arange(len(scores))], scores)
            if found > best_spearman:
                best = {name: tensor[num_folds].clone() for name, tensor in parameters.items()}
                best_steps, best_spearman = steps, found
        return best, best_steps

    def _adaptations(
        self, graphs: Graphs, scores: NDArray[np.float64], fold: NDArray[np.int64]
    ) -> Iterator[tuple[int, Parameters]]:
        """Yield parameters ``[folds + 1, ...]`` after each of `STEP_COUNTS`; row f missed fold f, the last saw all.

        Each row normalises the scores it sees by themselves.
        """
        num_rows = int(fold.max()) + 2
        seen = np.arange(num_rows)[:, None] != fold
        targets = np.zeros(seen.shape)
        for row, of_row in enumerate(seen):
            targets[row, of_row] = normalize(scores[of_row], self.config.normalization)
        weights = torch.from_numpy(seen / seen.sum(axis=1, keepdims=True)).to(self.device, torch.float32)
        wanted = torch.from_numpy(targets).to(self.device, torch.float32)
        repeated = graphs.for_tasks(num_rows).contiguous()

        def loss(parameters: Parameters) -> Tensor:
            error = forward(parameters, repeated, self.config.gcn) - wanted
            return (weights * error.square()).sum(dim=1)

        steps = trajectory(loss, stacked(self._initial, num_rows), self.config.adapt_rates, outer_gradient="none")
        for number, parameters in enumerate(islice(steps, max(STEP_COUNTS)), start=1):
            if number in STEP_COUNTS:
                yield number, parameters

    @torch.no_grad()
    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Predict scores ``[N]``: higher is better, only their order counts."""
        if not len(archs):
            return np.empty(0)
        graphs = graphs_of(Architectures.of(archs), self.config.gcn, self.device)
        parameters = stacked(self._initial if self._adapted is None else self._adapted, 1)
        parts = [
            forward(parameters, graphs[slice(start, start + _CHUNK)].for_tasks(1), self.config.gcn)[0]
            for start in range(0, len(graphs), _CHUNK)
        ]
        return np.asarray(torch.cat(parts).double().cpu().numpy(), dtype=np.float64)

    def initialisation(self) -> Parameters:
        """Return what meta-learning made, on the CPU."""
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self._initial.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the initialisation (``initial.*``) and, once adapted, what it became (``adapted.*``), on the CPU."""
        state = {f"initial.{name}": tensor for name, tensor in self._initial.items()}
        if self._adapted is not None:
            state |= {f"adapted.{name}": tensor for name, tensor in self._adapted.items()}
            state["num_steps"] = torch.tensor(self._num_steps)
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state_dict` of a predictor with the same configuration gave.

        Raises:
            PredictorError: If names or shapes are others; this predictor is then as before.
        """
        initial = _part(state, "initial.")
        adapted = _part(state, "adapted.")
        check_shapes(initial, self.config.gcn)
        if adapted:
            check_shapes(adapted, self.config.gcn)
        self._initial = {name: tensor.clone().to(self.device) for name, tensor in initial.items()}
        self._adapted = {name: tensor.clone().to(self.device) for name, tensor in adapted.items()} or None
        self._num_steps = int(state["num_steps"]) if adapted and "num_steps" in state else 0


def _folds(num_points: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Assign a fold to each point: its own up to 10 points, else one of five random ones of nearly equal size."""
    numbers = np.arange(num_points, dtype=np.int64)
    return numbers if num_points <= 10 else rng.permutation(numbers) % 5


def _agreement(predicted: NDArray[np.floating], scores: NDArray[np.float64]) -> float:
    """Compute the rank correlation; -1 where predictions are equal or not finite, so that any order is preferred."""
    if not np.isfinite(predicted).all() or predicted.min() == predicted.max():
        return -1.0
    return float(spearman(predicted, scores))


def _part(state: dict[str, Tensor], prefix: str) -> Parameters:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
