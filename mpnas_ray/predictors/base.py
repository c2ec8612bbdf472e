"""What every predictor of architecture quality offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.spaces import Architecture

__all__ = ["Evidential", "MetaLearned", "Predictor"]


@runtime_checkable
class Predictor(Protocol):
    """Ranks architectures of one search space after having seen some scores.

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
        """Predicted scores ``[N]``; higher is better, only their order counts."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """All that `fit` learned, as CPU tensors."""
        ...

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what a predictor of the same configuration learned."""
        ...


@runtime_checkable
class MetaLearned(Predictor, Protocol):
    """A predictor that knows other tasks: it ranks without a score, and learns a new task from a few."""

    def adapt(self, archs: Sequence[Architecture], scores: ArrayLike) -> MetaLearned:
        """A new predictor that has learned from measured architectures; this one is not changed. As `fit` otherwise."""
        ...


@runtime_checkable
class Evidential(Protocol):
    """A meta-learned predictor that says what the measured scores let it believe of the task itself."""

    def transfer_odds(self) -> float:
        """Logarithm of how much more probable the scores are with what other tasks say than without it."""
        ...

    def probability_of_cost(self) -> float:
        """Probability that the task measures a cost, such as a latency, rather than a quality."""
        ...
