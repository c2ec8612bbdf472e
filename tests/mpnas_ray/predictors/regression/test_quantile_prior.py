from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm, spearmanr

from mpnas_ray.predictors.regression import quantile_prior
from mpnas_ray.predictors.regression.quantile_prior import QuantilePrior, truncated_normal_scores
from mpnas_ray.spaces import get_space

ARCHS = get_space("transnasbench101").enumerate()
CONVS = (ARCHS.codes == 3).sum(axis=1)


def test_normal_scores_end_at_the_cut_of_the_paper() -> None:
    quantiles = np.arange(1, 17) / 16
    cut = 1 / (4 * 2 * math.sqrt(math.pi * math.log(16)))
    found = truncated_normal_scores(quantiles, 16)
    assert found[0] == pytest.approx(norm.ppf(1 / 16))
    assert found[7] == 0
    assert found[-1] == pytest.approx(norm.ppf(1 - cut))
    assert truncated_normal_scores(np.array([1.0]), 1) == 0
    assert np.isnan(truncated_normal_scores(np.array([np.nan, 0.5]), 9)[0])


@pytest.mark.long
def test_mean_and_deviation_are_those_of_the_tasks() -> None:
    rng = np.random.default_rng(0)
    spread = np.where(ARCHS.codes[:, 0] == 0, 0.2, 1.0)  # tasks differ about an architecture, some more than others
    targets = np.stack([(CONVS - 1.5) / 2 + spread * rng.normal(size=len(ARCHS)) for _ in range(4)])
    mean, deviation = QuantilePrior.fit(ARCHS, targets, 0).predict(ARCHS)
    assert spearmanr(mean, CONVS).statistic > 0.9
    assert deviation[spread < 1].mean() < 0.5
    assert 0.7 < deviation[spread == 1].mean() < 1.3


@pytest.mark.long
def test_the_seed_makes_the_prior_and_torch_draws_on_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantile_prior, "_STEPS", 30)
    targets = np.where(CONVS % 2, np.nan, CONVS)[None]  # only some were measured
    torch.manual_seed(5)
    one, other = (QuantilePrior.fit(ARCHS, targets, 1).predict(ARCHS[:9]) for _ in range(2))
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after)
    assert np.isfinite(one).all()
    assert np.array_equal(one, other)
    assert not np.array_equal(one, QuantilePrior.fit(ARCHS, targets, 2).predict(ARCHS[:9]))
