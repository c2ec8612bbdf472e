"""The mixture predictor: ranks at once, adapts to a few scores in milliseconds, and knows what it does not know."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.checks import require_count
from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.common.network import Parameters, check_shapes
from mpnas_ray.meta_learning.mixture.config import MixtureConfig
from mpnas_ray.meta_learning.mixture.description import NUM_INPUTS
from mpnas_ray.meta_learning.mixture.knowledge import (
    NOTHING,
    PRICES,
    SOURCE_KERNELS,
    Knowledge,
    Reference,
    Source,
    candidates,
)
from mpnas_ray.meta_learning.mixture.lookup import Lookup
from mpnas_ray.meta_learning.mixture.memory import Memory
from mpnas_ray.meta_learning.mixture.process.posterior import Posterior, log_likelihoods, posterior
from mpnas_ray.meta_learning.mixture.process.prior import AMPLITUDES, COST_PROBABILITY, LOG_SCALE_PRIOR, Prior
from mpnas_ray.meta_learning.mixture.process.sampling import sample_posterior
from mpnas_ray.meta_learning.mixture.process.scales import support_doubt, support_scales
from mpnas_ray.meta_learning.mixture.source_weights import named_weights
from mpnas_ray.predictors.base import SourceWeight
from mpnas_ray.predictors.support import support_of_state
from mpnas_ray.spaces import Architecture, Architectures
from mpnas_ray.tables import Kind

__all__ = ["MixturePredictor"]

_EXPECTED = 0.9
"""Probability that the name of a metric says rightly whether it is a quality or a cost."""

_SURE = 1e-12
"""Distance of a probability from 0 and 1 below which odds are not told apart."""


class MixturePredictor:
    """A meta-learned belief about tasks and, after `fit`, what it became on one task.

    The scores of a new task are believed to be a known mean function (the scores of one source task, or the mean of
    several, or a list of operation prices, or nothing) plus a Gaussian process, the whole turned round or not and on
    any scale; all such hypotheses are weighed by how well they explain the measured scores
    (`mpnas_ray.meta_learning.mixture.process.posterior`), with a prior learned from the source tasks. Nothing is
    trained when adapting.

    The scores of a source task are those that its table has measured, where it has measured the cell and the predictor
    may remember that (`mpnas_ray.meta_learning.mixture.memory`), else what a graph network learned of them.
    """

    def __init__(
        self,
        config: MixtureConfig,
        sources: Sequence[Source],
        network: Parameters,
        prior: Prior,
        memory: Memory | None = None,
        *,
        cost_probability: float = COST_PROBABILITY,
        device: torch.device | str = "cpu",
    ) -> None:
        """Make a predictor that ranks zero-shot.

        Args:
            config: Configuration of the meta-learning.
            sources: The K tasks that it learned from, in the order of the network's outputs.
            network: The source network's parameters.
            prior: Learned with it.
            memory: Measurements of the tables of the sources; None for nothing.
            cost_probability: Probability that the new task measures a cost, see `measuring` and `expecting`.
            device: Device of the network; the closed forms, which are small, stay on the CPU.

        Raises:
            PredictorError: If network or prior have not the shape that ``config`` and ``sources`` say.
        """
        check_shapes(network, config.gcn, num_inputs=NUM_INPUTS, num_outputs=2 * len(sources))
        prior.check_shapes(len(sources))
        self.config = config
        self.sources = tuple(sources)
        self.memory = memory or Memory(len(self.sources))
        if self.memory.num_sources != len(self.sources):
            raise PredictorError(
                f"This memory is of {self.memory.num_sources} sources, the predictor has {len(self.sources)}."
            )
        self.cost_probability = cost_probability
        self.device = torch.device(device)
        self._network = {name: tensor.detach().to(self.device) for name, tensor in network.items()}
        self._prior = prior
        self._kept = torch.ones(len(self.sources), dtype=torch.bool)
        self._lookup = Lookup(config, self.sources, self._network, self.memory, self._kept)
        self._support: Architectures | None = None
        self._scores: NDArray[np.float64] = np.empty(0)
        self._posterior: Posterior | None = None
        self._units: dict[str, tuple[Tensor, Tensor]] = {}  # space -> what `_usual` computed

    @property
    def remembered(self) -> tuple[str, ...]:
        """Names of the sources whose measurements it carries with it."""
        return tuple(self.sources[place].name for place in self.memory.sources)

    @property
    def kind(self) -> Kind | None:
        """Kind of the new task, None if that is not certain."""
        return {0.0: "quality", 1.0: "cost"}.get(self.cost_probability)  # type: ignore[return-value]

    def measuring(self, kind: Kind | None) -> MixturePredictor:
        """Return a predictor for tasks that measure a ``quality``, a ``cost`` (a latency, energy), or None: either.

        Before the first score it ranks for qualities if it is not told; then the scores decide.
        """
        return self._with_cost_probability(COST_PROBABILITY if kind is None else float(kind == "cost"))

    def expecting(self, kind: Kind) -> MixturePredictor:
        """Return a predictor for tasks that probably measure this, by their metric's name; scores may overrule it."""
        return self._with_cost_probability(_EXPECTED if kind == "cost" else 1 - _EXPECTED)

    def adapt(self, archs: Sequence[Architecture], scores: ArrayLike) -> MixturePredictor:
        """Return a new predictor of the same meta-learned belief, conditioned on N measured architectures of one space.

        With none, or if all scores are equal, it ranks zero-shot.

        Args:
            archs: N architectures, an `Architectures` or a list.
            scores: ``[N]``, finite, higher is better, on any scale.

        Raises:
            PredictorError: If numbers differ or a score is not finite.
        """
        adapted = self._not_adapted(self.cost_probability)
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
        self._support, self._scores, self._posterior, self._units = None, np.empty(0), None, {}
        if len(values) and values.min() < values.max():
            self._support, self._scores = Architectures.of(archs), values
            known = self._lookup.measured(self._support)
            scales, doubt = (torch.from_numpy(found) for found in (support_scales(values), support_doubt(values)))
            self._posterior = posterior(known, scales, self._kept, self._log_prior(known.reference), doubt)

    def known(self, archs: Architectures) -> Knowledge:
        """Return what is known of N architectures before their task is measured."""
        return self._lookup.known(archs)

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Predict expected scores ``[N]``: higher is better, only their order counts.

        Raises:
            PredictorError: If it was adapted to architectures of another space.
        """
        if not len(archs):
            return np.empty(0)
        listed = Architectures.of(archs)
        belief = self._belief(listed.space.name)
        location, unit = self._usual(listed.space.name)
        _, means, between = self._lookup.compared(listed, self._measured(listed), belief.support)
        # Each scale of the scores has its own posterior; they are averaged in units of what is usual in the space.
        expected = (belief.mean(means, between).double() - location) / unit
        return np.asarray(expected.mean(dim=0).numpy(), dtype=np.float64)

    def predict_with_std(self, archs: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict expected scores ``[N]``, as `predict` does, and their standard deviations ``[N]``.

        Both are in units of the standard deviation of the expected scores over the space. They are those of the
        noiseless score, over all hypotheses and over both scales of the scores.

        Raises:
            PredictorError: If no scores, or only equal ones, were measured, or those of another space.
        """
        listed = Architectures.of(archs)
        if self._posterior is None or self._support is None:
            raise PredictorError("predict_with_std needs measured scores that differ: call fit or adapt first.")
        belief = self._belief(listed.space.name)
        location, unit = self._usual(listed.space.name)
        known, means, between = self._lookup.compared(listed, self._measured(listed), belief.support)
        expected = (belief.mean(means, between).double() - location) / unit
        spread = belief.moments(known, means, between)[1] / unit.square()
        mean = expected.mean(dim=0)
        together = (spread + expected.square()).mean(dim=0) - mean.square()
        return np.asarray(mean.numpy()), np.asarray(together.clamp(min=0).sqrt().numpy())

    def transfer_odds(self) -> float:
        """Return the log odds of the scores with what other tasks say, against the scores without it.

        Hypotheses that use the sources, by their mean function or by most of their variance, are set against those that
        know the architecture alone, each group weighed by the prior within it. Of both scales of the scores the mean.

        Raises:
            PredictorError: If no scores, or only equal ones, were measured.
        """
        weights, log_prior = self._weighed()
        listed = candidates(self._adapted_posterior().support.reference, self._kept)
        by_mean = (listed.category != NOTHING) & (listed.category != PRICES)
        by_kernel = AMPLITUDES[:, :SOURCE_KERNELS].sum(dim=1) > AMPLITUDES[:, SOURCE_KERNELS:-1].sum(dim=1)
        uses = by_kernel[:, None] | by_mean  # [H, C]
        before = (log_prior[0].exp()[:, None] * log_prior[1].exp().sum(dim=1) * uses).sum()
        after = (weights.sum(dim=(3, 4)) * uses).sum(dim=(1, 2))
        odds = torch.special.logit(after, eps=_SURE) - torch.special.logit(before, eps=_SURE)
        return float(odds.mean())

    def probability_of_cost(self) -> float:
        """Return the probability that the task measures a cost, given its scores; before any, what was told."""
        if self._posterior is None or self.cost_probability in (0.0, 1.0):
            return self.cost_probability
        belief = self._adapted_posterior()
        assert belief.evidence is not None
        likelihoods = log_likelihoods(belief.evidence.statistics)[0]
        listed = candidates(belief.support.reference, self._kept)
        log_odds = math.log(self.cost_probability) - math.log1p(-self.cost_probability)
        of_kind = []
        for kind in (0.0, 1.0):
            amplitude, mean = self._prior.log_weights(listed, len(self._scores), kind)
            joint = likelihoods + amplitude[:, None, None, None] + mean[:, :, None] + LOG_SCALE_PRIOR
            of_kind.append(joint.flatten(1).logsumexp(dim=1))
        return float((of_kind[1] - of_kind[0] + log_odds).mean().sigmoid())

    def source_weights(self, arch: Architecture, others: Architectures) -> list[SourceWeight]:
        """List the weights of all sources, the most probable first, and their parts in one prediction.

        Probabilities are means over both scales of the scores; see `mpnas_ray.predictors.KnowsSources`.

        Raises:
            PredictorError: If it was adapted to architectures of another space.
        """
        archs = Architectures(others.space, np.concatenate([Architectures.of([arch]).codes, others.codes]))
        belief, (_, unit) = self._belief(archs.space.name), self._usual(archs.space.name)
        _, means, between = self._lookup.compared(archs, self._measured(archs), belief.support)
        apart = (means[0] - means[1:].mean(dim=0)).double()
        parts = (belief.mean_weights.double() * apart / unit).mean(dim=0)
        whole = (belief.mean(means, between).double() / unit).mean(dim=0)
        measured = float(whole[0] - whole[1:].mean() - parts.sum())
        prior = self._log_prior(belief.support.reference)[1].exp()
        probabilities = prior if belief.weights is None else belief.weights.sum(dim=(1, 4)).mean(dim=0)
        listed = candidates(belief.support.reference, self._kept)
        return named_weights(listed, self.sources, probabilities, parts, measured)

    def sample_scores(self, archs: Sequence[Architecture], num_samples: int, rng: Generator) -> NDArray[np.float64]:
        """Draw score functions from the posterior, at N architectures: ``[num_samples, N]``.

        In units of the standard deviation of the measured scores, half of them (as normal scores, the other half) on
        their clipped scale. Each sample is one function, so that its highest architecture is a proposal of Thompson
        sampling.
        Before any measurement the functions are drawn from the prior; their offsets, which may be of any size, then say
        nothing, but their order does.

        Raises:
            PredictorError: If it was adapted to architectures of another space, or for less than one function.
        """
        require_count("num_samples", num_samples, error=PredictorError)
        listed = Architectures.of(archs)
        belief, scores = self._belief(listed.space.name), np.empty((1, 0))
        known, support = self._lookup.known(listed), belief.support
        if self._support is not None:
            scores = support_scales(self._scores)
        log_prior = self._log_prior(known.reference)
        values, doubt = torch.from_numpy(scores), torch.from_numpy(support_doubt(self._scores))
        return sample_posterior(support, values, known, self._kept, log_prior, num_samples, rng, doubt)

    def initialisation(self) -> dict[str, Tensor]:
        """Return what meta-learning made, on the CPU: the parts of `state_dict` that no task changes."""
        state = {f"network.{name}": tensor for name, tensor in self._network.items()}
        state |= {f"prior.{name}": tensor for name, tensor in self._prior.tensors().items()}
        state |= {f"memory.{name}": tensor for name, tensor in self.memory.tensors().items()}
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the `initialisation` and, once adapted, the measured architectures (``support.*``), on the CPU."""
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
        loaded = self.of_state(
            self.config, self.sources, state, cost_probability=self.cost_probability, device=self.device
        )
        self.__dict__.update(loaded.__dict__)

    @classmethod
    def of_state(
        cls,
        config: MixtureConfig,
        sources: Sequence[Source],
        state: dict[str, Tensor],
        *,
        cost_probability: float = COST_PROBABILITY,
        device: torch.device | str = "cpu",
    ) -> MixturePredictor:
        """Rebuild a predictor from `state_dict` or `initialisation`.

        Raises:
            PredictorError: If names or shapes are not those of this configuration and these sources.
        """
        network = {n.removeprefix("network."): tensor for n, tensor in state.items() if n.startswith("network.")}
        prior = {n.removeprefix("prior."): tensor for n, tensor in state.items() if n.startswith("prior.")}
        remembered = {n.removeprefix("memory."): tensor for n, tensor in state.items() if n.startswith("memory.")}
        predictor = cls(
            config,
            sources,
            network,
            Prior.of_tensors(prior),
            Memory.of_tensors(remembered, len(sources)),
            cost_probability=cost_probability,
            device=device,
        )
        if any(name.startswith("support.") for name in state):
            predictor.fit(*support_of_state(state))
        return predictor

    def _with_cost_probability(self, probability: float) -> MixturePredictor:
        other = self._not_adapted(probability)
        if self._support is not None:
            other.fit(self._support, self._scores)
        return other

    def _not_adapted(self, cost_probability: float) -> MixturePredictor:
        other = MixturePredictor(
            self.config,
            self.sources,
            self._network,
            self._prior,
            self.memory,
            cost_probability=cost_probability,
            device=self.device,
        )
        other._lookup = self._lookup  # no task changes it
        return other

    def _log_prior(self, reference: Reference) -> tuple[Tensor, Tensor]:
        return self._prior.log_weights(candidates(reference, self._kept), len(self._scores), self.cost_probability)

    def _adapted_posterior(self) -> Posterior:
        if self._posterior is None:
            raise PredictorError("This needs measured scores that differ: call fit or adapt first.")
        return self._posterior

    def _weighed(self) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the weights of all hypotheses ``[S, H, C, 2, 7]``, and their prior."""
        belief = self._adapted_posterior()
        assert belief.weights is not None
        return belief.weights, self._log_prior(belief.support.reference)

    def _belief(self, space: str) -> Posterior:
        """Return the posterior, or before any measurement the expectation of the prior."""
        if self._posterior is None:
            rows = self._lookup.usual(space)
            empty = torch.empty(1, 0, dtype=torch.float64)
            return posterior(rows.known[:0], empty, self._kept, self._log_prior(rows.known.reference))
        if space != self._posterior.support.reference.space:
            raise PredictorError(
                f"This predictor was adapted to architectures of {self._posterior.support.reference.space}; it cannot "
                f"rank those of {space}: adapt the initial predictor to them."
            )
        return self._posterior

    def _usual(self, space: str) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the expected scores over the space, on each scale: ``[S, 1]`` each."""
        if space not in self._units:
            belief, rows = self._belief(space), self._lookup.usual(space)
            usual = belief.mean(rows.means, rows.between(self._measured(rows.archs), belief.support)).double()
            std = usual.std(dim=1, keepdim=True, correction=0).clamp(min=1e-9)
            self._units[space] = usual.mean(dim=1, keepdim=True), std
        return self._units[space]

    def _measured(self, archs: Architectures) -> Architectures:
        """Return the measured architectures, or none of the space of ``archs``."""
        return archs[:0] if self._support is None else self._support
