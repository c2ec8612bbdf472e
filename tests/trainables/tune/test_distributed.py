"""Several workers train one network: the same result as one, also when a worker dies."""

from __future__ import annotations

import multiprocessing
import os
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from ray import tune
from torch import distributed, nn

from mpnas_ray.errors import TaskError
from trainables import CellTrainable, DistributedCellTrainable, Task, darcy_task
from trainables.tasks.core.losses import relative_l2
from trainables.training.data import PreparedData
from trainables.training.loop import Training
from trainables.training.workers import Workers
from trainables.tune.checkpoint_files import RECORD_FILE
from trainables.tune.distributed import DRIVER_RESOURCES

TINY = darcy_task("tiny-distributed", resolution=16, num_train=21, num_validation=9, num_test=8)
DEAD_ENDS = "mixed:nasbench201:|conv3-d1~0|+|conv1-d1~0|zero~1|+|skip~0|conv5-d1~1|zero~2|"
RECIPES = {
    "fno-2d": replace(TINY.recipe, batch_size=5, epochs=2, clip_norm=1.0, ema=0.9, patience=1),
    DEAD_ENDS: replace(TINY.recipe, batch_size=7, epochs=2, summed_loss=True, learning_rate=1e-3, optimizer="sgd"),
}


def train(name: str, data_dir: Path, workers: Workers | None) -> tuple[list[dict[str, float]], list[torch.Tensor]]:
    data = PreparedData(TINY, data_dir, torch.device("cpu"))
    training = Training(name, TINY, data, preset="small", recipe=RECIPES[name], workers=workers)
    for module in training.network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # on CPUs it sees its worker's share alone
            module.register_forward_pre_hook(lambda module, inputs: module.eval() and None)
    results = [training.run_epoch() for _ in range(2)]
    return results, [parameter.detach().clone() for parameter in training.network.parameters()]


def train_as_one_of_two(rank: int, port: int, data_dir: Path, found: Any) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    for name in RECIPES:
        results, weights = train(name, data_dir, Workers(rank, 2))
        found.put((rank, name, results, [tensor.numpy() for tensor in weights]))
    distributed.destroy_process_group()


@pytest.mark.long
def test_two_workers_train_as_one(data_dir: Path) -> None:
    """Batches of 5 are parted into 3 and 2; operations that lead nowhere have no gradient."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = {name: train(name, data_dir, None) for name in RECIPES}  # makes the data, too
    context = multiprocessing.get_context("forkserver")  # copies of a process without threads
    context.set_forkserver_preload(["torch", "ray.tune"])
    queue = context.Queue()
    processes = [context.Process(target=train_as_one_of_two, args=(rank, port, data_dir, queue)) for rank in range(2)]
    for process in processes:
        process.start()
    found = [queue.get(timeout=900) for _ in range(2 * len(RECIPES))]
    for process in processes:
        process.join()
    for _, name, results, weights in found:
        for mine, theirs in zip(results, alone[name][0], strict=True):
            for key in (TINY.metric_key, "train_loss"):
                assert mine[key] == pytest.approx(theirs[key], rel=1e-4)
        for mine, theirs in zip(weights, alone[name][1], strict=True):
            torch.testing.assert_close(torch.from_numpy(mine), theirs, rtol=1e-3, atol=1e-5)


def test_what_cannot_be_shared_is_refused(data_dir: Path) -> None:
    data = PreparedData(TINY, data_dir, torch.device("cpu"))
    with pytest.raises(TaskError, match="too small for 3 workers"):
        Training("fno-2d", TINY, data, recipe=RECIPES["fno-2d"], workers=Workers(0, 3))
    with pytest.raises(TaskError, match="CellTrainable trains with one"):
        DistributedCellTrainable({"arch": DEAD_ENDS}, TINY, num_workers=1)


def loss_that_kills(marker: Path, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Once, when a checkpoint of the second epoch is there, the process dies."""
    if next(marker.parent.glob("run/*/checkpoint_000002/trial.json"), None) and not marker.exists():
        marker.touch()
        os._exit(1)
    return relative_l2(outputs, targets)


@pytest.mark.ray
def test_a_worker_that_dies_is_replaced_and_the_result_is_that_of_one_worker(
    ray_cluster: None, data_dir: Path, tmp_path: Path
) -> None:
    task: Task = replace(TINY, recipe=replace(RECIPES["fno-2d"], epochs=3, patience=None))
    config = {"model": "fno-2d", "epochs": 3, "data_dir": str(data_dir)}
    alone = CellTrainable.__new__(CellTrainable)  # without the log folders that Tune's constructor makes
    alone.setup(config, task)
    expected = [alone.step() for _ in range(3)]

    deadly = replace(task, loss=partial(loss_that_kills, tmp_path / "killed"))
    trainable = tune.with_parameters(
        DistributedCellTrainable, task=deadly, num_workers=2, worker_resources={"CPU": 1.0}
    )
    results = tune.Tuner(
        tune.with_resources(trainable, DRIVER_RESOURCES),
        param_space=config,
        run_config=tune.RunConfig(name="run", storage_path=str(tmp_path), verbose=0),
    ).fit()

    assert not results.errors
    assert (tmp_path / "killed").exists()
    reported = results[0].metrics_dataframe
    assert reported is not None
    assert reported["epoch"].tolist() == [1, 2, 3]
    for key in (task.metric_key, "train_loss"):
        assert reported[key].tolist() == pytest.approx([result[key] for result in expected], rel=1e-3)
    assert {*reported.columns} >= expected[-1].keys()
    (folder,) = (tmp_path / "run").glob("*/checkpoint_000003")
    assert (folder / RECORD_FILE).exists()
