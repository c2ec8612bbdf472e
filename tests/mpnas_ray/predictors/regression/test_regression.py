from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import RegressionPredictor, UncertainRegressionPredictor, regression_predictor
from mpnas_ray.predictors.encodings.vectors import encode
from mpnas_ray.predictors.regression.estimators import ESTIMATORS
from mpnas_ray.spaces import KINDS, OPERATIONS, SPACE_NAMES, Architectures, get_space

SPACE = get_space("nasbench201")
ARCHS = SPACE.sample_many(40, np.random.default_rng(0))
SCORES = (ARCHS.codes == 3).sum(axis=1) + np.random.default_rng(1).normal(scale=0.1, size=40)
OTHERS = SPACE.sample_many(100, np.random.default_rng(2))


def fitted(name: str) -> UncertainRegressionPredictor:
    predictor = regression_predictor(name)
    predictor.fit(ARCHS, SCORES)
    assert isinstance(predictor, UncertainRegressionPredictor)
    return predictor


def test_the_adjacency_encoding_by_hand() -> None:
    # Vertices input, 3x3, pooling, output: edges 0-1, 0-2, 1-2, 2-6 of the seven vertices a cell may have.
    cell = "nasbench101:|conv3x3-bn-relu~0|maxpool3x3~0~1|output~2|"
    row = encode(Architectures.of([cell]), "adjacency")[0]
    operations, edges = row[: 5 * len(OPERATIONS)].reshape(5, -1), row[5 * len(OPERATIONS) :]
    assert operations.sum() == 2
    assert operations[0, KINDS.index("conv3-d1")] == operations[1, KINDS.index("maxpool")] == 1
    pairs = list(zip(*np.triu_indices(7, k=1), strict=True))
    assert [pairs[place] for place in np.flatnonzero(edges)] == [(0, 1), (0, 2), (1, 2), (2, 6)]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SPACE_NAMES))
def test_rows_are_equal_only_for_equal_graphs(seed: int, space: str) -> None:
    archs = get_space(space).sample_many(300, np.random.default_rng(seed))
    rows = encode(archs, "adjacency")
    graphs = archs.graphs()
    parts = [part for part in (graphs.kinds, graphs.edges, graphs.attributes) if part is not None]
    whole = np.concatenate([part.reshape(300, -1) for part in parts], axis=1)
    assert set(np.unique(rows)) == {0, 1}
    assert len(np.unique(rows, axis=0)) == len(np.unique(whole, axis=0))


@pytest.mark.parametrize("name", ["random-forest", "bayes-linear"])
def test_sampled_functions_have_the_predicted_means_and_deviations(name: str) -> None:
    predictor = fitted(name)
    mean, std = predictor.predict_with_std(OTHERS)
    samples = predictor.sample_scores(OTHERS, 20_000, np.random.default_rng(0))
    assert np.abs(samples.mean(axis=0) - mean).max() < 5 * std.max() / 20_000**0.5
    assert np.allclose(samples.std(axis=0), std, rtol=0.05, atol=1e-3)
    assert np.abs(np.corrcoef(samples.T) - np.eye(100)).max() > 0.3  # a function: architectures vary together


def test_a_linear_regression_is_less_sure_of_what_it_has_not_seen() -> None:
    predictor = fitted("bayes-linear")
    seen, unseen = (predictor.predict_with_std(archs)[1].mean() for archs in (ARCHS, OTHERS))
    assert seen < unseen


def test_functions_of_bootstrapped_trees_are_members_that_saw_other_points() -> None:
    rows = np.arange(40.0)[:, None]
    members = ESTIMATORS["bootstrapped-trees"].fit(rows, rows[:, 0], 0)
    each = members.by_member(rows)
    assert len(np.unique(each, axis=0)) == len(each) == 10
    functions, std = ESTIMATORS["bootstrapped-trees"].functions, ESTIMATORS["bootstrapped-trees"].std
    assert functions is not None
    assert std is not None
    drawn = functions(members, rows, 200, np.random.default_rng(0))
    times = [np.all(drawn == member, axis=1).sum() for member in each]
    assert sum(times) == 200
    assert min(times) > 5  # 20 each on average
    np.testing.assert_allclose(members.predict(rows), each.mean(axis=0))
    np.testing.assert_allclose(std(members, rows), each.std(axis=0, ddof=1))


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_one_architecture_measured_twice_teaches_nothing(name: str) -> None:
    predictor = regression_predictor(name)
    predictor.fit(ARCHS[np.array([3, 3])], [1.0, 2.0])
    assert np.array_equal(predictor.predict(OTHERS), np.zeros(100))
    if isinstance(predictor, UncertainRegressionPredictor):
        assert np.array_equal(predictor.predict_with_std(OTHERS)[1], np.ones(100))
        assert predictor.sample_scores(OTHERS, 3, np.random.default_rng(0)).std() > 0.5


def test_the_encoding_can_be_chosen_and_a_state_keeps_the_seed() -> None:
    predictor = regression_predictor("random-forest", encoding="adjacency", seed=5)
    predictor.fit(ARCHS, SCORES)
    assert not np.array_equal(predictor.predict(OTHERS), fitted("random-forest").predict(OTHERS))
    other = regression_predictor("random-forest", encoding="adjacency", seed=0)
    other.load(predictor.state_dict())
    assert np.array_equal(other.predict(OTHERS), predictor.predict(OTHERS))


def test_an_unknown_estimator_is_answered_with_those_there_are() -> None:
    for made in (RegressionPredictor, regression_predictor):
        with pytest.raises(PredictorError, match=r"no estimator 'svm'. There are: random-forest, xgboost"):
            made("svm")
