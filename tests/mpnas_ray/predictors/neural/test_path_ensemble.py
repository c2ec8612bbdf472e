from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import PathEnsembleConfig, PathEnsemblePredictor, Predictor
from mpnas_ray.predictors.encodings.paths import MAX_PATHS, path_encoding
from mpnas_ray.spaces import SPACE_NAMES, Architectures, get_space, parse_architecture

SPACE = get_space("nasbench201")
ARCHS = SPACE.sample_many(30, np.random.default_rng(0))
SCORES = (ARCHS.codes == 3).sum(axis=1) + np.random.default_rng(1).normal(scale=0.1, size=30)
OTHERS = SPACE.sample_many(200, np.random.default_rng(2))
QUICK = PathEnsembleConfig(num_layers=2, epochs=10)


def fitted(
    config: PathEnsembleConfig = QUICK, seed: int = 0, scores: NDArray[np.float64] = SCORES
) -> PathEnsemblePredictor:
    predictor = PathEnsemblePredictor(config, seed=seed)
    predictor.fit(ARCHS, scores)
    return predictor


def paths_of(text: str) -> set[str]:
    arch = parse_architecture(text)
    encoding = path_encoding(arch.space.name)
    row = encoding.encode(Architectures.of([arch]))[0]
    return {" ".join(name) for name, there in zip(encoding.names(), row, strict=True) if there}


def test_paths_of_cells_drawn_by_hand() -> None:
    # Links 0-1: 3x3, 0-2: zero, 1-2: skip, 0-3: pool, 1-3: 1x1, 2-3: 3x3. The path 0-2-3 is cut by the zero.
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    assert paths_of(f"nasbench201:{cell}") == {"avgpool", "conv3-d1 conv1-d1", "conv3-d1 skip conv3-d1"}
    assert paths_of("nasbench201:|none~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|") == set()

    # Vertex 2 reads 0 and 1, the output reads the input and 2.
    cell = "|conv3x3-bn-relu~0|maxpool3x3~0~1|output~0~2|"
    assert paths_of(f"nasbench101:{cell}") == {"", "maxpool", "conv3-d1 maxpool"}

    # Each of two equal branches gives the same sequence: it is there, however often.
    cell = "|conv3x3-bn-relu~0|conv3x3-bn-relu~0|output~1~2|"
    assert paths_of(f"nasbench101:{cell}") == {"conv3-d1"}


@pytest.mark.parametrize(("space", "num_paths"), [("nasbench201", 4 + 4**2 + 4**3), ("transnasbench101", 3 + 9 + 27)])
def test_all_paths_of_a_small_space_are_features(space: str, num_paths: int) -> None:
    encoding = path_encoding(space)
    assert len(set(encoding.names())) == num_paths
    assert encoding.encode(get_space(space).enumerate()).any(axis=0).all()


@pytest.mark.parametrize("space", [name for name in SPACE_NAMES if not get_space(name).has_attributes])
def test_encodings_are_short_and_tell_cells_apart(space: str) -> None:
    encoding = path_encoding(space)
    assert len(encoding.words) <= MAX_PATHS
    rows = encoding.encode(get_space(space).sample_many(500, np.random.default_rng(0)))
    assert rows.dtype == np.float32
    assert set(np.unique(rows)) == {0, 1}
    assert len(np.unique(rows, axis=0)) > 200


def test_the_most_frequent_paths_are_kept() -> None:
    """All 364 sequences of up to five operations occur in NAS-Bench-101."""
    names = path_encoding("nasbench101").names()
    assert sum(3**length for length in range(6)) > len(names) == MAX_PATHS
    assert {len(name) for name in names} == set(range(6))
    assert sum(len(name) <= 3 for name in names) == 1 + 3 + 9 + 27


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["nasbench101", "nasbench201"]))
def test_isomorphic_cells_have_equal_paths(seed: int, name: str) -> None:
    """One network written in two ways; skips, which are operations of a path but not of a network, are left out."""
    space = get_space(name)
    archs = space.sample_many(3_000, np.random.default_rng(seed))
    if name == "nasbench201":
        archs = archs[(archs.codes != 1).all(axis=1)]
    rows = path_encoding(name).encode(archs)
    _, first, inverse = np.unique(archs.canonical_keys(), return_index=True, return_inverse=True)
    assert len(first) < len(archs)
    assert np.array_equal(rows, rows[first][inverse])


def test_is_a_predictor() -> None:
    assert isinstance(PathEnsemblePredictor(), Predictor)


def test_the_members_of_the_released_code() -> None:
    config = PathEnsembleConfig(epochs=1)
    predictor = PathEnsemblePredictor(config)
    predictor.fit(ARCHS[:2], SCORES[:2])
    weights = {name: tensor for name, tensor in predictor.state_dict().items() if name != "space"}
    assert sum(w.numel() for w in weights.values()) == 5 * (84 * 20 + 9 * 20 * 20 + 20 + 10 * 20 + 1)


