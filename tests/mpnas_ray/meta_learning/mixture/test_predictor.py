from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor
from mpnas_ray.meta_learning.mixture.process.scales import support_scales
from mpnas_ray.predictors import Predictor
from mpnas_ray.spaces import Architectures, get_space

SPACE = get_space("transnasbench101")
ARCHS = SPACE.sample_many(80, np.random.default_rng(1))
MEASURED, OTHERS = ARCHS[:8], ARCHS[8:]
SCORES = np.random.default_rng(2).normal(size=8)


def test_it_is_a_predictor(predictor: MixturePredictor) -> None:
    assert isinstance(predictor, Predictor)


def test_adapting_never_changes_the_original(predictor: MixturePredictor) -> None:
    before, state = predictor.predict(OTHERS), predictor.state_dict()
    adapted = predictor.adapt(MEASURED, SCORES)
    assert np.array_equal(predictor.predict(OTHERS), before)
    assert all(torch.equal(state[name], tensor) for name, tensor in predictor.state_dict().items())
    assert not np.array_equal(adapted.predict(OTHERS), before)


@settings(deadline=None, max_examples=20)
@given(factor=st.floats(1e-6, 1e6), offset=st.floats(-1e3, 1e3), seed=st.integers(0, 1000))
def test_scale_and_order_of_the_scores_do_not_matter(
    predictor: MixturePredictor, factor: float, offset: float, seed: int
) -> None:
    expected = predictor.adapt(MEASURED, SCORES).predict(OTHERS)
    order = np.random.default_rng(seed).permutation(8)
    moved = (SCORES + offset / 1e3) * factor
    again = predictor.adapt(MEASURED[order], moved[order]).predict(OTHERS)
    assert np.allclose(again, expected, atol=1e-6)


def test_a_prediction_does_not_depend_on_what_else_is_ranked(predictor: MixturePredictor) -> None:
    adapted = predictor.adapt(MEASURED, SCORES)
    together = adapted.predict(OTHERS)
    assert np.allclose(adapted.predict(OTHERS[5:9]), together[5:9])
    assert adapted.predict([]).shape == (0,)


@pytest.mark.parametrize("space", ["mixed", "transnasbench101"])
def test_what_is_kept_of_earlier_results_changes_nothing(predictor: MixturePredictor, space: str) -> None:
    searching = pickle.loads(pickle.dumps(predictor))  # neither keeps anything yet
    afresh = pickle.loads(pickle.dumps(predictor))
    archs = get_space(space).sample_many(30, np.random.default_rng(0))
    order, scores = np.random.default_rng(1).permutation(20), np.random.default_rng(2).normal(size=20)
    for number in (3, 8, 9, 15):
        searching.adapt(archs[:number], scores[:number]).predict(archs)
    mean, std = searching.adapt(archs[order], scores[order]).predict_with_std(archs)
    expected, of_expected = afresh.adapt(archs[order], scores[order]).predict_with_std(archs)
    assert np.allclose(mean, expected, atol=1e-5)
    assert np.allclose(std, of_expected, atol=1e-5)


def test_scores_that_say_nothing_leave_the_zero_shot_ranking(predictor: MixturePredictor) -> None:
    zero_shot = predictor.predict(OTHERS)
    for archs, scores in ((MEASURED[:0], []), (MEASURED[:1], [3.0]), (MEASURED, np.full(8, 2.0))):
        assert np.array_equal(predictor.adapt(archs, scores).predict(OTHERS), zero_shot)


def test_many_equal_and_extreme_scores(predictor: MixturePredictor) -> None:
    for scores in ([0, 0, 0, 0, 0, 0, 0, 1], [1e30, 1, 2, 3, 4, 5, 6, 7], [1e-30, 0, 0, 2e-30, 0, 0, 0, 0]):
        assert np.isfinite(predictor.adapt(MEASURED, scores).predict(OTHERS)).all()
    doubled = Architectures(SPACE, np.concatenate([MEASURED.codes, MEASURED.codes]))
    assert np.isfinite(predictor.adapt(doubled, np.tile(SCORES, 2)).predict(OTHERS)).all()


def test_it_finds_what_the_scores_follow(predictor: MixturePredictor, made_up_tasks: dict) -> None:  # type: ignore[type-arg]
    """Scores that are minus those of a source task: one of the hypotheses, and not the likeliest one beforehand."""
    task = made_up_tasks["transnasbench101/letters-0"]
    adapted = predictor.adapt(task.archs[:40], -task.scores[:40])
    correlation = np.corrcoef(adapted.predict(task.archs[40:]), -task.scores[40:])[0, 1]
    assert correlation > 0.8


def test_bad_scores_are_refused(predictor: MixturePredictor) -> None:
    with pytest.raises(PredictorError, match="finite score for each architecture"):
        predictor.adapt(MEASURED, SCORES[:5])
    with pytest.raises(PredictorError, match="finite score for each architecture"):
        predictor.adapt(MEASURED, np.where(SCORES > 1, np.nan, SCORES) * np.inf)


