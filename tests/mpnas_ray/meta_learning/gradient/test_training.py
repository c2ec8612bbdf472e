from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.common.network import forward, stacked
from mpnas_ray.meta_learning.gradient import (
    EpisodePool,
    MetaConfig,
    MetaResult,
    Parameters,
    Progress,
    initial_parameters,
    meta_train,
)
from mpnas_ray.meta_learning.gradient import training as training_module
from mpnas_ray.meta_learning.gradient.training import outer_loss, outer_rate, validate
from mpnas_ray.tables import TableTask

Tasks = dict[str, TableTask]


class KilledError(Exception):
    pass


def same(one: Parameters, other: Parameters) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("algorithm", ["boil", "maml", "anil"])
@pytest.mark.parametrize("first_order", [True, False])
def test_a_batch_of_tasks_gives_what_one_task_at_a_time_gives(
    made_up_tasks: Tasks, tiny: MetaConfig, algorithm: str, first_order: bool
) -> None:
    config = replace(tiny, algorithm=algorithm, first_order=first_order)  # type: ignore[arg-type]
    episodes = EpisodePool.of(made_up_tasks, config, np.random.default_rng(0)).draw(np.random.default_rng(1))
    weights = initial_parameters(config.gcn, torch.Generator().manual_seed(0))
    parameters = {name: tensor.requires_grad_() for name, tensor in weights.items()}
    together = outer_loss(parameters, episodes, config)
    alone = torch.cat([outer_loss(parameters, episodes[slice(i, i + 1)], config) for i in range(len(episodes))])
    assert torch.allclose(together, alone, atol=1e-6)
    tensors = list(parameters.values())
    for ours, theirs in zip(
        torch.autograd.grad(together.sum(), tensors), torch.autograd.grad(alone.sum(), tensors), strict=True
    ):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_first_and_second_order_learn_different_weights(made_up_tasks: Tasks, tiny: MetaConfig) -> None:
    short = replace(tiny, iterations=3)
    results = [meta_train(made_up_tasks, replace(short, first_order=first)) for first in (False, True)]
    assert not same(results[0].parameters, results[1].parameters)


def test_the_head_learns_in_the_outer_loop_of_boil(made_up_tasks: Tasks, tiny: MetaConfig) -> None:
    initial = initial_parameters(tiny.gcn, torch.Generator().manual_seed(tiny.seed))
    learned = meta_train(made_up_tasks, tiny).parameters
    assert not torch.equal(initial["head.weight"], learned["head.weight"])


@pytest.mark.long
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_killed_and_resumed_is_as_never_killed(
    made_up_tasks: Tasks, tiny: MetaConfig, tmp_path: Path, dropout: float
) -> None:
    config = replace(tiny, gcn=replace(tiny.gcn, dropout=dropout))
    uninterrupted = meta_train(made_up_tasks, config)

    def kill_at(iteration: int) -> MetaResult:
        def on_progress(progress: Progress) -> None:
            if progress.iteration == iteration:
                raise KilledError

        return meta_train(made_up_tasks, config, checkpoint=tmp_path / "run.pt", on_progress=on_progress)

    for iteration in (3, 12, 15):  # before the first checkpoint, between two, right after one
        with pytest.raises(KilledError):
            kill_at(iteration)
    steps: list[int] = []
    resumed = meta_train(
        made_up_tasks, config, checkpoint=tmp_path / "run.pt", on_progress=lambda p: steps.append(p.iteration)
    )
    assert steps == [16, 17, 18, 19, 20]
    assert same(resumed.parameters, uninterrupted.parameters)
    assert resumed.validations == uninterrupted.validations
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]
    again = meta_train(made_up_tasks, config, checkpoint=tmp_path / "run.pt")  # nothing is left to do
    assert same(again.parameters, uninterrupted.parameters)
    assert again.seconds == resumed.seconds


