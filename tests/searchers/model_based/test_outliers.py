"""A trial that diverges gives one absurd value: how absurd it is changes neither proposals nor verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mpnas_ray.catalogue import load_predictor
from mpnas_ray.spaces import Architectures, get_space
from searchers import (
    BANANASSearch,
    GaussianProcessSearch,
    LocalSearch,
    MPNASSearch,
    RegularizedEvolution,
    REINFORCESearch,
    TPESearch,
)
from searchers.baselines.reinforce import Policy
from searchers.core.candidates import Candidates
from searchers.model_based.ranking.base import RankingRequest
from searchers.model_based.ranking.by_predictor import PredictorRanker
from searchers.testing import METRIC, run_trials

SPACE = get_space("transnasbench101")
DIVERGED = 4
ABSURD = (-1e5, -1e300)


def worth(archs: Architectures) -> NDArray[np.float64]:
    """Convolutions are good, 3x3 ones more so."""
    codes = archs.codes
    chance = np.random.default_rng(0).normal(scale=0.1, size=len(codes))
    return np.asarray((codes == 3).sum(axis=1) + 0.5 * (codes == 2).sum(axis=1) + chance, dtype=np.float64)


def measured(num: int, absurd: float | None) -> tuple[Architectures, NDArray[np.float64]]:
    archs = SPACE.enumerate()[np.random.default_rng(1).permutation(4_096)[:num]]
    labels = worth(archs)
    if absurd is not None:
        labels[DIVERGED] = absurd
    return archs, labels


@pytest.mark.long
@pytest.mark.parametrize(
    "kind",
    [
        MPNASSearch,
        GaussianProcessSearch,
        BANANASSearch,
        REINFORCESearch,
        TPESearch,
        RegularizedEvolution,
        LocalSearch,
    ],
)
def test_proposals_do_not_depend_on_how_absurd_a_value_is(kind: Any) -> None:
    def proposals(absurd: float) -> list[str]:
        ended = 0

        def score(config: dict[str, Any]) -> float:
            nonlocal ended
            ended += 1
            return absurd if ended == DIVERGED else config["arch"].count("nor_conv_3x3") + ended / 100

        searcher = kind("nasbench201", METRIC, "max", seed=0)
        return [config["arch"] for config in run_trials(searcher, [f"trial-{number}" for number in range(14)], score)]

    assert proposals(ABSURD[0]) == proposals(ABSURD[1])


def test_the_verdict_on_transfer_is_the_same() -> None:
    ranker = PredictorRanker(Candidates("transnasbench101", allow_isomorphic=True), load_predictor(), "mean", 100)
    checks = []
    for value in (None, *ABSURD):
        archs, labels = measured(24, value)
        request = RankingRequest([str(arch) for arch in archs], labels, archs.text_keys(), seed=0)
        checks.append(ranker.rank(request).transfer)
    regular, bad, absurd = checks
    assert regular is not None
    assert bad is not None
    assert absurd is not None
    assert bad.log_odds == pytest.approx(absurd.log_odds, abs=1e-9)
    assert regular.verdict == bad.verdict


@pytest.mark.long
@pytest.mark.parametrize("acquisition", ["mean", "ei", "ucb", "thompson"])
def test_the_default_predictor_proposes_what_it_would_without_the_absurd_value(acquisition: Any) -> None:
    ranker = PredictorRanker(Candidates("transnasbench101", allow_isomorphic=True), load_predictor(), acquisition, 100)

    def first(absurd: float | None) -> NDArray[np.int8]:
        archs, labels = measured(30, absurd)
        request = RankingRequest([str(arch) for arch in archs], labels, archs.text_keys(), seed=0)
        return ranker.rank(request).codes[:200]

    bad, absurd, regular = (first(value) for value in (*ABSURD, None))
    np.testing.assert_array_equal(bad, absurd)
    if acquisition != "thompson":  # whose first ones are drawn at random
        listed = [Architectures(SPACE, codes) for codes in (regular, absurd)]
        assert abs(worth(listed[0]).mean() - worth(listed[1]).mean()) < 0.2


def test_a_policy_goes_on_learning_after_an_absurd_reward() -> None:
    searcher = REINFORCESearch("transnasbench101", METRIC, "max", seed=0)

    def score(config: dict[str, Any]) -> float:
        return -1.7e308 if len(searcher.observations) == 2 else float(config["arch"].count("3"))

    run_trials(searcher, [f"trial-{number}" for number in range(20)], score)
    policy = searcher._policy()
    assert np.isfinite(policy.probabilities).all()
    assert np.abs(policy.probabilities - Policy.uniform([4] * 6).probabilities).max() > 0.01
