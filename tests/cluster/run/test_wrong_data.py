"""Wrong data of a task are met on the driver, before Ray starts and before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cluster.artifacts.config import ScoringConfig, TableConfig, TrainingConfig
from cluster.artifacts.scoring import score_architectures
from cluster.artifacts.single_network import train_network
from cluster.artifacts.table_building import build_table
from cluster.run.start import run_search
from mpnas_ray.errors import TaskError
from trainables import Recipe, Split, Task, TaskData, accuracy, cross_entropy
from trainables.tasks.core import task as tasks


def load(data_dir: Path | None) -> TaskData:
    inputs, targets = torch.randn(30, 1, 8), torch.arange(30) % 2
    return TaskData(Split(inputs, targets), Split(inputs, targets[:, None]), Split(inputs, targets))


BAD = Task("wrong-shape", load, 2, cross_entropy, accuracy, Recipe(epochs=1, batch_size=10))


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(tasks._TASKS, BAD.name, BAD)
    return BAD.name


CALLS: dict[str, Callable[[str, Path], Any]] = {
    "search": lambda name, folder: run_search(
        task=name, space="nasbench201", num_samples=2, storage=folder, name="run"
    ),
    "train": lambda name, folder: train_network(
        TrainingConfig(task=name, model="wrn-16-1", storage=folder, name="run")
    ),
    "score": lambda name, folder: score_architectures(
        ScoringConfig(space="nasbench201", task=name, proxies=("naswot",), num_archs=2, out=folder / "out")
    ),
    "table": lambda name, folder: build_table(
        TableConfig(out=folder / "t.parquet", tasks=(name,), num_archs=2, num_train=20)
    ),
}


@pytest.mark.parametrize("command", CALLS)
def test_wrong_data_are_refused_on_the_driver(
    command: str, registered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.init", lambda *given, **named: pytest.fail("Ray was started"))
    with pytest.raises(TaskError, match=r"wrong-shape: the validation part has targets int64 \[30, 1\]; they must be"):
        CALLS[command](registered, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_batch_larger_than_the_training_part_is_refused_on_the_driver(tmp_path: Path) -> None:
    def good(data_dir: Path | None) -> TaskData:
        train = load(None).train
        return TaskData(train, train, train)

    task = replace(BAD, load=good, recipe=Recipe(epochs=1, batch_size=31))
    with pytest.raises(TaskError, match="A batch of 31 is larger than the training part of wrong-shape, which has 30"):
        run_search(task=task, space="nasbench201", num_samples=2, storage=tmp_path, name="run")
    with pytest.raises(TaskError, match="A batch of 40 is larger"):
        train_network(TrainingConfig(model="wrn-16-1", batch_size=40, storage=tmp_path, name="run"), task=task)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
