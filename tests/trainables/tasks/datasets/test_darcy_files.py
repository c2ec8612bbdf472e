from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from mpnas_ray.errors import TaskError
from trainables import get_task
from trainables.networks.scaling import fit_scaling
from trainables.tasks.datasets.darcy_files import load_darcy421


def fields(count: int, sign: float) -> dict[str, np.ndarray[Any, Any]]:
    """Values that tell their place: sample, row and column."""
    places = np.arange(count)[:, None, None] * 1e6 + np.arange(421)[:, None] * 1e3 + np.arange(421)
    return {"coeff": places, "sol": sign * places - 1}


def write(folder: Path, version: int) -> None:
    for number, (count, sign) in enumerate(((5, 1.0), (3, -1.0)), start=1):
        path = folder / f"piececonst_r421_N1024_smooth{number}.mat"
        if version == 5:
            savemat(path, fields(count, sign))
            continue
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, values in fields(count, sign).items():
                file[name] = values.T
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file".ljust(512))


@pytest.mark.parametrize("version", [5, 7])
def test_every_fifth_point_of_the_published_files(tmp_path: Path, version: int) -> None:
    write(tmp_path, version)
    data = load_darcy421(tmp_path, num_train=3, num_validation=2, num_test=2)
    assert [list(part.inputs.shape) for part in (data.train, data.validation, data.test)] == [
        [3, 1, 85, 85],
        [2, 1, 85, 85],
        [2, 1, 85, 85],
    ]
    assert data.train.inputs[2, 0, 84, 3] == 2e6 + 420e3 + 15
    assert data.validation.targets[0, 0, 1, 2] == 3e6 + 5e3 + 10 - 1
    assert data.test.targets[1, 0, 0, 84] == -(1e6 + 420) - 1
    with pytest.raises(TaskError, match=r"coeff \[5, 421, 421\]; at least \[1000, 421, 421\]"):
        load_darcy421(tmp_path)


def test_the_task_is_that_of_the_protocol(tmp_path: Path) -> None:
    task = get_task("darcy-421")
    assert (task.input_scaling, task.target_scaling, task.coordinates) == ("position", "position", True)
    values = torch.tensor([[[[1.0]]], [[[4.0]]]])
    mean, deviation = fit_scaling(values, "position")
    assert mean.item() == 2.5
    assert deviation.item() == pytest.approx(np.sqrt(4.5) + 1e-5)  # unbiased, and 1e-5 added
    with pytest.raises(TaskError, match=r"smooth1\.mat is missing \(1600 MB"):
        task.load(tmp_path)
