"""Searchers that use scores which cost no training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from ray.tune.search import Searcher

from mpnas_ray.errors import PredictorError
from mpnas_ray.spaces import Architectures, get_space
from searchers import ArchitectureSearcher, AREASearch, MPNASSearch, NASWOTSearch, RegularizedEvolution
from searchers.core.candidates import Candidates
from searchers.model_based.ranking.base import RankingRequest
from searchers.model_based.ranking.by_predictor import PredictorRanker
from searchers.model_based.ranking.by_score import ScoreRanker
from searchers.model_based.ranking.prior_score import NUM_SCORED, PriorScore, fused, prior_weight
from searchers.testing import run_trials

SPACE = get_space("transnasbench101")


def convolutions(archs: Architectures) -> NDArray[np.float64]:
    """A score: 3x3 convolutions, with a small part that no other architecture has."""
    return (archs.codes == 3).sum(axis=1) + archs.codes @ np.power(5.0, -np.arange(6)) / 100


class Counting:
    """A score that keeps what it was asked for."""

    def __init__(self, score: Callable[[Architectures], NDArray[np.float64]] = convolutions) -> None:
        self.score = score
        self.asked: list[str] = []

    def __call__(self, archs: Architectures) -> NDArray[np.float64]:
        self.asked += map(str, archs)
        return self.score(archs)


class Prefers:
    """A meta-learned predictor that never learns: it likes one operation."""

    def __init__(self, operation: int) -> None:
        self.operation = operation

    def fit(self, archs: Any, scores: Any) -> None: ...

    def adapt(self, archs: Any, scores: Any) -> Prefers:
        return self

    def predict(self, archs: Any) -> NDArray[np.float64]:
        return np.asarray((Architectures.of(archs).codes == self.operation).sum(axis=1), dtype=np.float64)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load(self, state: Any) -> None: ...


def run(searcher: Searcher, first: int, last: int, score: Callable[[str], float] = len) -> list[str]:
    configs = run_trials(
        searcher, [f"trial{number}" for number in range(first, last)], lambda config: score(config["arch"])
    )
    return [config["arch"] for config in configs]


def scores(texts: Sequence[str]) -> list[float]:
    return convolutions(Architectures.of(texts, SPACE)).tolist()


def naswot(**arguments: Any) -> NASWOTSearch:
    given = {"score": convolutions, "metric": "score", "mode": "max", "seed": 0, "num_scored": 30, **arguments}
    return NASWOTSearch(SPACE, **given)


def area(**arguments: Any) -> AREASearch:
    given = {"score": convolutions, "metric": "score", "mode": "max", "seed": 0, "population_size": 8, **arguments}
    return AREASearch(SPACE, **given)


def test_naswot_takes_the_best_of_a_sample_then_the_next_best_and_then_samples_anew() -> None:
    score = Counting()
    searcher = naswot(score=score)
    found = run(searcher, 0, 30)
    assert found == sorted(score.asked, key=lambda arch: -scores([arch])[0])
    assert len(set(score.asked)) == 30
    later = run(searcher, 30, 60)
    assert later == sorted(score.asked[30:], key=lambda arch: -scores([arch])[0])
    assert len(set(found + later)) == 60, "what was proposed is not scored again"


def test_naswot_scores_whatever_comes_out_once() -> None:
    score = Counting()
    assert run(naswot(score=score), 0, 20, score=len) == run(naswot(), 0, 20, score=lambda arch: -float(len(arch)))
    assert len(score.asked) == 30


def test_naswot_gives_out_a_whole_space_and_then_ends() -> None:
    few = [f"transnasbench101:64-41414-{cell}" for cell in ("3_33_333", "2_22_222", "1_23_321", "3_21_123", "1_11_111")]
    searcher = naswot(num_scored=2)
    searcher._proposals.candidates = Candidates(SPACE.name, chosen=tuple(few))
    assert sorted(run(searcher, 0, 5)) == sorted(few)
    assert searcher.suggest("one more") == Searcher.FINISHED


@pytest.mark.parametrize("space", ["mixed", "nasbench101"])
def test_large_spaces_are_sampled(space: str) -> None:
    searcher = NASWOTSearch(space, "score", "max", score=lambda archs: np.arange(len(archs)), num_scored=12, seed=0)
    assert len({get_space(space).parse(arch).canonical for arch in run(searcher, 0, 25)}) == 25
    assert searcher.num_failures == 0


@pytest.mark.parametrize("unusable", [np.nan, np.inf, -np.inf])
def test_unusable_scores_rank_last_and_are_counted_and_said(unusable: float, caplog: pytest.LogCaptureFixture) -> None:
    def partly(archs: Architectures) -> NDArray[np.float64]:
        return np.where(archs.codes[:, 0] == 3, unusable, convolutions(archs))

    searcher = naswot(score=partly)
    usable = [SPACE.parse(arch).codes[0] != 3 for arch in run(searcher, 0, 30)]
    num_unusable = usable.count(False)
    assert 0 < num_unusable < 30
    assert usable == sorted(usable, reverse=True)
    (event,) = [event for event in searcher.events if event["event"] == "scored"]
    assert (event["candidates"], event["unusable_scores"]) == (30, num_unusable)
    assert f"{num_unusable} of 30" in caplog.text
    proposals = [event for event in searcher.events if event["event"] == "proposal"]
    assert [event["rank"] for event in proposals] == list(range(1, 31))
    assert [event["score"] is not None for event in proposals] == usable


@pytest.mark.parametrize("make", [naswot, area])
def test_a_score_that_fails_is_counted_and_answered_at_random(make: Callable[..., ArchitectureSearcher]) -> None:
    def broken(archs: Architectures) -> NDArray[np.float64]:
        raise RuntimeError("injected")

    searcher = make(score=broken)
    assert len(set(run(searcher, 0, 12))) == 12
    assert searcher.num_failures == (1 if make is area else 12)
    with pytest.raises(PredictorError, match=r"for 5 it gave shape \[1\]"):
        ScoreRanker(Candidates(SPACE.name), lambda archs: [1.0], 5).rank(request())


def test_the_first_population_of_area_is_the_better_half_of_twice_as_many() -> None:
    score = Counting()
    searcher = area(score=score)
    found = run(searcher, 0, 8)
    assert len(set(score.asked)) == 16
    assert found == sorted(score.asked, key=lambda arch: -scores([arch])[0])[:8]
    rest = run(searcher, 8, 30)
    assert len(score.asked) == 16, "from then on the score plays no part"
    best = max(found, key=len)
    assert rest[0] in {str(arch) for arch in SPACE.neighbors(SPACE.parse(best))} or len({*map(len, found)}) == 1


def test_area_goes_on_as_evolution_does() -> None:
    assisted = run(area(), 0, 8)
    plain = RegularizedEvolution(
        SPACE, "score", "max", seed=0, population_size=8, sample_size=50, points_to_evaluate=assisted
    )
    searcher = area(sample_size=50)

    def quality(arch: str) -> float:
        return scores([arch])[0]

    late = [np.mean([quality(arch) for arch in run(one, 0, 60, score=quality)[40:]]) for one in (plain, searcher)]
    start = np.mean([quality(arch) for arch in assisted])
    assert min(late) > start, "both improve on their first population"


def test_of_failed_members_of_the_first_population_there_are_random_ones_in_place() -> None:
    score = Counting()
    searcher = area(score=score)
    found = []
    for number in range(12):
        found.append(searcher.suggest(str(number))["arch"])
        searcher.on_trial_complete(str(number), error=number < 6)
        if number >= 6:
            searcher.on_trial_complete(str(number), {"score": 1.0, "training_iteration": 1})
    order = sorted(score.asked, key=lambda arch: -scores([arch])[0])
    assert found[:8] == order[:8]
    assert not set(found[8:]) & set(order[8:]), "not the worse half"


VALUES = arrays.arrays(np.float64, st.integers(2, 30), elements=st.integers(-9, 9).map(float))


@given(VALUES, st.integers(0, 2**31), st.floats(0, 1))
def test_fusion_is_between_both_rankings(predicted: NDArray[np.float64], seed: int, weight: float) -> None:
    score = np.random.default_rng(seed).permutation(len(predicted)).astype(float)
    mean = fused(predicted, score, weight)
    assert ((mean >= 0) & (mean <= 1)).all()
    np.testing.assert_allclose(mean, fused(score, predicted, 1 - weight), atol=1e-12)
    np.testing.assert_allclose(fused(3 * predicted + 1, np.exp(score), weight), mean, atol=1e-12)
    better = (predicted[:, None] > predicted) & (score[:, None] > score)
    assert (mean[:, None] - mean)[better].min(initial=1.0) > 0, "where both agree, so does the mean"
    assert np.argsort(fused(predicted, score, 1.0)).tolist() == np.argsort(score).tolist()


def test_fusion_by_hand_with_an_unusable_score() -> None:
    mean = fused(np.array([30.0, 20.0, 10.0]), np.array([np.nan, 1.0, 2.0]), 0.5)
    np.testing.assert_allclose(mean, [0.5, 0.5, 0.5])
    np.testing.assert_allclose(fused(np.array([3.0, 2.0, 1.0]), np.array([np.nan] * 3), 0.9)[[0, 2]], [0.55, 0.45])


def test_a_score_counts_like_what_was_learned_elsewhere_and_fades() -> None:
    assert prior_weight(0, meta_learned=True) == 0.5
    assert prior_weight(0, meta_learned=False) == 1.0
    for meta_learned in (True, False):
        weights = [prior_weight(points, meta_learned) for points in range(200)]
        assert (np.diff(weights) < 0).all()
        assert weights[-1] < 0.1


def request(archs: Sequence[str] = (), seen: NDArray[np.uint64] | None = None) -> RankingRequest:
    labels = np.arange(len(archs), dtype=np.float64)
    return RankingRequest(list(archs), labels, np.empty(0, dtype=np.uint64) if seen is None else seen, seed=0)


def test_only_the_best_by_the_predictor_are_scored_and_each_once() -> None:
    score = Counting()
    plain = PredictorRanker(Candidates(SPACE.name), Prefers(2), "mean", 100)
    ranker = PredictorRanker(Candidates(SPACE.name), Prefers(2), "mean", 100, prior_score=PriorScore(score))
    alone, together = plain.rank(request()), ranker.rank(request())
    assert len(score.asked) == NUM_SCORED
    assert set(alone.keys[:NUM_SCORED]) == set(together.keys[:NUM_SCORED])
    np.testing.assert_array_equal(alone.keys[NUM_SCORED:], together.keys[NUM_SCORED:])
    assert together.keys[0] != alone.keys[0]
    again = ranker.rank(request(seen=together.keys[:10]))
    assert len(score.asked) == NUM_SCORED + 10
    assert len(set(score.asked)) == NUM_SCORED + 10
    assert not set(again.keys) & set(together.keys[:10])


def test_the_more_results_the_more_the_predictor_decides() -> None:
    points = [str(arch) for arch in SPACE.distinct()[:300]]
    ranker = PredictorRanker(Candidates(SPACE.name), Prefers(2), "mean", 100, prior_score=PriorScore(convolutions))

    def agreement(num_points: int) -> float:
        codes = ranker.rank(request(points[:num_points])).codes[:20]
        return float((codes == 2).sum(axis=1).mean())

    found = [agreement(num_points) for num_points in (0, 20, 300)]
    assert found == sorted(found)
    assert found[-1] > found[0]


def test_mpnas_with_a_prior_score_proposes_what_both_like() -> None:
    searcher = MPNASSearch(
        SPACE, "score", "max", Prefers(2), seed=0, prior_score=lambda archs: (archs.codes == 1).sum(axis=1)
    )
    first = [SPACE.parse(arch).codes for arch in run(searcher, 0, 3)]
    alone = MPNASSearch(SPACE, "score", "max", Prefers(2), seed=0)
    assert SPACE.parse(run(alone, 0, 1)[0]).codes == (2,) * 6
    assert all({1, 2} <= set(codes) for codes in first)
    assert searcher.events[0]["event"] == "zero_shot"
    assert searcher.events[0]["unusable_scores"] == 0


def test_without_a_meta_learned_predictor_the_score_alone_ranks_first() -> None:
    score = Counting()
    searcher = MPNASSearch(SPACE, "score", "max", None, seed=0, prior_score=score)
    (first,) = run(searcher, 0, 1)
    assert first == max(score.asked, key=lambda arch: scores([arch])[0])
    assert len(score.asked) == NUM_SCORED


def test_a_prior_score_that_fails_leaves_the_order_of_the_predictor(caplog: pytest.LogCaptureFixture) -> None:
    def broken(archs: Architectures) -> NDArray[np.float64]:
        raise RuntimeError("injected")

    searcher = MPNASSearch(SPACE, "score", "max", Prefers(2), seed=0, prior_score=broken)
    assert run(searcher, 0, 6) == run(MPNASSearch(SPACE, "score", "max", Prefers(2), seed=0), 0, 6)
    assert searcher.events[0]["unusable_scores"] == NUM_SCORED
    assert "injected" in caplog.text


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_scores_are_computed_beside_the_control_loop(tmp_path: Path, wait_for: Callable[..., Any]) -> None:
    def slow(archs: Architectures) -> NDArray[np.float64]:
        while not (tmp_path / "asked").exists():
            time.sleep(0.02)
        return np.asarray((archs.codes == 3).sum(axis=1), dtype=np.float64)

    searcher = AREASearch(SPACE, "score", "max", seed=0, score=slow)
    assert [searcher.suggest("first") for _ in range(3)] == [None] * 3, "it does not wait for the scores"
    (tmp_path / "asked").touch()
    answer = wait_for(lambda: searcher.suggest("first"), "the scores")
    assert searcher.num_failures == 0
    assert [event["event"] for event in searcher.events] == ["scored", "proposal"]
    assert SPACE.parse(answer["arch"]).codes.count(3) >= 3
