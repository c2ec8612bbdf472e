"""Satellite image time series, one pixel in 46 pictures of a year, 24 kinds of land cover (Petitjean et al. 2012), as
NAS-Bench-360 splits and prepares them: each series standardised by its own mean and standard deviation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mpnas_ray.checks import require_count
from mpnas_ray.errors import TaskError
from trainables.tasks.core.files import DataFile, reads
from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.core.metrics import error_rate
from trainables.tasks.core.published import bucket_file
from trainables.tasks.core.recipes import table10_recipe
from trainables.tasks.core.splits import hold_out_last
from trainables.tasks.core.task import Split, Task, TaskData, register_task
from trainables.tasks.formats import load_npy

__all__ = ["load_satellite"]

_LICENCE = "GPL, as NAS-Bench-360 states it"
_TRAIN = bucket_file("satellite/satellite_train.npy", 322, _LICENCE)
_TEST = bucket_file("satellite/satellite_test.npy", 35, _LICENCE)


@reads(_TRAIN, _TEST)
def load_satellite(data_dir: Path | None, num_validation: int = 100_000) -> TaskData:
    """Read the two published files.

    Args:
        data_dir: Folder of the user's data files.
        num_validation: Number of series held out, the last of the 900,000 of the training file.

    Raises:
        TaskError: If a file is missing or holds something else, or there is no such number of series.
    """
    require_count("num_validation", num_validation, error=TaskError)
    return hold_out_last(_read(_TRAIN, data_dir), _read(_TEST, data_dir), num_validation)


def _read(file: DataFile, data_dir: Path | None) -> Split:
    path = file.need(data_dir)
    content = load_npy(path)
    try:
        series = np.asarray(content["data"], dtype=np.float64)
        labels = np.asarray(content["label"]).astype(np.int64).reshape(-1) - 1
        if series.ndim != 2 or series.shape[1] != 46:
            raise ValueError(f"series {list(series.shape)}, not [N, 46]")
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise TaskError(f"{path} is not the published file ({error}): get it from {file.source}.") from error
    centred = series - series.mean(axis=1, keepdims=True)
    std = series.std(axis=1, keepdims=True)
    standardised = np.divide(centred, std, out=np.zeros_like(centred), where=std > 0)
    return Split(torch.from_numpy(standardised[:, None].astype(np.float32)), torch.from_numpy(labels))


register_task(
    Task(
        "satellite",
        load_satellite,
        num_outputs=24,
        loss=cross_entropy,
        metric=error_rate,
        recipe=table10_recipe(256, series=True),
        input_scaling="none",
        protocol="nb360",
        files=(_TRAIN, _TEST),
        description="satellite image time series, 1x46, 24 classes, 800,000/100,000/100,000 real samples",
        source="Petitjean et al. 2012 in NAS-Bench-360; not the UCR archive's Crop",
    )
)
