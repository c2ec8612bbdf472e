"""Train one architecture by several workers of Ray Train, which a trial of Tune drives."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray.train
import torch
from ray import tune
from ray.train.torch import TorchTrainer, get_device
from ray.tune.integration.ray_train import TuneReportCallback

from mpnas_ray.checks import require_count, require_number
from mpnas_ray.errors import TaskError
from trainables.networks.named import network_name
from trainables.tasks.core.task import Task
from trainables.training.workers import Workers
from trainables.tune.checkpoint_files import RECORD_FILE
from trainables.tune.latency import measured_latency
from trainables.tune.time_limit import killed_after
from trainables.tune.trial import (
    EarlierTraining,
    build_training,
    check_config,
    note_start,
    prepare_data,
    read_checkpoint,
    run_epoch,
    task_of,
    write_checkpoint,
)
from trainables.tune.trial_storage import train_into

__all__ = ["DRIVER_RESOURCES", "DistributedCellTrainable"]

_logger = logging.getLogger(__name__)

DRIVER_RESOURCES = {"CPU": 0.0, "memory": 2.0**20}
"""Resources of the trial itself, which only waits: the workers ask for theirs. Tune does not accept none at all."""


def DistributedCellTrainable(  # noqa: N802  (stands beside CellTrainable, and is used as it is)
    config: dict[str, Any],
    task: Task | None = None,
    earlier: Mapping[str, EarlierTraining] | None = None,
    num_workers: int = 2,
    worker_resources: Mapping[str, float] | None = None,
    checkpoint_every: int = 1,
    max_failures: int = 3,
) -> None:
    """Train as `CellTrainable` does, with each batch shared among several workers.

    The result is that of one worker with the same batch size, but for rounding and for what `Training` says of workers.
    Workers that die are started again and go on from the last checkpoint, which lies in the trial's own folder.

    Tune starts a process for each trial and cannot pause it: schedulers that stop trials work, those that pause them
    (HyperBand, population based training) do not. Tune does not know of the workers' resources: limit
    ``max_concurrent_trials`` to what fits, or trials wait for each other.

    Args:
        config: Entries as for `CellTrainable`.
        task: Task in place of the one that the config names.
        earlier: Trainings to go on from rather than to begin, by architecture string or name of a network.
        num_workers: Processes of a trial; each trains on ``batch_size / num_workers`` samples a step.
        worker_resources: Resources of each worker; one CPU if None. With a ``GPU``, each worker trains on its own.
        checkpoint_every: Epochs between two checkpoints; the last epoch always has one.
        max_failures: Times that workers may die before the trial fails.

    Raises:
        TaskError: If one of these is out of its range, or an entry of the config is wrong.

    Example:
        >>> trainable = tune.with_parameters(DistributedCellTrainable, num_workers=4, worker_resources={"GPU": 1})
        >>> tuner = tune.Tuner(
        ...     tune.with_resources(trainable, DRIVER_RESOURCES),
        ...     param_space={"task": "cifar100"},
        ...     tune_config=tune.TuneConfig(search_alg=MPNASSearch("mixed"), max_concurrent_trials=2, ...),
        ... )
    """
    if num_workers == 1:
        raise TaskError("num_workers must be at least 2, not 1: CellTrainable trains with one.")
    require_count("num_workers", num_workers, 2, error=TaskError)
    for name, amount in (worker_resources or {}).items():
        require_number(f"worker_resources[{name!r}]", amount, at_least=0, error=TaskError)
    require_count("checkpoint_every", checkpoint_every, error=TaskError)
    require_count("max_failures", max_failures, 0, error=TaskError)
    check_config(config)
    found = (earlier or {}).get(network_name(config))
    if found is not None and found.ended:
        tune.report({**_result_of(found), "seconds": 0.0})
        return
    storage = tune.get_context().get_storage()
    note_start(storage, config)
    resources = dict(worker_resources or {"CPU": 1.0})
    trainer = TorchTrainer(
        _train_as_worker,
        train_loop_config={
            "config": config,
            "task": task_of(config, task),
            "earlier": found,
            "checkpoint_every": checkpoint_every,
        },
        scaling_config=ray.train.ScalingConfig(
            num_workers=num_workers, use_gpu=resources.get("GPU", 0.0) > 0, resources_per_worker=resources
        ),
        run_config=ray.train.RunConfig(
            **train_into(storage),
            callbacks=[TuneReportCallback()],  # type: ignore[no-untyped-call, list-item]
            failure_config=ray.train.FailureConfig(max_failures=max_failures),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
        ),
    )
    trainer.fit()


def _train_as_worker(given: Mapping[str, Any]) -> None:
    """Train all epochs in one worker; the first worker saves and reports."""
    config, task, earlier = given["config"], given["task"], given["earlier"]
    torch.set_num_threads(int(config.get("num_threads", 1)))
    context = ray.train.get_context()
    workers = Workers(context.get_world_rank(), context.get_world_size())
    data = prepare_data(task, {"device": get_device(), **config})
    training = build_training(config, task, data, workers)
    result: dict[str, Any] = {}
    checkpoint = ray.train.get_checkpoint() or (earlier and ray.train.Checkpoint(earlier.checkpoint))
    if checkpoint:
        try:
            with checkpoint.as_directory() as folder:
                result = read_checkpoint(folder, training)
        except TaskError as error:  # all workers read the same
            _logger.warning("%s This training begins anew: %s", error, network_name(config))
            training, result = build_training(config, task, data, workers), {}
    while not result.get("done", False):
        time_limit_s = config.get("time_limit_s")
        with killed_after(time_limit_s):
            result = run_epoch(training, result, time_limit_s)
        if workers.rank == 0:
            result = measured_latency(config, training, result)
        reported = {name: value for name, value in result.items() if name != "done"}  # Tune would end the trial at once
        if workers.rank > 0 or not (result["done"] or training.epoch % given["checkpoint_every"] == 0):
            ray.train.report(reported)
            continue
        with tempfile.TemporaryDirectory() as folder:
            write_checkpoint(folder, training, config, result)
            name = f"checkpoint_{training.epoch:06}"
            ray.train.report(reported, ray.train.Checkpoint(folder), checkpoint_dir_name=name)


def _result_of(earlier: EarlierTraining) -> dict[str, Any]:
    """Return the last result of a training that ended."""
    with ray.train.Checkpoint(earlier.checkpoint).as_directory() as folder:
        record = json.loads((Path(folder) / RECORD_FILE).read_text(encoding="utf-8"))
    return {name: value for name, value in record["result"].items() if name != "done"}
