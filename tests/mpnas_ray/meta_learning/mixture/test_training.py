from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.gradient import Progress, pool_by_space
from mpnas_ray.meta_learning.mixture import (
    MixtureConfig,
    MixturePredictor,
    MixtureResult,
    meta_train_mixture,
    source_network,
)
from mpnas_ray.meta_learning.mixture.description import NUM_INPUTS
from mpnas_ray.meta_learning.mixture.source_network import source_scores
from mpnas_ray.meta_learning.mixture.training import _episode_sources
from mpnas_ray.tables import TableTask

Tasks = dict[str, TableTask]


class KilledError(Exception):
    pass


def same(one: MixturePredictor, other: MixturePredictor) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.long
def test_killed_and_resumed_is_as_never_killed(
    made_up_tasks: Tasks, tiny_mixture: MixtureConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_network, "_SAVE_EVERY", 20)
    config = replace(tiny_mixture, iterations=45)
    uninterrupted = meta_train_mixture(made_up_tasks, config).predictor
    checkpoint = tmp_path / "run.pt"

    def kill_at(iteration: int) -> None:
        def on_progress(progress: Progress) -> None:
            if progress.iteration == iteration:
                raise KilledError

        meta_train_mixture(made_up_tasks, config, checkpoint=checkpoint, on_progress=on_progress)

    for iteration in (3, 31, 47):  # before the first checkpoint, after it, while the prior is learned
        with pytest.raises(KilledError):
            kill_at(iteration)
    steps: list[int] = []
    resumed = meta_train_mixture(
        made_up_tasks, config, checkpoint=checkpoint, on_progress=lambda p: steps.append(p.iteration)
    )
    assert steps == [46, 47, 48, 48]
    assert same(resumed.predictor, uninterrupted)


@pytest.mark.long
def test_a_checkpoint_of_another_training_is_refused(
    made_up_tasks: Tasks, tiny_mixture: MixtureConfig, tmp_path: Path
) -> None:
    meta_train_mixture(made_up_tasks, tiny_mixture, checkpoint=tmp_path / "run.pt")
    with pytest.raises(PredictorError, match="other settings or tasks"):
        meta_train_mixture(made_up_tasks, replace(tiny_mixture, seed=1), checkpoint=tmp_path / "run.pt")


def test_it_learns(made_up_tasks: Tasks, meta_trained: MixtureResult) -> None:
    assert meta_trained.validation.keys() == made_up_tasks.keys()
    assert np.mean(list(meta_trained.validation.values())) > 0.5
    assert [source.name for source in meta_trained.predictor.sources] == list(made_up_tasks)


def test_a_small_task_is_named(made_up_tasks: Tasks, tiny_mixture: MixtureConfig) -> None:
    name = "nasbench101/sounds-0"
    tasks = {**made_up_tasks, name: made_up_tasks[name][:90]}
    with pytest.raises(PredictorError, match=r"nasbench101/sounds-0 has 90 architectures"):
        meta_train_mixture(tasks, tiny_mixture)


def test_an_episode_does_without_all_sources_of_its_data_sets(
    made_up_tasks: Tasks, predictor: MixturePredictor
) -> None:
    tasks = dict(made_up_tasks)
    tasks["nasbench101/sounds-0"] = replace(tasks["nasbench101/sounds-0"], datasets=("letters-1",))
    pools = pool_by_space(tasks, 1_000, np.random.default_rng(0))
    sources = dict(zip(tasks, _episode_sources(tasks, pools, predictor), strict=True))
    usable = dict(zip(tasks, sources["transnasbench101/letters-1"].usable, strict=True))
    assert usable == {
        "transnasbench101/letters-0": True,
        "transnasbench101/letters-1": False,
        "transnasbench101/letters-2": True,
        "nasbench101/sounds-0": False,
        "nasbench101/sounds-1": True,
    }


def test_what_no_source_has_has_no_weight(predictor: MixturePredictor) -> None:
    """The made-up tasks have no linear operation, no dilation and no average pooling, but kernels of two sizes."""
    kernel, dilation, linear, pool = 1, 2, 3, 4
    weight = predictor.state_dict()["network.layers.0.weight"].view(2, NUM_INPUTS, -1)
    assert not weight[:, [dilation, linear]].any()
    assert weight[:, [kernel, pool]].any(dim=(0, 2)).all()


def test_scores_of_each_source_as_ranks_and_clipped_values(made_up_tasks: Tasks) -> None:
    pools = pool_by_space(made_up_tasks, 1_000, np.random.default_rng(0))
    names = list(made_up_tasks)
    scores = source_scores(pools, names)
    assert scores.shape == (sum(len(pool.archs) for pool in pools), 10)
    for column in range(10):
        measured = scores[np.isfinite(scores[:, column]), column]
        assert len(measured) == len(made_up_tasks[names[column % 5]])
        assert measured.mean() == pytest.approx(0, abs=1e-5)
        assert measured.std() == pytest.approx(1, abs=1e-5)
        assert np.abs(measured).max() < (1.8 if column < 5 else 3.5)
