"""Measurements of a table come back cell by cell, and only where they may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor, meta_train_mixture
from mpnas_ray.meta_learning.mixture.memory import Memory
from mpnas_ray.meta_learning.mixture.smoothing import smoothed_scores
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.spaces import KINDS, Architectures, get_space
from mpnas_ray.tables import TableTask

TRANSNAS = get_space("transnasbench101")


def task(archs: Architectures, scores: np.ndarray, name: str = "letters") -> TableTask:
    return TableTask(f"{archs.space.name}/{name}", archs, scores, "accuracy", "max", datasets=(name,))


def worth(archs: Architectures) -> np.ndarray:
    """Equal for isomorphic cells: twice the live 3x3 convolutions and once the live 1x1 ones."""
    graphs = archs.graphs().contracted()
    kinds = graphs.kinds
    return 2.0 * (kinds == KINDS.index("conv3-d1")).sum(axis=1) + (kinds == KINDS.index("conv1-d1")).sum(axis=1)


def noisy(archs: Architectures, deviation: float = 1.0) -> np.ndarray:
    return worth(archs) + np.random.default_rng(0).normal(scale=deviation, size=len(archs))


@pytest.fixture(scope="module")
def whole() -> TableTask:
    return task(TRANSNAS.enumerate(), noisy(TRANSNAS.enumerate()))


@pytest.fixture(scope="module")
def memory(whole: TableTask) -> Memory:
    return Memory.of({whole.name: whole, "other": whole}, ["other", whole.name], {whole.name})


@pytest.mark.long
def test_each_cell_has_its_own_measurement_back(memory: Memory, whole: TableTask) -> None:
    rows = np.random.default_rng(1).permutation(len(whole))[:50]
    smoothed, measured = memory.recall(whole.archs[rows])
    assert np.isnan(smoothed[:, 0]).all(), "what may not be remembered is not"
    assert spearmanr(measured[:, 1], whole.scores[rows]).statistic > 0.9999
    every = memory.recall(whole.archs)[1][:, 1]
    assert every.mean() == pytest.approx(0, abs=1e-3)
    assert every.std() == pytest.approx(1, abs=1e-3)
    assert memory.sources == (1,)


def test_smoothing_takes_noise_away(memory: Memory, whole: TableTask) -> None:
    smoothed, measured = (found[:, 1] for found in memory.recall(whole.archs))
    truth = worth(whole.archs)
    assert spearmanr(smoothed, truth).statistic > spearmanr(measured, truth).statistic + 0.05
    best = np.argsort(-measured)[:20]
    assert smoothed[best].mean() < measured[best].mean() - 0.3, "the best by luck come down"


@pytest.mark.long
def test_smoothing_leaves_what_is_no_noise() -> None:
    archs = TRANSNAS.enumerate()
    exact = worth(archs)
    assert np.corrcoef(smoothed_scores(archs, exact[:, None])[:, 0], exact)[0, 1] > 0.999
    both = smoothed_scores(archs, np.stack([exact, noisy(archs)], axis=1))
    np.testing.assert_allclose(both[:, 1], smoothed_scores(archs, noisy(archs)[:, None])[:, 0], atol=1e-8)


@pytest.mark.long
def test_isomorphic_cells_speak_for_one_that_was_not_measured(whole: TableTask) -> None:
    keys = whole.archs.canonical_keys()
    values, counts = np.unique(keys, return_counts=True)
    of_class = np.flatnonzero(keys == values[counts > 2][0])
    kept = np.setdiff1d(np.arange(len(whole)), of_class[:1])
    memory = Memory.of({"letters": whole[kept]}, ["letters"], {"letters"})
    found = memory.recall(whole.archs[of_class])[1][:, 0]
    assert found[0] == pytest.approx(found[1:].mean(), abs=1e-6)

    alone = np.flatnonzero(keys == values[counts == 1][0])
    without = Memory.of({"letters": whole[np.setdiff1d(np.arange(len(whole)), alone)]}, ["letters"], {"letters"})
    assert np.isnan(without.recall(whole.archs[alone])[1]).all()


def test_the_same_cell_of_another_space_is_known(memory: Memory) -> None:
    """All cells of TransNAS-Bench-101 are cells of NAS-Bench-201; those with pooling are not known."""
    archs = get_space("nasbench201").enumerate()
    pools = archs.codes == get_space("nasbench201").operations.index("avg_pool_3x3")
    known = ~np.isnan(memory.recall(archs)[1][:, 1])
    assert known[~pools.any(axis=1)].all()
    live_pool = (archs.graphs().contracted().kinds == get_space("nasbench201").kinds[-1]).any(axis=1)
    assert not known[live_pool].any()
    assert np.isnan(memory.recall(get_space("mixed").sample_many(20, np.random.default_rng(0)))[0][:, 0]).all()


@pytest.mark.long
def test_a_task_of_another_order_and_part_is_joined_rightly(whole: TableTask) -> None:
    order = np.random.default_rng(2).permutation(len(whole))
    part = replace(whole[order[:1_000]], name="part")
    memory = Memory.of({"all": whole[order], "part": part}, ["all", "part"], {"all", "part"})
    measured = memory.recall(part.archs)[1]
    assert spearmanr(measured[:, 0], part.scores).statistic > 0.999
    assert spearmanr(measured[:, 1], part.scores).statistic > 0.999
    unknown = ~np.isin(whole.archs.canonical_keys(), part.archs.canonical_keys())
    np.testing.assert_array_equal(np.isnan(memory.recall(whole.archs)[1][:, 1]), unknown)


def test_tables_of_spaces_too_large_to_list_are_not_remembered() -> None:
    archs = get_space("nasbench101").sample_many(500, np.random.default_rng(0))
    large = task(archs, np.arange(500.0))
    assert Memory.of({"large": large}, ["large"], {"large"}).sources == ()


def test_round_trip(memory: Memory, whole: TableTask) -> None:
    again = Memory.of_tensors(memory.tensors(), 2)
    for mine, theirs in zip(again.recall(whole.archs), memory.recall(whole.archs), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert Memory.of_tensors({}, 3).sources == ()


def test_damaged_memory_is_refused(memory: Memory) -> None:
    good = memory.tensors()
    name = "transnasbench101"
    for damaged in (
        {**good, f"{name}.sources": torch.tensor([2])},
        {**good, f"{name}.sources": torch.tensor([-1])},
        {**good, f"{name}.smoothed": good[f"{name}.smoothed"][:5]},
        {**good, f"{name}.measured": good[f"{name}.measured"].float()},
        {key.replace(name, "mixed"): tensor for key, tensor in good.items()},
        {key.replace(name, "nasbench201"): tensor for key, tensor in good.items()},
        {key: tensor for key, tensor in good.items() if not key.endswith("smoothed")},
        {key.replace(name, "nowhere"): tensor for key, tensor in good.items()},
    ):
        with pytest.raises(PredictorError, match="remembers of its sources is damaged"):
            Memory.of_tensors(damaged, 2)


@pytest.fixture(scope="module")
def remembering(tiny_mixture: MixtureConfig) -> MixturePredictor:
    """Two tasks that are one but for noise, and one that is their opposite."""
    archs = TRANSNAS.enumerate()
    rng = np.random.default_rng(4)
    tasks = {
        name: task(archs, sign * worth(archs) + rng.normal(scale=0.3, size=len(archs)), name)
        for name, sign in (("a", 1.0), ("b", 1.0), ("c", -1.0))
    }
    return meta_train_mixture(tasks, tiny_mixture).predictor


@pytest.mark.long
def test_a_predictor_uses_what_it_remembers_and_not_its_network(remembering: MixturePredictor) -> None:
    archs = TRANSNAS.enumerate()
    state = remembering.state_dict()
    ruined = {name: tensor * 0 if name.startswith("network.") else tensor for name, tensor in state.items()}
    without = MixturePredictor.of_state(remembering.config, remembering.sources, ruined)
    np.testing.assert_allclose(without.predict(archs), remembering.predict(archs), atol=1e-6)
    assert remembering.remembered == ("a", "b", "c")
    assert spearmanr(remembering.adapt(archs[::400], worth(archs[::400])).predict(archs), worth(archs)).statistic > 0.97
    others = get_space("nasbench101").sample_many(20, np.random.default_rng(0))
    assert not np.allclose(without.predict(others), remembering.predict(others)), "there the network speaks"


@pytest.mark.long
def test_a_part_of_a_list_is_looked_up_in_it_with_the_same_result(remembering: MixturePredictor) -> None:
    archs = TRANSNAS.enumerate()
    points = archs[5::300]
    adapted = remembering.adapt(points, worth(points))
    part = archs[100:150]
    alone = adapted.predict_with_std(part)
    whole = adapted.predict(archs)
    looked_up = adapted.predict_with_std(part)
    np.testing.assert_allclose(looked_up[0], whole[100:150], atol=1e-5)
    for one, other in zip(alone, looked_up, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    more = remembering.adapt(archs[5::100], worth(archs[5::100]))  # kernels of the first points are kept, others new
    fresh = MixturePredictor.of_state(remembering.config, remembering.sources, more.state_dict())
    np.testing.assert_allclose(more.predict(archs), fresh.predict(archs), atol=1e-5)
    many = remembering.adapt(archs[::13], worth(archs[::13]))  # more than are kept
    fresh = MixturePredictor.of_state(remembering.config, remembering.sources, many.state_dict())
    np.testing.assert_allclose(many.predict(archs), fresh.predict(archs), atol=1e-5)


def test_evidence_says_whether_other_tasks_help(remembering: MixturePredictor) -> None:
    archs = TRANSNAS.enumerate()[np.random.default_rng(0).permutation(4_096)[:30]]
    like, noise = worth(archs), np.random.default_rng(1).normal(size=30)
    assert remembering.adapt(archs, like).transfer_odds() > np.log(10)
    assert remembering.adapt(archs, noise).transfer_odds() < np.log(3)
    with pytest.raises(PredictorError, match="measured scores that differ"):
        remembering.transfer_odds()


@pytest.mark.long
def test_scores_overrule_what_the_name_of_the_metric_said() -> None:
    """Latencies of a made-up device and qualities that go the other way, each called by the other's name."""
    archs = TRANSNAS.enumerate()
    rng = np.random.default_rng(4)
    tasks = {
        name: replace(task(archs, worth(archs) + rng.normal(scale=0.3, size=len(archs)), name), datasets=(name,))
        for name in ("a", "b")
    }
    for name in ("x", "y"):
        latency = worth(archs) + rng.normal(scale=0.3, size=len(archs))
        tasks[name] = TableTask(f"transnasbench101/{name}", archs, latency, "latency", "min", devices=(name,))
    predictor = meta_train_mixture(
        tasks,
        MixtureConfig(gcn=GCNConfig(width=8, num_layers=2), iterations=20, prior_iterations=10, num_price_lists=6),
    ).predictor
    points = archs[rng.permutation(4_096)[:15]]
    assert predictor.probability_of_cost() == pytest.approx(0.3)
    assert predictor.expecting("cost").probability_of_cost() == pytest.approx(0.9)
    assert predictor.expecting("cost").adapt(points, worth(points)).probability_of_cost() < 0.8, "0.9 before"
    assert predictor.expecting("quality").adapt(points, -worth(points)).probability_of_cost() > 0.15, "0.1 before"
    assert predictor.measuring("cost").adapt(points, worth(points)).probability_of_cost() == 1.0
