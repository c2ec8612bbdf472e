from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import GCNConfig, GCNPredictor, Predictor
from mpnas_ray.predictors.neural.gcn import GCN
from mpnas_ray.spaces import Architectures, get_space

ARCHS = get_space("mixed").sample_many(10, np.random.default_rng(0))
SCORES = np.random.default_rng(1).normal(size=10)
QUICK = GCNConfig(width=16, epochs=5)


def test_is_a_predictor() -> None:
    assert isinstance(GCNPredictor(), Predictor)


@pytest.mark.long
@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("flow", ["forward", "reverse", "both"])
def test_loss_goes_to_zero_on_ten_points(layer_norm: bool, flow: str) -> None:
    config = GCNConfig(width=64, dropout=0.0, layer_norm=layer_norm, flow=flow, epochs=400, weight_decay=0.0)  # type: ignore[arg-type]
    predictor = GCNPredictor(config)
    predictor.fit(ARCHS, SCORES)
    standardised = (SCORES - SCORES.mean()) / SCORES.std()
    assert np.mean((predictor.predict(ARCHS) - standardised) ** 2) < 1e-2


def test_table_9_of_the_paper() -> None:
    config = GCNConfig.paper()
    assert (config.num_layers, config.width, config.dropout) == (4, 600, 0.2)
    # 14 kinds x 600, three layers 600 x 600, biases, layer norms, head
    assert sum(p.numel() for p in GCN(config).parameters()) == 14 * 600 + 3 * 600**2 + 4 * 3 * 600 + 601


def test_only_the_order_of_scores_and_not_their_scale_matters() -> None:
    one, other = GCNPredictor(QUICK, seed=3), GCNPredictor(QUICK, seed=3)
    one.fit(ARCHS, SCORES)
    other.fit(ARCHS, 1000 * SCORES - 5)
    assert np.allclose(one.predict(ARCHS), other.predict(ARCHS), atol=1e-4)


def test_fit_is_reproducible_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    one, other = GCNPredictor(QUICK, seed=3), GCNPredictor(QUICK, seed=4)
    one.fit(ARCHS, SCORES)
    first = one.predict(ARCHS)
    assert torch.equal(torch.rand(3), expected)
    one.fit(ARCHS, SCORES)
    other.fit(ARCHS, SCORES)
    assert np.array_equal(one.predict(ARCHS), first)
    assert not np.array_equal(other.predict(ARCHS), first)


def test_state_carries_over() -> None:
    one, other = GCNPredictor(QUICK), GCNPredictor(QUICK, seed=9)
    one.fit(ARCHS, SCORES)
    other.load(one.state_dict())
    assert np.array_equal(one.predict(ARCHS), other.predict(ARCHS))
    with pytest.raises(PredictorError, match="do not fit"):
        GCNPredictor(GCNConfig(width=8)).load(one.state_dict())


@pytest.mark.parametrize(
    ("archs", "scores"),
    [(ARCHS[:1], [1.0]), (ARCHS[:3], [1.0, 2.0]), (ARCHS[:2], [1.0, float("nan")])],
)
def test_unusable_scores_are_refused(archs: Architectures, scores: list[float]) -> None:
    with pytest.raises(PredictorError, match="finite score for each"):
        GCNPredictor(QUICK).fit(archs, scores)


def test_predicting_before_fitting_is_refused() -> None:
    with pytest.raises(PredictorError, match="call fit first"):
        GCNPredictor().predict(ARCHS)


@pytest.mark.data
@pytest.mark.slow
def test_a_hundred_architectures_rank_the_rest_of_nasbench201(tables_folder: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(tables_folder / "nasbench201.parquet", columns=["arch_str", "cifar10_test"])
    scores = table["cifar10_test"].to_numpy()
    archs = Architectures.of(table["arch_str"].to_pylist(), get_space("nasbench201"))
    order = np.random.default_rng(0).permutation(len(archs))
    seen, unseen = order[:100], order[100:]
    predictor = GCNPredictor(seed=0)
    predictor.fit(archs[seen], scores[seen])
    assert spearmanr(predictor.predict(archs[unseen]), scores[unseen]).statistic >= 0.75
