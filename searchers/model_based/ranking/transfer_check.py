"""A check whether what was learned on other tasks helps on this one, by the evidence of the results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from searchers.core.state import value_of

__all__ = ["SUBSTANTIAL", "TransferCheck", "Verdict"]

Verdict = Literal["helps", "undecided", "hurts"]

SUBSTANTIAL = math.log(10) / 2
"""Log odds from which evidence counts: "substantial" in the scale of Jeffreys (1961), a factor of 3.2."""


@dataclass(frozen=True)
class TransferCheck:
    """Compares how probable the results are with what other tasks say and without it.

    Attributes:
        points: Number of results.
        log_odds: Natural logarithm of their ratio, see
            `mpnas_ray.meta_learning.mixture.MixturePredictor.transfer_odds`.
    """

    points: int
    log_odds: float

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> TransferCheck:
        """Return the check whose ``vars`` these are.

        Raises:
            SearcherStateError: If a number is missing or none.
        """
        return cls(value_of(plain, "points", int, least=0), value_of(plain, "log_odds", float))

    @property
    def verdict(self) -> Verdict:
        """``helps`` or ``hurts`` where the evidence is substantial, else ``undecided``."""
        if abs(self.log_odds) < SUBSTANTIAL:
            return "undecided"
        return "helps" if self.log_odds > 0 else "hurts"

    def __str__(self) -> str:
        """Say the verdict in a sentence."""
        sentence = {
            "helps": "what was learned on other tasks helps here",
            "undecided": "whether what was learned on other tasks helps here is undecided",
            "hurts": "what was learned on other tasks does not help here, and has little weight",
        }[self.verdict]
        factor = math.exp(min(abs(self.log_odds), 20.0))
        said = f"{factor:.1f} times" if factor < 1_000 else "over 1,000 times"
        better = "with" if self.log_odds >= 0 else "without"
        return f"{sentence} ({self.points} results are {said} as probable {better} it)"