def test_an_adapted_predictor_does_not_rank_another_space(predictor: MixturePredictor) -> None:
    others = get_space("nasbench101").sample_many(4, np.random.default_rng(0))
    assert predictor.predict(others).shape == (4,)
    with pytest.raises(PredictorError, match="adapted to architectures of transnasbench101"):
        predictor.adapt(MEASURED, SCORES).predict(others)


@pytest.mark.parametrize("space", ["nasbench201", "nasbenchasr", "mixed"])
def test_it_ranks_spaces_and_operations_that_it_has_not_learned_from(predictor: MixturePredictor, space: str) -> None:
    archs = get_space(space).sample_many(30, np.random.default_rng(0))
    assert len(np.unique(predictor.predict(archs))) > 5
    adapted = predictor.adapt(archs[:10], np.arange(10.0))
    assert np.isfinite(adapted.predict(archs)).all()


def test_the_kind_of_task_is_a_choice_that_adapting_keeps(predictor: MixturePredictor) -> None:
    cost = predictor.measuring("cost")
    assert (predictor.kind, cost.kind, cost.adapt(MEASURED, SCORES).kind) == (None, "cost", "cost")
    assert not np.allclose(cost.predict(OTHERS), predictor.predict(OTHERS))
    late, early = predictor.adapt(MEASURED, SCORES).measuring("cost"), cost.adapt(MEASURED, SCORES)
    assert np.allclose(late.predict(OTHERS), early.predict(OTHERS))


def test_state_round_trip(predictor: MixturePredictor, tiny_mixture: MixtureConfig) -> None:
    for original in (predictor, predictor.adapt(MEASURED, SCORES)):
        state = original.state_dict()
        copy = MixturePredictor.of_state(tiny_mixture, predictor.sources, state)
        assert np.array_equal(copy.predict(OTHERS), original.predict(OTHERS))
        other = predictor.adapt(OTHERS[:6], np.arange(6.0))
        other.load(state)
        assert np.array_equal(other.predict(OTHERS), original.predict(OTHERS))
    assert "support.codes" not in predictor.adapt(MEASURED, SCORES).initialisation()


def test_a_state_of_another_shape_is_refused_and_changes_nothing(predictor: MixturePredictor) -> None:
    adapted = predictor.adapt(MEASURED, SCORES)
    before = adapted.predict(OTHERS)
    state = adapted.state_dict()
    for bad in (
        {name: tensor for name, tensor in state.items() if name != "prior.source"},
        {**state, "network.head.weight": torch.zeros(8, 3)},
    ):
        with pytest.raises(PredictorError):
            adapted.load(bad)
    assert np.array_equal(adapted.predict(OTHERS), before)


def test_it_can_be_pickled_adapted(predictor: MixturePredictor) -> None:
    adapted = predictor.adapt(MEASURED, SCORES)
    assert np.array_equal(pickle.loads(pickle.dumps(adapted)).predict(OTHERS), adapted.predict(OTHERS))


def test_samples_are_functions(predictor: MixturePredictor) -> None:
    adapted = predictor.adapt(MEASURED, SCORES)
    sampled = adapted.sample_scores(OTHERS, 64, np.random.default_rng(0))
    assert sampled.shape == (64, len(OTHERS))
    assert np.array_equal(sampled, adapted.sample_scores(OTHERS, 64, np.random.default_rng(0)))
    assert sampled.std(axis=0).min() > 0
    others = get_space("nasbench101").sample_many(4, np.random.default_rng(0))
    with pytest.raises(PredictorError, match="adapted to architectures of transnasbench101"):
        adapted.sample_scores(others, 3, np.random.default_rng(0))


@pytest.mark.long
def test_before_any_score_samples_scatter_around_the_zero_shot_ranking(predictor: MixturePredictor) -> None:
    sampled = predictor.sample_scores(OTHERS, 2_000, np.random.default_rng(0))
    places = sampled.argsort(axis=1).argsort(axis=1).mean(axis=0)
    assert np.corrcoef(places, predictor.predict(OTHERS))[0, 1] > 0.8
    assert np.isfinite(sampled).all()
    cost = predictor.measuring("cost").sample_scores(OTHERS, 2_000, np.random.default_rng(0))
    places_by_cost = cost.argsort(axis=1).argsort(axis=1).mean(axis=0)
    assert np.corrcoef(places_by_cost, predictor.measuring("cost").predict(OTHERS))[0, 1] > 0.8


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_support_scales_keep_the_order(values: list[float]) -> None:
    scores = np.array(values)
    for scale in support_scales(scores):
        assert np.isfinite(scale).all()
        order = np.argsort(scores, kind="stable")
        assert (np.diff(scale[order]) >= -1e-9).all()
        if scale.any():
            assert scale.mean() == pytest.approx(0, abs=1e-7)
            assert scale.std() == pytest.approx(1)


def test_a_failed_architecture_does_not_set_the_scale() -> None:
    scores = np.array([0.90, 0.91, 0.92, 0.93, 0.10])
    plain, clipped = (scores - scores.mean()) / scores.std(), support_scales(scores)[0]
    assert clipped[3] - clipped[0] > 2 * (plain[3] - plain[0])
