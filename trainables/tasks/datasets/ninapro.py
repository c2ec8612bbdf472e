"""NinaPro DB5 (Pizzolato et al. 2017), windows of muscle signals, 18 gestures, as NAS-Bench-360 publishes them.

Sixteen electrodes by 52 steps at 200 Hz, taken as an image of one channel. The three parts come as files of their own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mpnas_ray.errors import TaskError
from trainables.tasks.core.files import reads
from trainables.tasks.core.losses import FocalLoss
from trainables.tasks.core.metrics import error_rate
from trainables.tasks.core.published import bucket_file
from trainables.tasks.core.recipes import table10_recipe
from trainables.tasks.core.task import Split, Task, TaskData, register_task
from trainables.tasks.formats import load_npy

__all__ = ["load_ninapro"]

_LICENCE = "CC BY-ND"
_SIZES = {"train": (2638, 17.6), "val": (659, 4.4), "test": (659, 4.4)}  # windows, and megabytes at float64
_DATA = {part: bucket_file(f"ninapro/ninapro_{part}.npy", size, _LICENCE) for part, (_, size) in _SIZES.items()}
_LABELS = {
    part: bucket_file(f"ninapro/label_{part}.npy", round(8 * windows / 1e6, 3), _LICENCE)
    for part, (windows, _) in _SIZES.items()
}


@reads(*_DATA.values(), *_LABELS.values())
def load_ninapro(data_dir: Path | None) -> TaskData:
    """Read the six published files."""

    def part(name: str) -> Split:
        path = _DATA[name].need(data_dir)
        label_path = _LABELS[name].need(data_dir)
        try:
            windows = np.asarray(load_npy(path), dtype=np.float32)
            labels = np.asarray(load_npy(label_path)).astype(np.int64).reshape(-1)
        except (TypeError, ValueError) as error:
            raise TaskError(f"{path} and {label_path.name} are not the published files ({error}).") from error
        if windows.ndim != 3 or windows.shape[1:] != (52, 16):
            raise TaskError(f"{path} has windows {list(windows.shape)}; the published ones are [N, 52, 16].")
        inputs = np.ascontiguousarray(windows.transpose(0, 2, 1)[:, None])
        return Split(torch.from_numpy(inputs), torch.from_numpy(labels))

    return TaskData(train=part("train"), validation=part("val"), test=part("test"))


register_task(
    Task(
        "ninapro",
        load_ninapro,
        num_outputs=18,
        loss=FocalLoss(gamma=0.0, alpha=1.0),  # DASH's; equal to cross-entropy
        metric=error_rate,
        recipe=table10_recipe(128),
        input_scaling="none",
        protocol="nb360",
        files=(*_DATA.values(), *_LABELS.values()),
        description="muscle signals, 16 electrodes x 52 steps as an image, 18 gestures, 2,638/659/659 real samples",
        source="NinaPro DB5 in NAS-Bench-360",
    )
)
