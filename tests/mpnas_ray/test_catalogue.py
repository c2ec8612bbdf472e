from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from typing import Any

import cloudpickle
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mpnas_ray.catalogue import PREDICTORS, make_predictor
from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import MetaLearned, Predictor, Uncertain
from mpnas_ray.predictors.support import warn_nothing_to_learn
from mpnas_ray.spaces import KINDS, Architectures, get_space
from searchers import PredictorSearch
from searchers.testing import METRIC, run_trials

NAMES = tuple(PREDICTORS)
UNCERTAIN = {name for name in NAMES if name.startswith("gp")}
UNCERTAIN |= {"random-forest", "ngboost", "bayes-linear", "bananas", "mp-nas", "cost"}
SECONDS_A_FIT = ("ngboost", "seminas")  # what one fit shows for all is not asked of them again
LONG = (*SECONDS_A_FIT, "gcn", "brp-nas")
FIT_ONCE = (*SECONDS_A_FIT, "brp-nas")  # the network of gcn with another loss


def each(without: Sequence[str] = ()) -> list[Any]:
    """Each name as a parameter, but some."""
    names = [name for name in NAMES if name not in without]
    return [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in names]


def data(space: str, seed: int, size: int) -> tuple[Architectures, NDArray[np.float64]]:
    """Convolutions are good, the more so the larger they are; nothing else counts but chance."""
    rng = np.random.default_rng(seed)
    archs = get_space(space).sample_many(size, rng)
    kinds = archs.graphs().kinds
    convolutions = (kinds >= 0) & (kinds <= KINDS.index("linear"))
    larger = (kinds >= KINDS.index("conv3-d1")) & (kinds < KINDS.index("linear"))
    return archs, convolutions.sum(axis=1) + larger.sum(axis=1) + rng.normal(scale=0.1, size=size)


ARCHS, SCORES = data("nasbench201", 0, 60)
OTHERS, TRUTH = data("nasbench201", 1, 200)


@cache
def fitted(name: str) -> Predictor:
    predictor = make_predictor(name, seed=1)
    predictor.fit(ARCHS, SCORES)
    return predictor


@pytest.mark.parametrize("name", each())
def test_sixty_architectures_say_which_others_are_good(name: str) -> None:
    predictor = fitted(name)
    assert isinstance(predictor, Predictor)
    predicted = predictor.predict(OTHERS)
    assert predicted.shape == (200,)
    assert predicted.dtype == np.float64
    assert spearmanr(predicted, TRUTH).statistic > 0.3  # by chance it is above 0.18 once in a hundred
    assert np.allclose(predictor.predict(list(OTHERS[:5])), predicted[:5], atol=1e-5)
    assert predictor.predict([]).shape == (0,)


@pytest.mark.parametrize("name", each(without=FIT_ONCE))
def test_so_do_those_of_a_space_with_cells_of_several_sizes(name: str) -> None:
    archs, scores = data("mixed", 2, 30)
    others, truth = data("mixed", 3, 200)
    predictor = make_predictor(name)
    predictor.fit(archs, scores)
    assert spearmanr(predictor.predict(others), truth).statistic > 0.25


@pytest.mark.parametrize("name", each(without=FIT_ONCE))
def test_neither_fitting_again_nor_the_scale_of_scores_changes_the_order(name: str) -> None:
    predictor = make_predictor(name, seed=1)
    predictor.fit(ARCHS, 1_000 * SCORES - 7)
    assert spearmanr(predictor.predict(OTHERS), fitted(name).predict(OTHERS)).statistic > 0.99


@pytest.mark.parametrize("name", each())
def test_a_state_of_tensors_carries_over(name: str) -> None:
    state, other = fitted(name).state_dict(), make_predictor(name, seed=1)
    assert all(tensor.device.type == "cpu" for tensor in state.values())
    other.load(state)
    assert np.array_equal(other.predict(OTHERS), fitted(name).predict(OTHERS))
    expected = other.predict(OTHERS[:9])
    for damaged in ({}, {next(iter(state)): next(iter(state.values()))}):
        with pytest.raises(PredictorError):
            other.load(damaged)
    assert np.array_equal(other.predict(OTHERS[:9]), expected)


@pytest.mark.parametrize("name", each())
def test_copies_travel_to_other_processes(name: str) -> None:
    copy = cloudpickle.loads(cloudpickle.dumps(deepcopy(fitted(name))))
    assert np.array_equal(copy.predict(OTHERS[:20]), fitted(name).predict(OTHERS[:20]))


