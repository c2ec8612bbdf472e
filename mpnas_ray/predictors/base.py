"""Protocols of predictors: what each of them offers, and what some offer beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.spaces import Architecture, Architectures

__all__ = ["Evidential", "KnowsSources", "MetaLearned", "Predictor", "SourceWeight", "Uncertain"]


@runtime_checkable
class Predictor(Protocol):
    """Rank architectures of one search space after having seen some scores.

    A predictor without labels may rank too (a meta-learned one does); one that cannot raises `PredictorError`.
    """

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Learn from measured architectures.

        Args:
            archs: N architectures, an `Architectures` or a list.
            scores: ``[N]``, finite, higher is better, on any scale.
        """
        ...

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Predict scores ``[N]``; higher is better, only their order counts."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that `fit` learned, as CPU tensors."""
        ...

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what a predictor of the same configuration learned."""
        ...


@runtime_checkable
class MetaLearned(Predictor, Protocol):
    """A predictor that knows other tasks: it ranks without a score, and learns a new task from a few."""

    def adapt(self, archs: Sequence[Architecture], scores: ArrayLike) -> MetaLearned:
        """Return a new predictor that has learned from measured architectures; this one is not changed.

        The arguments are those of `fit`.
        """
        ...


@runtime_checkable
class Uncertain(Protocol):
    """A predictor that knows how far off it may be."""

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Predict scores ``[N]``; see `Predictor.predict`."""
        ...

    def predict_with_std(self, archs: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict means and standard deviations ``[N]``, in one unit; higher is better."""
        ...

    def sample_scores(self, archs: Sequence[Architecture], num_samples: int, rng: Generator) -> NDArray[np.float64]:
        """Draw functions that the scores may be, ``[num_samples, N]``."""
        ...


@runtime_checkable
class Evidential(Protocol):
    """A meta-learned predictor that also judges, by the measured scores, what kind of task it is given."""

    def transfer_odds(self) -> float:
        """Return the log odds of the scores with what other tasks say, against the scores without it."""
        ...

    def probability_of_cost(self) -> float:
        """Return the probability that the task measures a cost, such as a latency, rather than a quality."""
        ...


@dataclass(frozen=True)
class SourceWeight:
    """Weight of one source of knowledge in a predictor's belief about a task.

    Attributes:
        name: Name of a known task, or in words a group of them or what else is known.
        probability: Probability that the scores follow it, its sign turned round or not. Over all sources it sums to 1.
        reversed: The part of this probability with the sign turned round: what is good there is bad here.
        contribution: Part that it has in the predicted score of one architecture, beside the mean of others; None if
            the prediction is not such a sum.
    """

    name: str
    probability: float
    reversed: float
    contribution: float | None

    def in_unit(self, unit: float) -> SourceWeight:
        """Return it with the contribution in another unit."""
        return self if self.contribution is None else replace(self, contribution=self.contribution / unit)


@runtime_checkable
class KnowsSources(Protocol):
    """A predictor that can say which of the tasks that it knows decide a prediction."""

    def source_weights(self, arch: Architecture, others: Architectures) -> list[SourceWeight]:
        """List the weights of all sources, the most probable first.

        Contributions sum to the prediction of ``arch`` minus the mean prediction of ``others``.
        """
        ...