def test_each_member_learns_by_itself_what_it_sees() -> None:
    predictor = fitted(PathEnsembleConfig(num_layers=2, epochs=150))
    standardised = (SCORES - SCORES.mean()) / SCORES.std()
    members = predictor.predict_by_member(ARCHS)
    assert members.shape == (5, 30)
    assert np.all(np.abs(members - standardised).mean(axis=1) < 0.15)
    assert np.abs(predictor.predict_by_member(OTHERS).std(axis=0)).min() > 0


def test_members_agree_more_on_what_they_have_seen() -> None:
    predictor = fitted(PathEnsembleConfig(num_layers=2, epochs=150))
    assert predictor.predict_with_std(ARCHS)[1].mean() < predictor.predict_with_std(OTHERS)[1].mean() / 2


def test_only_the_order_and_not_the_scale_of_scores_matters() -> None:
    assert np.allclose(fitted().predict(OTHERS), fitted(scores=1_000 * SCORES - 5).predict(OTHERS), atol=1e-3)


def test_fit_follows_from_the_seed_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    predictor = fitted(seed=3)
    first = predictor.predict(OTHERS)
    assert torch.equal(torch.rand(3), expected)
    predictor.fit(ARCHS, SCORES)
    assert np.array_equal(predictor.predict(OTHERS), first)
    assert not np.array_equal(fitted(seed=4).predict(OTHERS), first)


def test_sampled_functions_have_the_members_mean_and_covariance() -> None:
    predictor = fitted()
    members = predictor.predict_by_member(OTHERS[:12])
    mean, deviation = predictor.predict_with_std(OTHERS[:12])
    samples = predictor.sample_scores(OTHERS[:12], 50_000, np.random.default_rng(0))
    assert np.allclose(mean, members.mean(axis=0))
    assert np.allclose(deviation, np.sqrt(np.diag(np.cov(members.T))))
    assert np.abs(samples.mean(axis=0) - mean).max() < 0.03
    assert np.abs(np.cov(samples.T) - np.cov(members.T)).max() < 0.03 * np.cov(members.T).max()
    assert np.array_equal(samples[:5], predictor.sample_scores(OTHERS[:12], 50_000, np.random.default_rng(0))[:5])


@pytest.mark.parametrize("scores", [[3.0], [1.0, 1.0], [2.0, 1.0, 2.0]])
def test_few_or_equal_scores(scores: list[float]) -> None:
    predictor = PathEnsemblePredictor(QUICK)
    predictor.fit(ARCHS[: len(scores)], scores)
    assert np.isfinite(predictor.predict_with_std(OTHERS)).all()
    assert predictor.predict([]).shape == (0,)


def test_state_carries_over() -> None:
    predictor, other = fitted(), PathEnsemblePredictor(QUICK, seed=9)
    state = predictor.state_dict()
    assert all(tensor.device.type == "cpu" and not tensor.requires_grad for tensor in state.values())
    other.load(state)
    expected = predictor.predict(OTHERS)
    assert np.array_equal(other.predict(OTHERS), expected)
    predictor.fit(ARCHS[:5], SCORES[:5])  # the copy is its own
    assert np.array_equal(other.predict(OTHERS), expected)
    with pytest.raises(PredictorError, match="do not fit"):
        PathEnsemblePredictor(PathEnsembleConfig(num_layers=2, width=8)).load(state)
    del state["1.bias"]
    with pytest.raises(PredictorError, match="not the state of a PathEnsemblePredictor"):
        other.load(state)
    assert np.array_equal(other.predict(OTHERS), expected)


@pytest.mark.parametrize("copied", [deepcopy, lambda predictor: cloudpickle.loads(cloudpickle.dumps(predictor))])
def test_copies_are_independent(copied: Callable[[PathEnsemblePredictor], PathEnsemblePredictor]) -> None:
    predictor = fitted()
    expected = predictor.predict(OTHERS)
    copy = copied(predictor)
    assert np.array_equal(copy.predict(OTHERS), expected)
    copy.fit(ARCHS[:4], -SCORES[:4])
    assert np.array_equal(predictor.predict(OTHERS), expected)
    copied(PathEnsemblePredictor(QUICK)).fit(ARCHS, SCORES)


def test_misuse_is_refused() -> None:
    with pytest.raises(PredictorError, match="finite score for each"):
        PathEnsemblePredictor(QUICK).fit(ARCHS[:2], [1.0, float("inf")])
    with pytest.raises(PredictorError, match="call fit first"):
        PathEnsemblePredictor(QUICK).predict(ARCHS)
    with pytest.raises(PredictorError, match="of nasbench201; it cannot rank those of transnasbench101"):
        fitted().predict(get_space("transnasbench101").enumerate())


@pytest.mark.data
def test_a_hundred_architectures_rank_the_rest_of_nasbench201(tables_folder: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(tables_folder / "nasbench201.parquet", columns=["arch_str", "cifar10_test"])
    scores = table["cifar10_test"].to_numpy()
    archs = Architectures.of(table["arch_str"].to_pylist(), SPACE)
    order = np.random.default_rng(0).permutation(len(archs))
    seen, unseen = order[:100], order[100:]
    predictor = PathEnsemblePredictor()
    predictor.fit(archs[seen], scores[seen])
    assert spearmanr(predictor.predict(archs[unseen]), scores[unseen]).statistic >= 0.8
