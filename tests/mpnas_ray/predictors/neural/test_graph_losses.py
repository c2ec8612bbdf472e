"""The pair loss of BRP-NAS, and the semi-supervised training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import GCNConfig, GCNPredictor, SemiSupervisedConfig, SemiSupervisedPredictor
from mpnas_ray.predictors.neural.gcn import pairwise_loss
from mpnas_ray.spaces import get_space

ARCHS = get_space("mixed").sample_many(12, np.random.default_rng(0))
SCORES = np.random.default_rng(1).normal(size=12)
QUICK = SemiSupervisedConfig(encoder=GCNConfig(width=16, num_layers=2), num_unmeasured=50, steps=30, batch_size=8)
floats = st.lists(st.floats(-5, 5), min_size=4, max_size=4)


def test_pair_loss_by_hand() -> None:
    scores, labels = torch.tensor([2.0, 0.0, 1.0]), torch.tensor([3.0, 1.0, 1.0])
    # 0 beats 1 and 2, by 2 and by 1 in the prediction; 1 and 2 are equal: half of each answer, one off.
    wins = np.log1p(np.exp(-2)) + np.log1p(np.exp(-1))
    equal = (np.log1p(np.exp(1)) + np.log1p(np.exp(-1))) / 2
    assert np.isclose(pairwise_loss(scores, labels).item(), (wins + equal) / 3)


@settings(deadline=None, max_examples=30)
@given(floats, floats, st.permutations(range(4)))
def test_pair_loss_is_antisymmetric_and_sees_only_differences(
    scores: list[float], labels: list[float], order: list[int]
) -> None:
    f, y = torch.tensor(scores, dtype=torch.float64), torch.tensor(labels, dtype=torch.float64)
    loss = pairwise_loss(f, y)
    assert torch.isclose(pairwise_loss(-f, -y), loss)  # p(i > j) + p(j > i) = 1
    assert torch.isclose(pairwise_loss(f[order], y[order]), loss)
    assert torch.isclose(pairwise_loss(f + 3, 7 * y), loss)


def test_the_order_of_what_it_has_seen_is_learned_by_pairs() -> None:
    predictor = GCNPredictor(GCNConfig(width=32, epochs=150), loss="pairwise")
    predictor.fit(ARCHS, np.exp(5 * SCORES))
    assert spearmanr(predictor.predict(ARCHS), SCORES).statistic > 0.95


def test_unmeasured_architectures_change_what_is_learned_and_reconstruction_too() -> None:
    predictions = []
    for config in (QUICK, replace(QUICK, trade_off=1.0), replace(QUICK, num_unmeasured=20)):
        predictor = SemiSupervisedPredictor(config, seed=3)
        predictor.fit(ARCHS, SCORES)
        predictions.append(predictor.predict(ARCHS))
    assert not np.allclose(predictions[0], predictions[1])
    assert not np.allclose(predictions[0], predictions[2])


def test_semi_supervised_training_follows_from_the_seed_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    predictor = SemiSupervisedPredictor(QUICK, seed=3)
    predictor.fit(ARCHS, SCORES)
    first = predictor.predict(ARCHS)
    assert torch.equal(torch.rand(3), expected)
    predictor.fit(ARCHS, SCORES)
    assert np.array_equal(predictor.predict(ARCHS), first)
    predictor.seed = 4
    predictor.fit(ARCHS, SCORES)
    assert not np.array_equal(predictor.predict(ARCHS), first)


@pytest.mark.long
def test_it_learns_what_it_sees() -> None:
    predictor = SemiSupervisedPredictor(replace(QUICK, steps=150, trade_off=0.9))
    predictor.fit(ARCHS, SCORES)
    assert spearmanr(predictor.predict(ARCHS), SCORES).statistic > 0.9


def test_a_state_of_another_shape_is_refused() -> None:
    predictor = SemiSupervisedPredictor(QUICK)
    predictor.fit(ARCHS, SCORES)
    with pytest.raises(PredictorError, match="not the state of a predictor"):
        SemiSupervisedPredictor(replace(QUICK, encoder=GCNConfig(width=8))).load(predictor.state_dict())
