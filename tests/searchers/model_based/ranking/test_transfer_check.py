"""Does what was learned elsewhere help here? The evidence of the results, in words."""

from __future__ import annotations

import math

import pytest

from mpnas_ray.errors import SearcherStateError
from searchers.model_based.ranking.transfer_check import TransferCheck, Verdict


# Substantial evidence is a factor of the square root of ten, 3.16.
@pytest.mark.parametrize(
    ("factor", "verdict", "said"),
    [
        (3.2, "helps", "helps here (12 results are 3.2 times as probable with it as without)"),
        (3.1, "undecided", "is undecided (12 results are 3.1 times as probable with it"),
        (1.0, "undecided", "is undecided (12 results are 1.0 times as probable with it"),
        (1 / 3.1, "undecided", "is undecided (12 results are 3.1 times as probable without it"),
        (1 / 3.2, "hurts", "does not help here, and has little weight (12 results are 3.2 times as probable without"),
        (1e200, "helps", "over 1,000 times as probable with it"),
    ],
)
def test_verdicts(factor: float, verdict: Verdict, said: str) -> None:
    check = TransferCheck(12, math.log(factor))
    assert check.verdict == verdict
    assert said.replace(" as without", "") in str(check)


def test_a_saved_check_comes_back_and_a_damaged_one_is_refused() -> None:
    check = TransferCheck(9, -0.3)
    assert TransferCheck.from_plain(vars(check)) == check
    for damaged in ({"points": 9}, {"points": -1, "log_odds": 0.0}, {"points": 9, "log_odds": "much"}):
        with pytest.raises(SearcherStateError):
            TransferCheck.from_plain(damaged)
