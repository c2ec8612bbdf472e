"""Exercises of the arm by a watch's sensors (Burns et al. 2018): acceleration and rotation, 7 exercises, 10 people.

140 recordings at 50 Hz, made half as dense and cut into windows of 52 steps that overlap by half. People 1 to 6 are
trained on, 7 and 8 validated on, 9 and 10 tested on, so a network meets people it has never seen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mpnas_ray.errors import TaskError
from trainables.tasks.core.files import CarriedFile, reads
from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.core.metrics import accuracy
from trainables.tasks.core.task import Recipe, Split, Task, TaskData, register_task
from trainables.tasks.formats import load_npy

__all__ = ["load_watch"]

_FILE = CarriedFile("seglearn", "seglearn/data/watch_dataset.npy", "BSD, as its package")
_WINDOW, _STRIDE = 52, 26
_PEOPLE = {"train": range(1, 7), "validation": range(7, 9), "test": range(9, 11)}


@reads(_FILE)
def load_watch(data_dir: Path | None = None) -> TaskData:
    """Load windows ``[N, 6, 52]``; `Split.groups` holds the recording of each."""
    path = _FILE.need(data_dir)
    content = load_npy(path)
    try:
        recordings, subjects, labels = content["X"], np.asarray(content["subject"]), np.asarray(content["y"])
        if not len(recordings) == len(subjects) == len(labels):
            raise ValueError(f"{len(recordings)} recordings, {len(subjects)} subjects and {len(labels)} labels")
        windows = [_windows(np.asarray(recording, dtype=np.float64)) for recording in recordings]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise TaskError(f"{path} is damaged ({error}): install its package again.") from error

    def split(people: range) -> Split:
        chosen = [number for number, subject in enumerate(subjects) if subject in people]
        counts = [len(windows[number]) for number in chosen]
        return Split(
            torch.from_numpy(np.concatenate([windows[number] for number in chosen])),
            torch.from_numpy(np.repeat(labels[chosen].astype(np.int64), counts)),
            torch.from_numpy(np.repeat(chosen, counts)),
        )

    return TaskData(**{part: split(people) for part, people in _PEOPLE.items()})


def _windows(recording: NDArray[np.float64]) -> NDArray[np.float32]:
    """Cut a recording ``[steps, 6]`` at 50 Hz into windows ``[N, 6, 52]`` at 25 Hz."""
    from scipy.signal import decimate  # a tenth of a second to import: late, as few processes need it

    slow = decimate(recording, 2, ftype="fir", axis=0)  # filtered first: what 25 Hz cannot hold must not fold over
    starts = range(0, len(slow) - _WINDOW + 1, _STRIDE)
    return np.stack([slow[start : start + _WINDOW].T for start in starts]).astype(np.float32)


register_task(
    Task(
        "watch",
        load_watch,
        num_outputs=7,
        loss=cross_entropy,
        metric=accuracy,
        recipe=Recipe(epochs=12, batch_size=64, learning_rate=1e-2),
        files=(_FILE,),
        description="arm exercises by a watch, 6x52, 7 classes, 2,559/967/961 real windows, parted by person",
        source="Burns et al. 2018 (BSD), inside seglearn",
    )
)
