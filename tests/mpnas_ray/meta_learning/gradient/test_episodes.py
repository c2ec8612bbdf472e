from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.gradient import EpisodePool, MeasuredTask, MetaConfig, graphs_of
from mpnas_ray.tables import TableTask, normalize


@pytest.fixture
def pool(made_up_tasks: dict[str, TableTask], tiny: MetaConfig) -> EpisodePool:
    return EpisodePool.of(made_up_tasks, tiny, np.random.default_rng(0))


def test_support_and_query_are_disjoint_and_of_different_tasks(pool: EpisodePool) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        episodes = pool.draw(rng)
        assert len(set(episodes.names)) == len(episodes) == 3
        for support, query in zip(episodes.support.rows.tolist(), episodes.query.rows.tolist(), strict=True):
            assert (len(set(support)), len(set(query))) == (5, 12)
            assert not set(support) & set(query)


def test_graphs_and_scores_belong_to_the_architectures(
    pool: EpisodePool, made_up_tasks: dict[str, TableTask], tiny: MetaConfig
) -> None:
    name = "transnasbench101/letters-1"
    task, held = made_up_tasks[name], pool.tasks[name]
    expected = graphs_of(task.archs, tiny.gcn).padded(pool.graphs.num_nodes)
    found = pool.graphs[torch.from_numpy(held.rows)]
    assert torch.equal(found.inputs, expected.inputs)
    assert torch.equal(found.reads, expected.reads)
    assert np.array_equal(held.scores, task.scores)


def test_one_architecture_has_one_graph_for_all_tasks(pool: EpisodePool, made_up_tasks: dict[str, TableTask]) -> None:
    assert len(pool.graphs) == len({text for task in made_up_tasks.values() for text in map(str, task.archs)})


def test_each_set_is_normalised_by_its_own_scores(pool: EpisodePool, tiny: MetaConfig) -> None:
    """Scores outside a set may be anything: what the set gets does not change."""
    for kind in ("rank", "zscore"):
        config = replace(tiny, normalization=kind)  # type: ignore[arg-type]
        own = replace(pool, config=config)
        episodes = own.draw(np.random.default_rng(2))
        wild = {}
        for name, task in own.tasks.items():
            scores = task.scores.copy()
            if name in episodes.names:
                support = episodes.support.rows[episodes.names.index(name)].numpy()
                scores[~np.isin(task.rows, support)] *= -1e6
            wild[name] = MeasuredTask(task.rows, scores)
        changed = replace(own, tasks=wild).draw(np.random.default_rng(2))
        assert torch.equal(changed.support.rows, episodes.support.rows)
        assert torch.equal(changed.support.scores, episodes.support.scores)
        assert not torch.equal(changed.query.scores, episodes.query.scores)
        for number, name in enumerate(episodes.names):
            of_row = dict(zip(own.tasks[name].rows.tolist(), own.tasks[name].scores, strict=True))
            raw = [of_row[row] for row in episodes.query.rows[number].tolist()]
            assert np.allclose(episodes.query.scores[number], normalize(raw, kind), atol=1e-6)  # type: ignore[arg-type]


def test_held_apart_architectures_have_no_isomorphic_one_on_the_other_side(pool: EpisodePool) -> None:
    training, apart = pool.held_apart(0.2, np.random.default_rng(3))
    classes = [
        {int(pool.classes[row]) for task in part.tasks.values() for row in task.rows} for part in (training, apart)
    ]
    assert not classes[0] & classes[1]
    assert len(classes[1]) == pytest.approx(0.2 * (len(classes[0]) + len(classes[1])), abs=1)
    for name, task in pool.tasks.items():
        assert len(training.tasks[name].rows) + len(apart.tasks[name].rows) == len(task.rows)


def test_large_tasks_are_thinned(made_up_tasks: dict[str, TableTask], tiny: MetaConfig) -> None:
    pool = EpisodePool.of(made_up_tasks, replace(tiny, archs_per_task=50), np.random.default_rng(0))
    assert {len(task.rows) for task in pool.tasks.values()} == {50}


def test_drawing_follows_from_the_generator(pool: EpisodePool) -> None:
    one, other, third = (pool.draw(np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert torch.equal(one.support.rows, other.support.rows)
    assert not torch.equal(one.support.rows, third.support.rows)


def test_too_few_architectures_are_refused(pool: EpisodePool, tiny: MetaConfig) -> None:
    with pytest.raises(PredictorError, match=r"has 300 architectures here, an episode takes 1005"):
        pool.draw(np.random.default_rng(0), num_query=1000)
    with pytest.raises(PredictorError, match="no task"):
        EpisodePool.of({}, tiny, np.random.default_rng(0))