def test_a_checkpoint_of_another_training_is_refused(made_up_tasks: Tasks, tiny: MetaConfig, tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    short = replace(tiny, iterations=2)
    meta_train(made_up_tasks, short, checkpoint=path)
    with pytest.raises(PredictorError, match="other settings or tasks"):
        meta_train(made_up_tasks, replace(short, seed=1), checkpoint=path)
    fewer = {name: task for name, task in made_up_tasks.items() if "sounds-1" not in name}
    with pytest.raises(PredictorError, match="other settings or tasks"):
        meta_train(fewer, short, checkpoint=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(PredictorError, match="not a readable meta-training checkpoint"):
        meta_train(made_up_tasks, short, checkpoint=path)
    torch.save({"format": 99}, path)
    with pytest.raises(PredictorError, match="format 1"):
        meta_train(made_up_tasks, short, checkpoint=path)


def test_the_best_weights_come_back_and_training_stops_early(
    made_up_tasks: Tasks, tiny: MetaConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meta-validation made to say that iteration 10 was best; the weights go on changing after it."""
    seen: list[Parameters] = []
    figures = iter([0.1, 0.5, 0.3, 0.4, 0.2, 0.2])

    def figure(parameters: Parameters, *_: object) -> float:
        seen.append({name: tensor.detach().clone() for name, tensor in parameters.items()})
        return next(figures)

    monkeypatch.setattr(training_module, "validate", figure)
    result = meta_train(made_up_tasks, replace(tiny, iterations=100, patience=2))
    assert [validation.spearman for validation in result.validations] == [0.1, 0.5, 0.3, 0.4]
    assert result.stopped_early
    assert result.iterations == 20
    assert same(result.parameters, seen[1])
    assert not same(result.parameters, seen[3])


def test_progress_is_told_after_every_step(made_up_tasks: Tasks, tiny: MetaConfig) -> None:
    told: list[Progress] = []
    meta_train(made_up_tasks, replace(tiny, iterations=7), on_progress=told.append)
    assert [progress.iteration for progress in told] == list(range(1, 8))
    assert [progress.validation is not None for progress in told] == [False] * 4 + [True, False, True]
    assert told[3].best == -math.inf
    assert told[6].best == max(p.validation for p in told if p.validation is not None)


def test_training_follows_from_the_seed_and_leaves_the_global_generators_alone(
    made_up_tasks: Tasks, tiny: MetaConfig
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    short = replace(tiny, iterations=3)
    one, other, third = (meta_train(made_up_tasks, replace(short, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert same(one.parameters, other.parameters)
    assert not same(one.parameters, third.parameters)


def test_validation_is_a_rank_correlation(made_up_tasks: Tasks, tiny: MetaConfig) -> None:
    from scipy.stats import spearmanr

    episodes = EpisodePool.of(made_up_tasks, tiny, np.random.default_rng(0)).draw(np.random.default_rng(1))
    parameters = initial_parameters(tiny.gcn, torch.Generator().manual_seed(0))
    still = replace(tiny, inner_rate=1e-12, adapt_rate=1e-12)
    with torch.no_grad():
        from mpnas_ray.meta_learning.common.network import stacked
        from mpnas_ray.meta_learning.gradient import forward

        predicted = forward(stacked(parameters, len(episodes)), episodes.query.graphs, tiny.gcn)
    expected = [spearmanr(p, q).statistic for p, q in zip(predicted, episodes.query.scores, strict=True)]
    assert validate(parameters, episodes, still) == pytest.approx(np.mean(expected))


def test_the_rate_rises_and_falls(tiny: MetaConfig) -> None:
    rates = [outer_rate(replace(tiny, iterations=100), iteration) for iteration in range(100)]
    assert max(rates) == pytest.approx(tiny.outer_rate)
    assert rates[0] == pytest.approx(tiny.outer_rate / 10)
    assert rates[-1] < tiny.outer_rate / 500
    assert outer_rate(replace(tiny, schedule="constant"), 99) == tiny.outer_rate


def test_tasks_too_small_for_meta_validation_are_refused(made_up_tasks: Tasks, tiny: MetaConfig) -> None:
    name = "nasbench101/sounds-0"
    with pytest.raises(PredictorError, match=rf"{name} has \d+ architectures for meta-validation"):
        meta_train({name: made_up_tasks[name][:30]}, tiny)


def test_a_loss_that_explodes_is_named(made_up_tasks: Tasks, tiny: MetaConfig) -> None:
    wild = replace(tiny, inner_rate=1e30, gcn=replace(tiny.gcn, layer_norm=False))
    with pytest.raises(PredictorError, match="lower inner_rate"):
        meta_train(made_up_tasks, wild)


@pytest.mark.slow
def test_the_papers_configuration_runs(made_up_tasks: Tasks) -> None:
    """20 of its 48,800 iterations; benchmarks extrapolate the time of the whole."""
    config = replace(MetaConfig.paper(), iterations=20, validation_every=20, validation_fraction=0.2)
    result = meta_train(made_up_tasks, config)
    assert result.iterations == 20
    assert math.isfinite(result.validations[0].spearman)


def test_pretraining_has_no_inner_loop(made_up_tasks: Tasks, tiny: MetaConfig) -> None:
    config = replace(tiny, algorithm="pretrain")
    episodes = EpisodePool.of(made_up_tasks, config, np.random.default_rng(0)).draw(np.random.default_rng(1))
    drawn = initial_parameters(config.gcn, torch.Generator().manual_seed(0))
    weights = {name: tensor.requires_grad_() for name, tensor in drawn.items()}
    losses = outer_loss(weights, episodes, config)
    predicted = forward(stacked(weights, len(episodes)), episodes.query.graphs, config.gcn)
    assert torch.allclose(losses, (predicted - episodes.query.scores).square().mean(dim=1))
    assert not torch.allclose(losses, outer_loss(weights, episodes, tiny))
    assert (config.adapt_rates.body, config.adapt_rates.head) == (config.adapt_rate, config.adapt_rate)
