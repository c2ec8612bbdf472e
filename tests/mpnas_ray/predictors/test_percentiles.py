from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.random import Generator, default_rng
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from torch import Tensor

from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.predictors import GCNConfig, GCNPredictor
from mpnas_ray.predictors.percentiles import COVERAGE, predict_percentiles
from mpnas_ray.spaces import Architecture, Architectures, get_space

SPACE = get_space("transnasbench101")


class Known:
    """Scores that are known, but for normal deviations of one size."""

    def __init__(self, deviation: float) -> None:
        everything = SPACE.enumerate()
        self.deviation = deviation
        self._place = {codes.tobytes(): place for place, codes in enumerate(everything.codes)}
        self.scores = norm.ppf((np.arange(4_096) + 0.5) / 4_096)  # architecture i is at percentile 100 (i + 0.5) / 4096

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None: ...

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        return self.scores[[self._place[codes.tobytes()] for codes in Architectures.of(archs).codes]]

    def sample_scores(self, archs: Sequence[Architecture], num_samples: int, rng: Generator) -> NDArray[np.float64]:
        known = self.predict(archs)
        return known + self.deviation * rng.standard_normal((num_samples, len(known)))

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load(self, state: dict[str, Tensor]) -> None: ...


def test_what_is_certain_has_its_own_percentile() -> None:
    asked = SPACE.enumerate()[[4_095, 0, 2_000, 2_000]]
    found = predict_percentiles(Known(0), asked, default_rng(0))
    assert found.num_others == 4_096
    assert found.rank.tolist() == [1, 4_096, 2_096, 2_096]
    expected = 100 * (np.array([4_095, 0, 2_000, 2_000]) + 0.5) / 4_096
    for values in (found.percentile, found.low, found.high):
        assert values is not None
        assert np.allclose(values, expected)


def test_intervals_are_those_of_the_distribution() -> None:
    """A deviation of 1 around a score of x, among others that deviate too: their scores have variance 2."""
    places = np.array([300, 2_048, 3_900])
    found = predict_percentiles(Known(1), SPACE.enumerate()[places], default_rng(0))
    scores = Known(1).scores[places]
    assert found.low is not None
    assert found.high is not None
    tail = norm.ppf((1 + COVERAGE) / 2)
    for values, shift in ((found.low, -tail), (found.percentile, 0), (found.high, tail)):
        assert np.allclose(values, 100 * norm.cdf((scores + shift) / np.sqrt(2)), atol=6)


@pytest.mark.long
def test_measurements_narrow_the_intervals(predictor: MixturePredictor, made_up_tasks: dict) -> None:  # type: ignore[type-arg]
    task = made_up_tasks["transnasbench101/letters-1"]
    asked = task.archs[100:130]
    before = predict_percentiles(predictor, asked, default_rng(0))
    after = predict_percentiles(predictor.adapt(task.archs[:60], task.scores[:60]), asked, default_rng(0))
    widths = []
    for found in (before, after):
        assert found.low is not None
        assert found.high is not None
        assert (found.low <= found.percentile).all()
        assert (found.percentile <= found.high).all()
        assert found.low.min() >= 0
        assert found.high.max() <= 100
        widths.append((found.high - found.low).mean())
    assert widths[1] < 0.7 * widths[0]
    true = task.scores[100:130]
    assert np.corrcoef(after.percentile, true)[0, 1] > 0.8


def test_a_predictor_that_does_not_know_its_uncertainty_gives_no_interval() -> None:
    space = get_space("nasbench101")
    archs = space.sample_many(12, default_rng(0))
    predictor = GCNPredictor(GCNConfig(width=4, num_layers=2, epochs=2), seed=0)
    predictor.fit(archs, np.arange(12.0))
    found = predict_percentiles(predictor, archs[:3], default_rng(1))
    assert found.num_others == 10_000
    assert found.low is None
    assert found.high is None
    assert np.allclose(found.percentile, 100 * (10_001 - found.rank) / 10_000, atol=0.5)
