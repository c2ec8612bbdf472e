"""Trainings that go on from what an earlier run, or an earlier session of it, has left."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pyarrow.fs import LocalFileSystem

from trainables import CellTrainable, darcy_task
from trainables.tune.checkpoint_files import RECORD_FILE, START_FILE, WEIGHTS_FILE
from trainables.tune.trial import EarlierTraining

ARCH = "mixed:nasbench101:|conv3-d1~0|maxpool~0|output~0~1~2|"
TINY = darcy_task("tiny-earlier", resolution=9, num_train=21, num_validation=10, num_test=10)


def make(data_dir: Path, earlier: EarlierTraining | None = None, **config: Any) -> CellTrainable:
    trainable = CellTrainable.__new__(CellTrainable)  # without the log folders that Tune's constructor makes
    full = {"arch": ARCH, "preset": "small", "epochs": 3, "batch_size": 5, "data_dir": str(data_dir), **config}
    trainable.setup(full, TINY, {ARCH: earlier} if earlier else None)
    return trainable


def after(num_epochs: int, folder: Path, data_dir: Path) -> dict[str, Any]:
    """The result after some epochs, whose checkpoint is then in the folder."""
    trainable = make(data_dir)
    for _ in range(num_epochs):
        result = trainable.step()
    folder.mkdir()
    trainable.save_checkpoint(str(folder))
    return result


def test_a_training_that_ended_is_reported_and_not_repeated(tmp_path: Path, data_dir: Path) -> None:
    folder = tmp_path / "checkpoint_000001"
    last = after(3, folder, data_dir)
    assert (last["done"], last["training_iteration"]) == (True, 3)
    assert last["training_seconds"] > last["seconds"]
    again = make(data_dir, EarlierTraining(str(folder), 3))
    before = {name: tensor.clone() for name, tensor in again._training.network.state_dict().items()}
    for _ in range(2):
        assert again.step() == {**last, "seconds": 0.0}
    assert all(torch.equal(tensor, before[name]) for name, tensor in again._training.network.state_dict().items())
    (tmp_path / "copy").mkdir()
    again.save_checkpoint(str(tmp_path / "copy"))
    assert json.loads((tmp_path / "copy" / RECORD_FILE).read_text())["result"] == last


def test_an_unfinished_training_goes_on_as_if_it_had_not_stopped(tmp_path: Path, data_dir: Path) -> None:
    folder = tmp_path / "checkpoint_000000"
    first = after(1, folder, data_dir)
    straight = after(2, tmp_path / "straight", data_dir)
    second = make(data_dir, EarlierTraining(f"file://{folder}", 1)).step()
    assert second["epoch"] == second["training_iteration"] == 2
    for key in (TINY.metric_key, "train_loss"):
        assert second[key] == straight[key]
    assert second["training_seconds"] == first["training_seconds"] + second["seconds"]


def test_one_that_a_scheduler_stopped_stays_stopped(tmp_path: Path, data_dir: Path) -> None:
    folder = tmp_path / "checkpoint_000000"
    first = after(1, folder, data_dir)
    assert not first["done"]
    assert make(data_dir, EarlierTraining(str(folder), 1, ended=True)).step() == {**first, "seconds": 0.0, "done": True}


def test_only_the_architecture_that_was_trained_goes_on(tmp_path: Path, data_dir: Path) -> None:
    folder = tmp_path / "checkpoint_000000"
    after(1, folder, data_dir)
    trainable = make(data_dir, EarlierTraining(str(folder), 1))
    other = "nasbench201:|nor_conv_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|"
    trainable.reset_config({**trainable._config, "arch": other})
    assert trainable.step()["epoch"] == 1
    trainable.reset_config({**trainable._config, "arch": ARCH})
    assert trainable.step()["epoch"] == 2


def test_what_tune_remembers_counts_only_if_it_is_newer(tmp_path: Path, data_dir: Path) -> None:
    folder = tmp_path / "checkpoint_000001"
    after(2, folder, data_dir)
    trainable = make(data_dir, EarlierTraining(str(folder), 2))
    trainable.restore(SimpleNamespace(metrics={"epoch": 1}, checkpoint=None))  # deleted long ago
    assert trainable.step()["epoch"] == 3


def test_checkpoints_are_numbered_after_the_one_it_began_from(tmp_path: Path, data_dir: Path) -> None:
    folder = tmp_path / "checkpoint_000004"
    after(1, folder, data_dir)
    trainable = make(data_dir)
    trainable._earlier = {ARCH: EarlierTraining(str(folder), 1)}
    place = {"storage_filesystem": LocalFileSystem(), "trial_fs_path": str(tmp_path / "trial")}
    storage: Any = SimpleNamespace(current_checkpoint_index=1, **place)
    trainable._storage = storage
    trainable.reset_config(trainable._config)
    assert storage.current_checkpoint_index == 4
    assert json.loads((tmp_path / "trial" / START_FILE).read_text())["arch"] == ARCH, "known before its first epoch"


def test_the_record_of_a_checkpoint(tmp_path: Path, data_dir: Path) -> None:
    trainable = make(data_dir, learning_rate=0.01, seed=np.int64(3))
    result = trainable.step()
    trainable.save_checkpoint(str(tmp_path))
    record = json.loads((tmp_path / RECORD_FILE).read_text())
    assert record["result"] == pytest.approx(result)
    assert (record["config"]["arch"], record["config"]["seed"]) == (ARCH, 3)
    assert record["bytes"] == (tmp_path / WEIGHTS_FILE).stat().st_size
