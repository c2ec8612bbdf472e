"""The trainable of supernets, called as Tune calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mpnas_ray.errors import TaskError
from trainables import SupernetTrainable
from trainables.tasks import Split, Task, TaskData, accuracy, cross_entropy


def load(_: Path | None) -> TaskData:
    generator = torch.Generator().manual_seed(0)
    part = Split(torch.randn(16, 1, 6, generator=generator), torch.arange(16) % 2)
    return TaskData(part, part, part)


NOISE = Task("noise", load, num_outputs=2, loss=cross_entropy, metric=accuracy)
CONFIG = {"model": "darts.0", "method": "darts", "space": "transnasbench101", "preset": "small", "seed": 3}
SMALL = {**CONFIG, "task": "noise", "epochs": 2, "batch_size": 8, "device": "cpu"}


def trainable(**changed: Any) -> SupernetTrainable:
    made = SupernetTrainable.__new__(SupernetTrainable)
    made.setup({**SMALL, **changed}, task=NOISE)
    return made


def plain(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if "seconds" not in name and name != "peak_bytes"}


def test_it_reports_each_epoch_and_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    whole = trainable()
    first, last = whole.step(), whole.step()
    assert not first["done"]
    assert last["done"]
    assert {"arch", "num_skips", "entropy", "weights", "validation_accuracy", "parameters", "peak_bytes"} <= last.keys()
    assert torch.tensor(last["weights"]).sum(dim=1) == pytest.approx(torch.ones(6))
    half = trainable()
    half.step()
    half.save_checkpoint(str(tmp_path))
    other = trainable()
    other.load_checkpoint(str(tmp_path))
    assert plain(other.step()) == plain(last)
    assert other.step()["seconds"] == 0.0, "a search that has ended trains no further"


def test_an_actor_takes_over_another_config_and_keeps_the_data() -> None:
    reused = trainable()
    reused.step()
    data = reused._prepared
    assert reused.reset_config({**SMALL, "method": "rsps", "num_samples": 2})
    assert reused._prepared is data
    assert plain(reused.step()) == plain(trainable(method="rsps", num_samples=2).step())


def test_wrong_configs_and_checkpoints_are_refused(tmp_path: Path) -> None:
    made = SupernetTrainable.__new__(SupernetTrainable)
    with pytest.raises(TaskError, match=r'config\["space"\] is missing'):
        made.setup({name: value for name, value in SMALL.items() if name != "space"}, task=NOISE)
    with pytest.raises(TaskError, match="Did you mean 'gdas'"):
        trainable(method="g-das")
    trainable().save_checkpoint(str(tmp_path))
    with pytest.raises(TaskError, match="with method 'darts', not 'gdas'"):
        trainable(method="gdas").load_checkpoint(str(tmp_path))