@pytest.mark.parametrize("name", each())
def test_what_it_knows_of_its_uncertainty(name: str) -> None:
    predictor = fitted(name)
    assert isinstance(predictor, Uncertain) == (name in UNCERTAIN)
    if isinstance(predictor, Uncertain):
        mean, deviation = predictor.predict_with_std(OTHERS)
        assert np.allclose(mean, predictor.predict(OTHERS), atol=1e-6)
        assert np.all(deviation >= 0)
        assert deviation.max() > deviation.min()
        sampled = predictor.sample_scores(OTHERS, 16, np.random.default_rng(0))
        assert sampled.shape == (16, 200)
        assert np.array_equal(sampled, predictor.sample_scores(OTHERS, 16, np.random.default_rng(0)))
        assert spearmanr(sampled.mean(axis=0), mean).statistic > 0.6


@pytest.mark.long
def test_ngboost_draws_each_architecture_by_itself() -> None:
    predictor = fitted("ngboost")
    assert isinstance(predictor, Uncertain)
    mean, deviation = predictor.predict_with_std(OTHERS[:10])
    samples = predictor.sample_scores(OTHERS[:10], 20_000, np.random.default_rng(0))
    assert np.abs((samples.mean(axis=0) - mean) / deviation).max() < 0.05
    assert np.allclose(samples.std(axis=0), deviation, rtol=0.05)
    assert np.abs(np.corrcoef(samples.T) - np.eye(10)).max() < 0.05


@pytest.mark.parametrize("name", each())
def test_with_too_few_points_it_stays_with_the_order_before_and_says_so(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_nothing_to_learn.cache_clear()
    caplog.set_level(logging.WARNING)
    predictor = make_predictor(name)
    before = predictor.predict(OTHERS[:50]) if isinstance(predictor, MetaLearned) else np.zeros(50)
    if name in ("gcn", "brp-nas"):  # a search logs the error, and goes on with the ranking before
        with pytest.raises(PredictorError, match="two or more architectures"):
            predictor.fit(ARCHS[:1], SCORES[:1])
        return
    predictor.fit(ARCHS[:1], SCORES[:1])
    predicted = predictor.predict(OTHERS[:50])
    if name == "bananas":  # five networks learn one number
        assert np.abs(predicted).max() < 1
    else:
        assert np.array_equal(predicted, before)
    predictor.fit(ARCHS[:1], SCORES[:1])
    silent = name in ("gp", "bananas", "mp-nas", "cost")  # rank by what they believe beforehand
    assert caplog.text.count("needs two architectures or more") == (0 if silent else 1)


@pytest.mark.parametrize("name", each(without=SECONDS_A_FIT))
@pytest.mark.parametrize("scores", [[2.0] * 4, [1.0, 2.0]])
def test_equal_scores_and_two_points_do_no_harm(name: str, scores: list[float]) -> None:
    predictor = make_predictor(name)
    predictor.fit(ARCHS[: len(scores)], scores)
    assert np.isfinite(predictor.predict(OTHERS)).all()
    if isinstance(predictor, Uncertain) and min(scores) < max(scores):
        assert np.isfinite(predictor.predict_with_std(OTHERS)).all()
        assert np.isfinite(predictor.sample_scores(OTHERS, 3, np.random.default_rng(0))).all()


@pytest.mark.parametrize("name", each())
def test_misuse_is_refused(name: str) -> None:
    predictor = make_predictor(name)
    for scores in ([1.0, 2.0], [1.0, 2.0, float("nan")], [1.0, 2.0, float("inf")]):
        with pytest.raises(PredictorError, match="finite score for each"):
            predictor.fit(ARCHS[:3], scores)
    if not isinstance(predictor, MetaLearned):
        with pytest.raises(PredictorError, match="call fit first"):
            predictor.predict(ARCHS)
    if name not in ("gcn", "brp-nas"):  # graphs are graphs
        with pytest.raises(PredictorError, match="cannot rank those of transnasbench101"):
            fitted(name).predict(get_space("transnasbench101").enumerate()[:3])


@pytest.mark.parametrize("name", each())
def test_a_search_by_it(name: str) -> None:
    """In this process, since Ray does not run."""
    space = get_space("transnasbench101")
    searcher = PredictorSearch(space, METRIC, "max", make_predictor(name), refit_every=4, num_random=4, seed=0)
    configs = run_trials(
        searcher, [f"trial-{number}" for number in range(6)], lambda config: config["arch"].count("conv_3x3")
    )
    assert len({config["arch"] for config in configs}) == 6
    assert searcher.num_refits == 1
    assert not [event for event in searcher.events if event["event"] == "failure"]


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(PredictorError, match=r"no predictor 'gpwl'. There are: gp, gp-path, gp-wl"):
        make_predictor("gpwl")


@pytest.mark.parametrize("name", [name for name, family in PREDICTORS.items() if family.requires])
def test_a_missing_library_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = make_predictor(name)
    library = PREDICTORS[name].requires
    monkeypatch.setitem(sys.modules, str(library), None)
    for attempt in (lambda: make_predictor(name), lambda: predictor.fit(ARCHS, SCORES)):
        with pytest.raises(PredictorError) as refused:
            attempt()
        assert str(refused.value) == f"This predictor needs {library}: pip install 'mpnas-ray[predictors]'."
