"""The mixture predictor: ranks at once, adapts to a few scores in milliseconds, and knows what it does not know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.checks import require_count
from mpnas_ray.errors import PredictorError
from mpnas_ray.meta.network import Parameters, check_shapes
from mpnas_ray.mixture.config import MixtureConfig
from mpnas_ray.mixture.description import NUM_INPUTS
from mpnas_ray.mixture.knowledge import Knowledge, Reference, Source, candidates, price_lists, priced_counts
from mpnas_ray.mixture.posterior import Posterior, posterior, variances
from mpnas_ray.mixture.prior import Prior
from mpnas_ray.mixture.sampling import sample_posterior
from mpnas_ray.mixture.scales import support_doubt, support_scales
from mpnas_ray.mixture.source_network import predict_sources
from mpnas_ray.spaces import Architecture, Architectures, get_space
from mpnas_ray.tables import Kind

__all__ = ["MixturePredictor"]

_NUM_REFERENCE = 2_048
"""Random architectures of a space that say what is usual in it."""

_REMEMBERED_FROM = 1_000
"""Architectures in a list that is likely to be asked for again: the whole of a small space."""


class MixturePredictor:
    """A meta-learned belief about tasks and, after `fit`, what it became on one task.

    The scores of a new task are believed to be a known mean function (what the source network predicts for one source
    task, or for several, or a list of operation prices) plus a Gaussian process on what the network knows, the whole
    turned round or not and on any scale; all such hypotheses are weighed by how well they explain the measured scores
    (`mpnas_ray.mixture.posterior`), with a prior learned from the source tasks. Nothing is trained when adapting.
    """

    def __init__(
        self,
        config: MixtureConfig,
        sources: Sequence[Source],
        network: Parameters,
        prior: Prior,
        *,
        kind: Kind | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """A predictor that ranks zero-shot.

        Args:
            config: What it was meta-learned with.
            sources: The K tasks that it learned from, in the order of the network's outputs.
            network: The source network's parameters.
            prior: Learned with it.
            kind: What the new task measures, see `measuring`.
            device: Where the network computes; the closed forms, which are small, stay on the CPU.

        Raises:
            PredictorError: If network or prior have not the shape that ``config`` and ``sources`` say.
        """
        check_shapes(network, config.gcn, num_inputs=NUM_INPUTS, num_outputs=2 * len(sources))
        prior.check_shapes(len(sources))
        self.config = config
        self.sources = tuple(sources)
        self.kind = kind
        self.device = torch.device(device)
        self._network = {name: tensor.detach().to(self.device) for name, tensor in network.items()}
        self._prior = prior
        self._price_lists = price_lists(config)
        self._kept = torch.ones(len(self.sources), dtype=torch.bool)
        self._references: dict[str, tuple[Reference, Knowledge]] = {}
        self._remembered: dict[str, tuple[Architectures, Knowledge]] = {}
        self._support: Architectures | None = None
        self._scores: NDArray[np.float64] = np.empty(0)
        self._posterior: Posterior | None = None

    def measuring(self, kind: Kind | None) -> MixturePredictor:
        """A predictor for tasks that measure a ``quality``, a ``cost`` (a latency, energy), or None: either.

        Before the first score it ranks for qualities if it is not told; then the scores decide.
        """
        other = self._not_adapted(kind)
        if self._support is not None:
            other.fit(self._support, self._scores)
        return other

    def adapt(self, archs: Sequence[Architecture], scores: ArrayLike) -> MixturePredictor:
        """A new predictor of the same meta-learned belief, conditioned on N measured architectures of one space.

        With none, or if all scores are equal, it ranks zero-shot.

        Args:
            archs: N architectures, an `Architectures` or a list.
            scores: ``[N]``, finite, higher is better, on any scale.

        Raises:
            PredictorError: If numbers differ or a score is not finite.
        """
        adapted = self._not_adapted(self.kind)
        adapted.fit(archs, scores)
        return adapted

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """As `adapt`, but this predictor becomes the adapted one. Earlier adaptations have no influence."""
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != (len(archs),) or not np.isfinite(values).all():
            raise PredictorError(
                f"Adapting needs a finite score for each architecture; got {len(archs)} architectures and scores of "
                f"shape {list(values.shape)}."
            )
        self._support, self._scores, self._posterior = None, np.empty(0), None
        if len(values) and values.min() < values.max():
            self._support, self._scores = Architectures.of(archs), values
            self._posterior = self._condition(self.known(self._support), support_scales(values), support_doubt(values))

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Expected scores ``[N]``: higher is better, only their order counts.

        Raises:
            PredictorError: If it was adapted to architectures of another space.
        """
        if not len(archs):
            return np.empty(0)
        known, reference = self._known_with_reference(archs)
        belief = self._belief(known.reference.space)
        usual = belief.mean(reference)
        deviation = usual.std(dim=1, keepdim=True, correction=0).clamp(min=1e-9)
        # Each scale of the scores has its own posterior; they are averaged in units of what is usual in the space.
        predicted = ((belief.mean(known) - usual.mean(dim=1, keepdim=True)) / deviation).mean(dim=0)
        return np.asarray(predicted.numpy(), dtype=np.float64)

    def predict_with_deviation(self, archs: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Expected scores ``[N]`` as by `predict`, and how far off they may be: standard deviations ``[N]``.

        In units of the standard deviation of the expected scores over the space. The deviation is that of the noiseless
        score, over all hypotheses and over both scales of the scores.

        Raises:
            PredictorError: If no scores, or only equal ones, were measured, or those of another space.
        """
        if self._posterior is None or self._support is None:
            raise PredictorError("predict_with_deviation needs measured scores that differ: call fit or adapt first.")
        known, reference = self._known_with_reference(archs)
        belief = self._belief(known.reference.space)
        usual = belief.mean(reference)
        unit = usual.std(dim=1, keepdim=True, correction=0).clamp(min=1e-9)
        means = (belief.mean(known) - usual.mean(dim=1, keepdim=True)) / unit
        log_prior = self._prior.log_weights(candidates(known.reference, self._kept), len(self._scores), self.kind)
        scores = torch.from_numpy(support_scales(self._scores))
        doubt = torch.from_numpy(support_doubt(self._scores))
        spread = variances(self.known(self._support), scores, known, self._kept, log_prior, doubt) / unit.square()
        mean = means.mean(dim=0)
        together = (spread + means.square()).mean(dim=0) - mean.square()
        return np.asarray(mean.numpy()), np.asarray(together.clamp(min=0).sqrt().numpy())

    def sample_scores(self, archs: Sequence[Architecture], num_samples: int, rng: Generator) -> NDArray[np.float64]:
        """Score functions drawn from the posterior, at N architectures: ``[num_samples, N]``.

        In units of the standard deviation of the measured scores, half of them (as ranks, the other half) on their
        clipped scale. Each sample is one function, so that its highest architecture is a proposal of Thompson sampling.
        Before any measurement the functions are drawn from the prior; their offsets, which may be of any size, then say
        nothing, but their order does.

        Raises:
            PredictorError: If it was adapted to architectures of another space, or for less than one function.
        """
        require_count("num_samples", num_samples, error=PredictorError)
        known, reference = self._known_with_reference(archs)
        self._belief(known.reference.space)  # refuses another space
        support, scores = reference[:0], np.empty((1, 0))
        if self._support is not None:
            support, scores = self.known(self._support), support_scales(self._scores)
        log_prior = self._prior.log_weights(candidates(known.reference, self._kept), len(self._scores), self.kind)
        values, doubt = torch.from_numpy(scores), torch.from_numpy(support_doubt(self._scores))
        return sample_posterior(support, values, known, self._kept, log_prior, num_samples, rng, doubt)

    def initialisation(self) -> dict[str, Tensor]:
        """What meta-learning made, on the CPU: the parts of `state_dict` that no task changes."""
        state = {f"network.{name}": tensor for name, tensor in self._network.items()}
        state |= {f"prior.{name}": tensor for name, tensor in self._prior.tensors().items()}
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """The `initialisation` and, once adapted, the measured architectures (``support.*``), on the CPU."""
        state = self.initialisation()
        if self._support is not None:
            state["support.space"] = torch.tensor(list(self._support.space.name.encode()), dtype=torch.uint8)
            state["support.codes"] = torch.from_numpy(self._support.codes.copy())
            state["support.scores"] = torch.from_numpy(self._scores.copy())
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state_dict` of a predictor with the same configuration and sources gave.

        Raises:
            PredictorError: If names or shapes are others; this predictor is then as before.
        """
        loaded = self.of_state(self.config, self.sources, state, kind=self.kind, device=self.device)
        self.__dict__.update(loaded.__dict__)

    @classmethod
    def of_state(
        cls,
        config: MixtureConfig,
        sources: Sequence[Source],
        state: dict[str, Tensor],
        *,
        kind: Kind | None = None,
        device: torch.device | str = "cpu",
    ) -> MixturePredictor:
        """A predictor from `state_dict` or `initialisation`.

        Raises:
            PredictorError: If names or shapes are not those of this configuration and these sources.
        """
        network = {n.removeprefix("network."): tensor for n, tensor in state.items() if n.startswith("network.")}
        prior = {n.removeprefix("prior."): tensor for n, tensor in state.items() if n.startswith("prior.")}
        predictor = cls(config, sources, network, Prior.of_tensors(prior), kind=kind, device=device)
        if any(name.startswith("support.") for name in state):
            predictor.fit(*_support_of(state))
        return predictor

    def __getstate__(self) -> dict[str, object]:
        """Without what is remembered of long lists, for pickles and copies."""
        return {**self.__dict__, "_remembered": {}}

    def _not_adapted(self, kind: Kind | None) -> MixturePredictor:
        other = MixturePredictor(self.config, self.sources, self._network, self._prior, kind=kind, device=self.device)
        other._references, other._remembered = self._references, self._remembered  # no task changes them
        return other

    def _condition(self, support: Knowledge, scores: NDArray[np.float64], doubt: NDArray[np.float64]) -> Posterior:
        """The posterior of scores ``[E, n]`` of one support set, whose noise has ``doubt`` ``[n]`` more."""
        log_prior = self._prior.log_weights(candidates(support.reference, self._kept), len(support), self.kind)
        rows = torch.arange(len(support)).expand(len(scores), -1)
        return posterior(support[rows], torch.from_numpy(scores), self._kept, log_prior, torch.from_numpy(doubt))

    def _belief(self, space: str) -> Posterior:
        """The posterior, or before any measurement the expectation of the prior."""
        if self._posterior is None:
            return self._condition(self._reference(space)[1][:0], np.empty((1, 0)), np.empty(0))
        if space != self._posterior.support.reference.space:
            raise PredictorError(
                f"This predictor was adapted to architectures of {self._posterior.support.reference.space}; it cannot "
                f"rank those of {space}: adapt the initial predictor to them."
            )
        return self._posterior

    def _known_with_reference(self, archs: Sequence[Architecture]) -> tuple[Knowledge, Knowledge]:
        listed = Architectures.of(archs)
        return self.known(listed), self._reference(listed.space.name)[1]

    def known(self, archs: Architectures) -> Knowledge:
        """What is known of N architectures before their task is measured.

        Of a long list it is remembered, as long as the same object comes again.
        """
        before, known = self._remembered.get(archs.space.name, (None, None))
        if known is None or before is not archs:
            known = Knowledge.of(self._raw(archs), self._reference(archs.space.name)[0])
            if len(archs) >= _REMEMBERED_FROM:
                self._remembered[archs.space.name] = archs, known
        return known

    def _reference(self, space: str) -> tuple[Reference, Knowledge]:
        """What is usual in a space: random architectures of it, always the same ones. Made at its first use."""
        if space not in self._references:
            raw = self._raw(get_space(space).sample_many(_NUM_REFERENCE, np.random.default_rng(0)))
            reference = Reference.of(raw, space, self.sources)
            self._references[space] = reference, Knowledge.of(raw, reference)
        return self._references[space]

    def _raw(self, archs: Architectures) -> tuple[Tensor, ...]:
        outputs, features = predict_sources(self._network, archs, self.config)
        return outputs.cpu(), features.cpu(), *priced_counts(archs, self._price_lists)


def _support_of(state: dict[str, Tensor]) -> tuple[Architectures, NDArray[np.float64]]:
    """The measured architectures of a state dict, and their scores; raises `PredictorError` if they are not whole."""
    try:
        space = get_space(bytes(state["support.space"].tolist()).decode())
        archs = Architectures(space, state["support.codes"].numpy())
        if any(arch not in space for arch in archs):
            raise ValueError(f"an architecture is none of {space.name}")
        return archs, state["support.scores"].double().numpy()
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise PredictorError(f"The measured architectures of this predictor are damaged: {error}.") from error
