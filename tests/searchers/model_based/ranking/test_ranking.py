"""In which order candidates are proposed, and what an acquisition makes of a belief."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm
from torch import Tensor

from mpnas_ray.catalogue import load_predictor
from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import CostPredictor, GaussianProcessPredictor
from mpnas_ray.spaces import Architecture, Architectures, get_space
from searchers.core.candidates import Candidates
from searchers.model_based.ranking.acquisition import (
    ACQUISITIONS,
    UCB_STANDARD_DEVIATIONS,
    Acquisition,
    acquire,
    expected_improvement,
    improve_shortlist,
    upper_confidence_bound,
)
from searchers.model_based.ranking.base import RankingRequest
from searchers.model_based.ranking.by_predictor import PredictorRanker

SPACE = get_space("transnasbench101")

Rows = NDArray[np.intp]


def rows(*values: int) -> Rows:
    return np.array(values, dtype=np.intp)


@pytest.mark.parametrize(("mean", "deviation", "incumbent"), [(0.0, 1.0, 0.0), (-1.5, 0.7, 0.4), (3.0, 0.2, 1.0)])
def test_expected_improvement_is_the_integral_that_it_stands_for(
    mean: float, deviation: float, incumbent: float
) -> None:
    density = norm(mean, deviation).pdf
    expected, _ = quad(lambda score: (score - incumbent) * density(score), incumbent, mean + 12 * deviation)
    found = expected_improvement(np.array([mean]), np.array([deviation]), incumbent)
    np.testing.assert_allclose(found, [expected], rtol=1e-8)


FINITE = st.floats(-5, 5)


@given(FINITE, FINITE, st.floats(0, 5), st.floats(0, 5), FINITE)
def test_more_hope_is_more_improvement(mean: float, higher: float, deviation: float, wider: float, best: float) -> None:
    mean, higher = sorted([mean, higher])
    deviation, wider = sorted([deviation, wider])

    def of(mean: float, deviation: float) -> float:
        return float(expected_improvement(np.array([mean]), np.array([deviation]), best)[0])

    assert of(mean, deviation) >= max(mean - best, 0.0) - 1e-9, "never less than if it were certain"
    assert of(higher, deviation) >= of(mean, deviation) - 1e-9
    assert of(mean, wider) >= of(mean, deviation) - 1e-9
    assert of(mean, 0.0) == pytest.approx(max(mean - best, 0.0), abs=1e-9)


def measured(num: int, seed: int = 0) -> tuple[Architectures, NDArray[np.float64]]:
    """Architectures and their numbers of 3x3 convolutions, nearly."""
    rng = np.random.default_rng(seed)
    archs = SPACE.enumerate()[rng.permutation(4_096)[:num]]
    return archs, (archs.codes == 3).sum(axis=1) + rng.normal(scale=0.1, size=num)


@pytest.fixture(scope="module")
def process() -> GaussianProcessPredictor:
    predictor = GaussianProcessPredictor()
    predictor.fit(*measured(15))
    return predictor


def order(process: GaussianProcessPredictor, acquisition: Acquisition) -> tuple[NDArray[np.float64], Rows]:
    known, _ = measured(15)
    return acquire(process, acquisition, SPACE.enumerate(), known, np.random.default_rng(0), np.arange(4_096))


def test_each_acquisition_orders_by_its_value(process: GaussianProcessPredictor) -> None:
    archs, (known, _) = SPACE.enumerate(), measured(15)
    mean, deviation = process.predict_with_std(archs)
    values = {
        "mean": mean,
        "ucb": mean + UCB_STANDARD_DEVIATIONS * deviation,
        "ei": expected_improvement(mean, deviation, float(process.predict(known).max())),
    }
    np.testing.assert_array_equal(values["ucb"], upper_confidence_bound(mean, deviation))
    for acquisition, value in values.items():
        expected, found = order(process, acquisition)  # type: ignore[arg-type]
        np.testing.assert_array_equal(expected, mean)
        np.testing.assert_array_equal(np.sort(found), np.arange(len(archs)))
        assert (np.diff(value[found]) <= 0).all()


def test_thompson_sampling_begins_with_the_best_of_sampled_functions(process: GaussianProcessPredictor) -> None:
    mean, found = order(process, "thompson")
    best = process.sample_scores(SPACE.enumerate(), 32, np.random.default_rng(0)).argmax(axis=1)
    distinct = list(dict.fromkeys(best.tolist()))
    assert len(distinct) > 1
    assert found[: len(distinct)].tolist() == distinct
    assert (np.diff(mean[found[len(distinct) :]]) <= 0).all()
    np.testing.assert_array_equal(np.sort(found), np.arange(4_096))


class KnowsPooling:
    """Was taught that pooling and little else is good, and learns nothing new: meta-learned, and of no use."""

    def fit(self, archs: Sequence[Architecture], scores: object) -> None: ...

    def adapt(self, archs: Sequence[Architecture], scores: object) -> KnowsPooling:
        return self

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        codes = Architectures.of(archs).codes
        return np.asarray(-(codes == 3).sum(axis=1) - 1e-3 * codes.sum(axis=1), dtype=np.float64)

    def state_dict(self) -> dict[str, object]:
        return {}

    def load(self, state: dict[str, object]) -> None: ...


class FindsAllEqual:
    """As a tree that was never split does."""

    def fit(self, archs: Sequence[Architecture], scores: object) -> None: ...

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        return np.zeros(len(archs))

    def predict_with_std(self, archs: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.zeros(len(archs)), np.ones(len(archs))

    def sample_scores(
        self, archs: Sequence[Architecture], num_samples: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        return np.zeros((num_samples, len(archs)))

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load(self, state: dict[str, Tensor]) -> None: ...


def request(num: int) -> RankingRequest:
    archs, labels = measured(num)
    return RankingRequest([str(arch) for arch in archs], labels, archs.text_keys(), seed=0)


@pytest.mark.parametrize("acquisition", ACQUISITIONS)
def test_equals_are_proposed_in_an_order_that_follows_from_the_seed(acquisition: Acquisition) -> None:
    candidates = Candidates("transnasbench101", allow_isomorphic=True)
    ranker = PredictorRanker(candidates, FindsAllEqual(), acquisition, 100)
    first, other = (ranker.rank(replace(request(15), seed=seed)) for seed in (1, 2))

    assert len(first) == 4_096 - 15
    assert not np.isin(first.keys[1:20], other.keys[1:20]).all()
    in_space = candidates.listed_keys[np.isin(candidates.listed_keys, first.keys)]
    assert not np.array_equal(first.keys, in_space), "not as the space lists them"
    np.testing.assert_array_equal(ranker.rank(replace(request(15), seed=1)).keys, first.keys)


def test_expected_improvement_of_a_shortlist_orders_as_that_of_all_does() -> None:
    """The first places; what is not on the shortlist follows by its mean."""
    archs = get_space("nasbench201").sample_many(3_000, np.random.default_rng(0))
    points = archs[:20]
    predictor = GaussianProcessPredictor()
    predictor.fit(points, np.random.default_rng(1).normal(size=20))
    mean = predictor.predict(archs)
    ties = np.arange(len(archs))
    unseen = np.ones(len(archs), dtype=bool)
    unseen[:20] = False
    short = improve_shortlist(predictor, mean, archs, points, unseen, np.random.default_rng(2), ties)
    assert sorted(short.tolist()) == list(range(3_000))
    assert unseen[short[:1_000]].all()
    _, order = acquire(predictor, "ei", archs, points, np.random.default_rng(2), ties)
    best = [place for place in order.tolist() if unseen[place]]
    assert best[0] in short[:5]
    rest = mean[short[1_000:]]
    assert (np.diff(rest[unseen[short[1_000:]]]) <= 1e-12).all()
    few = improve_shortlist(predictor, mean[:20], archs[:20], points, unseen[:20], np.random.default_rng(2), ties[:20])
    assert (np.diff(mean[few]) <= 0).all(), "nothing is left to improve on"


def test_where_all_results_are_equal_the_search_looks_elsewhere() -> None:
    ranker = PredictorRanker(Candidates("transnasbench101", allow_isomorphic=True), KnowsPooling(), "mean", 100)
    archs, _ = measured(6)
    listed = [str(arch) for arch in archs]
    by_seed = []
    for seed in (0, 1):
        ranking = ranker.rank(RankingRequest(listed, np.full(6, 3.0), archs.text_keys(), seed))
        assert not np.isin(ranking.keys, archs.text_keys()).any()
        assert np.corrcoef(ranking.predicted, np.arange(len(ranking)))[0, 1] > -0.1, "not as predicted"
        by_seed.append(ranking.codes[:20])
    assert not np.array_equal(*by_seed)
    one = ranker.rank(RankingRequest(listed[:1], np.full(1, 3.0), archs[:1].text_keys(), 0))
    assert (np.diff(one.predicted) <= 0).all(), "a single result does not contradict anything"


def test_a_meta_learned_predictor_ranks_by_other_tasks_while_there_is_one_result() -> None:
    """A single result says nothing yet: there is nothing to compare it with."""
    candidates = Candidates("transnasbench101", allow_isomorphic=True)
    ranker = PredictorRanker(candidates, load_predictor("mpnas-3"), "ei", 100)
    seen = SPACE.enumerate()[7:8]
    keys = candidates.keys(seen)
    first = ranker.rank(RankingRequest((), np.empty(0), keys, seed=3))
    second = ranker.rank(RankingRequest((str(seen[0]),), np.array([0.5]), keys, seed=3))
    np.testing.assert_array_equal(second.codes, first.codes)


def test_the_first_proposals_in_a_large_space_are_not_neighbours_of_one_cell() -> None:
    """Before any result only the sample is ranked; its neighbours, which are much alike, come with results."""

    class LikesLargeCodes(KnowsPooling):
        def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
            return np.asarray(Architectures.of(archs).codes.sum(axis=1), dtype=np.float64)

    ranker = PredictorRanker(Candidates("nasbench101"), LikesLargeCodes(), "mean", 300)
    nothing = RankingRequest([], np.empty(0), np.empty(0, dtype=np.uint64), seed=0)
    assert len(ranker.rank(nothing)) <= 300
    archs = get_space("nasbench101").sample_many(2, np.random.default_rng(0))
    some = RankingRequest([str(arch) for arch in archs], np.arange(2.0), archs.canonical_keys(), seed=0)
    assert len(ranker.rank(some)) > 400


class BelievesInCosts(KnowsPooling):
    """Certain of what it is told."""

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def adapt(self, archs: Sequence[Architecture], scores: object) -> BelievesInCosts:
        return self

    def probability_of_cost(self) -> float:
        return self.probability

    def transfer_odds(self) -> float:
        return 5.0


def test_a_predictor_of_costs_ranks_where_a_cost_is_measured() -> None:
    candidates, archs = Candidates("transnasbench101", allow_isomorphic=True), measured(20)[0]
    costs = CostPredictor()
    labels = -(archs.codes == 3).sum(axis=1).astype(float)
    asked = RankingRequest([str(arch) for arch in archs], labels, archs.text_keys(), seed=0)
    quality, cost = (
        PredictorRanker(candidates, BelievesInCosts(p), "ei", 100, cost_predictor=costs).rank(asked) for p in (0.4, 0.6)
    )
    assert quality.transfer == cost.transfer
    assert quality.transfer is not None
    assert quality.transfer.verdict == "helps"
    in_order = Architectures(SPACE, cost.codes)
    expected = costs.adapt(archs, labels).predict(in_order)
    np.testing.assert_allclose(cost.predicted, expected)
    assert (np.diff(expected) <= 1e-9).all()
    alone = PredictorRanker(candidates, BelievesInCosts(0.6), "ei", 100).rank(asked)
    np.testing.assert_array_equal(quality.predicted, alone.predicted)


def test_a_predictor_without_a_finite_score_for_each_is_refused() -> None:
    class FindsNothing(FindsAllEqual):
        def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
            return np.zeros((len(archs), 1))

    with pytest.raises(PredictorError, match=r"each of 4096 architectures; it gave shape \[4096, 1\]"):
        PredictorRanker(Candidates("transnasbench101", allow_isomorphic=True), FindsNothing(), "mean", 100).rank(
            request(15)
        )


def test_of_many_results_the_best_and_the_newest_are_kept() -> None:
    labels = np.random.default_rng(0).permutation(1_000).astype(np.float64)
    many = RankingRequest([str(number) for number in range(1_000)], labels, np.empty(0, dtype=np.uint64), seed=0)
    thinned = many.thinned()
    kept = [int(text) for text in thinned.archs]
    assert kept == sorted(kept)
    assert len(kept) == 500
    np.testing.assert_array_equal(thinned.labels, labels[kept])
    assert set(np.argsort(-labels)[:250]) <= set(kept)
    assert set(range(750, 1_000)) <= set(kept) | set(np.argsort(-labels)[:250])
    assert request(20).thinned().archs == request(20).archs
