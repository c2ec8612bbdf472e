"""Does what was learned elsewhere help here? The results are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.predictors import GaussianProcessPredictor, MetaLearned
from mpnas_ray.spaces import Architecture, Architectures, get_space
from searchers.transfer_check import FEWEST_POINTS, TransferCheck, Verdict, check_transfer

SPACE = get_space("transnasbench101")


def convolutions(archs: Sequence[Architecture]) -> NDArray[np.float64]:
    """Numbers of convolutions; 3x3 ones count more."""
    codes = Architectures.of(archs).codes
    return np.asarray((codes == 3).sum(axis=1) + 0.5 * (codes == 2).sum(axis=1), dtype=np.float64)


@dataclass
class KnowsConvolutions:
    """Meta-learned, cannot turn round, and notes what it was adapted to."""

    adapted_to: list[set[str]]

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None: ...

    def adapt(self, archs: Sequence[Architecture], scores: ArrayLike) -> KnowsConvolutions:
        assert len(archs) == len(np.asarray(scores))
        self.adapted_to.append({str(arch) for arch in archs})
        return self

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        assert self.adapted_to[-1].isdisjoint(str(arch) for arch in archs), "these are left out"
        return convolutions(archs)

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load(self, state: dict[str, Tensor]) -> None: ...


def some(num: int, seed: int = 0) -> Architectures:
    return SPACE.enumerate()[np.random.default_rng(seed).permutation(4_096)[:num]]


# With n results the standard error is 1 / sqrt(n - 1): 0.25 for 17, 0.5 for 5.
@pytest.mark.parametrize(
    ("points", "transferred", "scratch", "verdict"),
    [
        (17, 0.6, 0.5, "helps"),
        (17, 0.5, 0.5, "undecided"),
        (17, 0.01, 0.5, "undecided"),  # 0.49 below, two errors are 0.5
        (17, -0.01, 0.5, "hurts"),  # 0.51 below
        (17, 0.49, -0.9, "undecided"),  # chance: two errors are 0.5
        (17, 0.51, -0.9, "helps"),
        (17, -0.49, -0.9, "undecided"),
        (17, -0.51, -0.9, "hurts"),
        (FEWEST_POINTS - 1, -1.0, 1.0, "undecided"),
        (FEWEST_POINTS, -1.0, 1.0, "hurts"),
        (101, 0.69, 0.9, "hurts"),
        (101, 0.71, 0.9, "undecided"),
        (1, 0.0, 0.0, "undecided"),
    ],
)
def test_verdicts(points: int, transferred: float, scratch: float, verdict: Verdict) -> None:
    check = TransferCheck(points, transferred, scratch)
    assert check.verdict == verdict
    assert f"on {points} results" in str(check)
    assert {"helps": "helps here", "undecided": "undecided", "hurts": "without it"}[verdict] in str(check)
    assert f"{transferred:.2f}, without it {scratch:.2f}" in str(check)


def test_what_is_known_elsewhere_helps_where_it_is_true_and_hurts_where_it_is_turned_round() -> None:
    archs = some(24)
    truth = convolutions(archs) + np.random.default_rng(1).normal(scale=0.2, size=24)
    knows: MetaLearned = KnowsConvolutions([])
    helped = check_transfer(knows, GaussianProcessPredictor(), archs, truth, seed=0)
    flipped = check_transfer(knows, GaussianProcessPredictor(), archs, -truth, seed=0)
    assert helped.points == flipped.points == 24
    assert helped.verdict == "helps"
    assert flipped.verdict == "hurts"
    assert flipped.transferred == pytest.approx(-helped.transferred)
    assert flipped.scratch == pytest.approx(helped.scratch, abs=0.05), "who knows nothing does not mind the sign"


@pytest.mark.parametrize(("num", "folds"), [(4, 4), (10, 10), (11, 5), (24, 5)])
def test_each_result_is_left_out_once(num: int, folds: int) -> None:
    archs, knows = some(num), KnowsConvolutions([])
    check_transfer(knows, GaussianProcessPredictor(), archs, np.arange(float(num)), seed=0)
    everything = {str(arch) for arch in archs}
    left_out = [everything - kept for kept in knows.adapted_to]
    assert len(left_out) == folds
    assert sum(map(len, left_out)) == num
    assert set().union(*left_out) == everything
    assert max(map(len, left_out)) - min(map(len, left_out)) <= 1


def test_predictors_are_not_changed_and_equal_results_say_nothing() -> None:
    archs = some(12)
    scratch = GaussianProcessPredictor()
    scratch.fit(archs[:5], np.arange(5.0))
    before = scratch.predict(archs)
    equal = check_transfer(KnowsConvolutions([]), scratch, archs, np.ones(12), seed=0)
    assert (equal.transferred, equal.scratch, equal.verdict) == (0.0, 0.0, "undecided")
    one_differs = check_transfer(KnowsConvolutions([]), scratch, archs, np.eye(12)[3], seed=0)
    assert np.isfinite([one_differs.transferred, one_differs.scratch]).all()
    np.testing.assert_array_equal(scratch.predict(archs), before)
