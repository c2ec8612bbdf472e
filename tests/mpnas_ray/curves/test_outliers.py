"""One training that diverges, with a finite and huge loss, does not spoil what is read in the curves of the others."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mpnas_ray.catalogue import make_curve_method
from mpnas_ray.curves import BUNDLED_NETWORK, CURVE_METHODS, CurveMethod, LCRankNetMethod, PartialCurves, load_network
from mpnas_ray.curves.lcsvr import LcSVR
from mpnas_ray.curves.scaling import standardized
from mpnas_ray.spaces import get_space

EPOCHS, SHOWN, DIVERGED = 12, 5, 3
ABSURD = (-1e6, -1e300)


def trainings(absurd: float | None, size: int = 30) -> tuple[PartialCurves, NDArray[np.float64]]:
    """Curves of which one explodes after an epoch, in scores and train losses."""
    rng = np.random.default_rng(0)
    quality, rate = rng.uniform(0.3, 0.9, size), rng.uniform(0.2, 0.5, size)
    scores = quality[:, None] * (1 - np.exp(-rate[:, None] * np.arange(1, EPOCHS + 1)))
    losses = 2.3 * (1 - scores)
    if absurd is not None:
        scores[DIVERGED, 1:], losses[DIVERGED, 1:] = absurd, -absurd
    archs, features = get_space("nasbench201").sample_many(size, rng), rng.normal(size=(size, 1))
    return PartialCurves(scores, losses, EPOCHS, archs, features), scores[:, -1].copy()


def method(name: str) -> CurveMethod:
    if name == "bundled":
        return LCRankNetMethod(load_network(BUNDLED_NETWORK)[0])
    return LcSVR(num_configurations=15) if name == "lcsvr" else make_curve_method(name)


NAMES = [
    pytest.param(n, marks=pytest.mark.slow) if n in ("omni", "lcranknet") else n for n in (*CURVE_METHODS, "bundled")
]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_the_others_are_judged_as_if_nothing_had_diverged(name: str) -> None:
    others = np.delete(np.arange(30), DIVERGED)
    found = []
    for absurd in (*ABSURD, None):
        curves, scores = trainings(absurd)
        judge = method(name)
        judge.fit(curves, scores)
        found.append(judge.predict(curves.cut(SHOWN)))
    np.testing.assert_array_equal(found[0][others], found[1][others])
    assert spearmanr(found[1][others], found[2][others]).statistic > 0.9
    assert found[1][DIVERGED] < np.median(found[1][others])


def test_ten_trainings_keep_their_scale() -> None:
    others = np.delete(np.arange(10), DIVERGED)
    absurd, regular = (standardized(*[trainings(value, 10)[0]] * 2) for value in (ABSURD[1], None))
    assert (absurd[others].std(axis=0) > 0.5 * regular[others].std(axis=0)).all()


def test_a_first_epoch_that_exploded_does_not_hide_the_rest_of_its_curve() -> None:
    curves, scores = trainings(None)
    best = int(np.argmax(scores))
    curves.scores[best, 0] = -1e300
    expected = make_curve_method("extrapolation").predict(curves.cut(SHOWN))
    assert abs(expected[best]) < 2
    assert expected[best] > np.median(expected)
