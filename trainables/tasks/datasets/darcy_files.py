"""Darcy flow from files of the FNO group (Li et al. 2021): `darcy-421`, as NAS-Bench-360 uses it, and `darcy16`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mpnas_ray.checks import require_count
from mpnas_ray.errors import TaskError
from trainables.tasks.core.files import CarriedFile, DataFile, reads
from trainables.tasks.core.losses import relative_l2
from trainables.tasks.core.metrics import mean_relative_l2
from trainables.tasks.core.published import bucket_file
from trainables.tasks.core.recipes import table10_recipe
from trainables.tasks.core.task import Recipe, Split, Task, TaskData, register_task
from trainables.tasks.formats import MatlabFile

__all__ = ["load_darcy16", "load_darcy421"]

_TRAIN, _TEST = (
    bucket_file(
        f"piececonst_r421_N1024_smooth{number}.mat",
        1600,
        "MIT",
        elsewhere="the data folder that the README of github.com/neuraloperator/neuraloperator links to",
    )
    for number in (1, 2)
)
_TRAIN_16, _TEST_16 = (
    CarriedFile("neuraloperator", f"neuralop/datasets/data/darcy_{part}_16.pt", "MIT") for part in ("train", "test")
)


@reads(_TRAIN, _TEST)
def load_darcy421(
    data_dir: Path | None, *, step: int = 5, num_train: int = 900, num_validation: int = 100, num_test: int = 100
) -> TaskData:
    """Read solutions at 421x421, every fifth point: 85x85.

    Args:
        data_dir: Folder of the user's data files.
        step: Grid points from one that is kept to the next.
        num_train: Number of training samples, the first of the first file.
        num_validation: Number of validation samples, which follow them.
        num_test: Number of test samples, the first of the second file.

    Raises:
        TaskError: If a file is missing or holds something else, or a number is not a whole one of at least 1.
    """
    counts = {"step": step, "num_train": num_train, "num_validation": num_validation, "num_test": num_test}
    for name, count in counts.items():
        require_count(name, count, error=TaskError)
    inputs, targets = _read(_TRAIN, data_dir, step, num_train + num_validation)
    test_inputs, test_targets = _read(_TEST, data_dir, step, num_test)
    return TaskData(
        train=Split(inputs[:num_train], targets[:num_train]),
        validation=Split(inputs[num_train:], targets[num_train:]),
        test=Split(test_inputs, test_targets),
    )


def _read(file: DataFile, data_dir: Path | None, step: int, count: int) -> tuple[Tensor, Tensor]:
    path = file.need(data_dir)
    matlab = MatlabFile(path)

    def fields(name: str) -> Tensor:
        values = matlab.read(name)
        if values.ndim != 3 or values.shape[1:] != (421, 421) or len(values) < count:
            raise TaskError(f"{path} has {name} {list(values.shape)}; at least [{count}, 421, 421] are needed.")
        return torch.from_numpy(values[:count, None, ::step, ::step].astype(np.float32))

    return fields("coeff"), fields("sol")


@reads(_TRAIN_16, _TEST_16)
def load_darcy16(data_dir: Path | None = None) -> TaskData:
    """Read the samples at 16x16 inside neuraloperator: 900 and 100 of its training file, its 50 test samples.

    Permeability is 1 where it is high and 0 where it is low. The grid is a subsample that ends before the last row and
    column of the one solved on, so pressure is 0 on two sides only.
    """
    train, test = (_read_pt(file.need(data_dir)) for file in (_TRAIN_16, _TEST_16))
    return TaskData(
        train=Split(train.inputs[:900], train.targets[:900]),
        validation=Split(train.inputs[900:], train.targets[900:]),
        test=test,
    )


def _read_pt(path: Path) -> Split:
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True)
        return Split(content["x"][:, None].float(), content["y"][:, None].float())
    except Exception as error:  # a damaged file can end in almost any error
        problem = f"{type(error).__name__}: {error}"
        raise TaskError(f"{path} is damaged ({problem}): install its package again.") from error


_DARCY = Task(
    "darcy16",
    load_darcy16,
    num_outputs=1,
    dense=True,
    loss=relative_l2,
    metric=mean_relative_l2,
    recipe=Recipe(epochs=15, batch_size=20, learning_rate=1e-2),
    input_scaling="position",
    target_scaling="position",
    coordinates=True,
    files=(_TRAIN_16, _TEST_16),
    description="Darcy flow 16x16, 900/100/50 samples of the FNO group",
    source="Li et al. 2021 (MIT), inside neuraloperator 0.3.0",
    family="darcy",
)

register_task(_DARCY)
register_task(
    replace(
        _DARCY,
        name="darcy-421",
        load=load_darcy421,
        # DASH sums the loss over a batch, and its learning rate belongs to the sum.
        recipe=replace(table10_recipe(10, learning_rate=0.01), summed_loss=True),
        protocol="nb360",
        files=(_TRAIN, _TEST),
        description="Darcy flow solved at 421x421, taken at 85x85, 900/100/100 samples",
        source="Li et al. 2021 in NAS-Bench-360",
        family="darcy",
    )
)
