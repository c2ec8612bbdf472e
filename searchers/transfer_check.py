"""Does what was learned on other tasks help on this one? Asked of the results themselves, as they come in."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mpnas_ray.predictors import MetaLearned, Predictor
from mpnas_ray.spaces import Architectures
from searchers.state import value_of

__all__ = ["TransferCheck", "Verdict", "check_transfer"]

Verdict = Literal["helps", "undecided", "hurts"]

FEWEST_POINTS = 8
"""Results below which nothing is decided: a rank correlation of fewer is mostly chance."""

_FOLDS = 5
_LEAVE_ONE_OUT = 10


@dataclass(frozen=True)
class TransferCheck:
    """Predictions of results that were left out, compared with these results.

    Attributes:
        points: Number of results.
        transferred: Spearman correlation of what the meta-learned predictor said, adapted to the others.
        scratch: Of what a predictor said that knows the other results alone.
    """

    points: int
    transferred: float
    scratch: float

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> TransferCheck:
        """Return the check whose ``vars`` these are.

        Raises:
            SearcherStateError: If a number is missing or none.
        """
        return cls(
            value_of(plain, "points", int, least=0),
            value_of(plain, "transferred", float),
            value_of(plain, "scratch", float),
        )

    @property
    def verdict(self) -> Verdict:
        """``hurts`` if the predictor from scratch is better, or transfer is wrong, by two standard errors; ``helps`` if
        transfer is right by two standard errors, and better than the predictor from scratch.

        The standard error of a rank correlation of unrelated numbers is ``1 / sqrt(points - 1)``.
        """
        certain = 2 / np.sqrt(max(self.points - 1, 1))
        if self.points < FEWEST_POINTS:
            return "undecided"
        if self.transferred < max(self.scratch, 0.0) - certain:
            return "hurts"
        return "helps" if self.transferred > max(self.scratch, certain) else "undecided"

    def __str__(self) -> str:
        """For people."""
        sentence = {
            "helps": "what was learned on other tasks helps here",
            "undecided": "whether what was learned on other tasks helps here is undecided",
            "hurts": "what was learned on other tasks hurts here: proposals come from a predictor without it",
        }[self.verdict]
        return (
            f"{sentence} (rank correlation on {self.points} results that were left out: {self.transferred:.2f}, "
            f"without it {self.scratch:.2f})"
        )


def check_transfer(
    transferred: MetaLearned, scratch: Predictor, archs: Architectures, labels: NDArray[np.float64], seed: int
) -> TransferCheck:
    """Compare two predictors on N results, each left out once: one by one up to ten of them, else in five folds.

    Args:
        transferred: Adapted to the results that are not left out.
        scratch: A copy is fitted to them.
        archs: N measured architectures.
        labels: Theirs ``[N]``, higher is better.
        seed: Of the folds.
    """
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(labels)) % (len(labels) if len(labels) <= _LEAVE_ONE_OUT else _FOLDS)
    said = np.zeros((2, len(labels)))
    for number in range(int(fold.max()) + 1):
        left_out, kept = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if np.ptp(labels[kept]) == 0:
            continue
        fitted = deepcopy(scratch)
        fitted.fit(archs[kept], labels[kept])
        said[0, left_out] = transferred.adapt(archs[kept], labels[kept]).predict(archs[left_out])
        said[1, left_out] = fitted.predict(archs[left_out])
    return TransferCheck(len(labels), _spearman(said[0], labels), _spearman(said[1], labels))


def _spearman(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """0, which speaks neither for nor against, where it is undefined."""
    if np.ptp(predicted) == 0 or np.ptp(labels) == 0:
        return 0.0
    return float(spearmanr(predicted, labels).statistic)
