"""Make a task of files: read them, deal their samples out, and choose loss, metric and recipe by the targets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mpnas_ray.errors import TaskError
from trainables.data_options import AUGMENTATIONS, LOSSES, DataOptions
from trainables.tasks.core.task import Recipe, Split, Task, TaskData, register_scheme
from trainables.tasks.sources.augmentations import Augment, Mixup
from trainables.tasks.sources.csv_tables import read_csv_table
from trainables.tasks.sources.images import read_images
from trainables.tasks.sources.losses import balanced_weights, make_loss
from trainables.tasks.sources.metrics import METRICS_BY_KIND
from trainables.tasks.sources.npz import read_npz
from trainables.tasks.sources.parts import PARTS, deal_out, equal_samples
from trainables.tasks.sources.samples import Form, Samples, Targets

__all__ = ["FilesOfTask", "task_of_files"]

_READERS: dict[str, Callable[[str, DataOptions], Samples]] = {
    "images": read_images,
    "csv": read_csv_table,
    "npz": read_npz,
}

_DEFAULT_METRICS = {"classes": "accuracy", "labels": "average_precision", "values": "r2"}

_SMALL_BATCH, _LARGE_BATCH, _MANY = 20, 64, 5_000
"""Samples a step below and from so many training samples on: the `Recipe`'s own, which was measured on small tasks, and
that of the full tasks of NAS-Bench-360. The border is chosen, not measured."""


@dataclass(frozen=True)
class FilesOfTask:
    """The `Task.load` of a task that is made of files: plain values, by which any process reads the same data.

    Attributes:
        scheme: Kind of the files, such as ``images``.
        path: Absolute path.
        options: Options of the user.
        first: Data as they were read when the task was made; other processes read them again.
        skipped: Files or rows that were then left out, each with the reason.
    """

    scheme: str
    path: str
    options: DataOptions
    first: TaskData | None = field(default=None, compare=False, repr=False)
    skipped: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __call__(self, data_dir: Path | None = None) -> TaskData:
        """Return the data; the folder of data files has no part in it."""
        return self.first or _split(_READERS[self.scheme](self.path, self.options), self.options)

    def __reduce__(self) -> tuple[Any, ...]:
        return FilesOfTask, (self.scheme, self.path, self.options)


def task_of_files(scheme: str, path: str, options: DataOptions) -> Task:
    """Make a task of files; they are read at once, since all but its name depends on them.

    Args:
        scheme: ``images``, ``csv`` or ``npz``.
        path: Absolute path of the folder or file.
        options: Options of the user.

    Raises:
        TaskError: If they are missing or damaged, or no network could be trained on them.
    """
    return _task_of_files(scheme, path, options, _state(Path(path)))


def _state(path: Path) -> tuple[object, ...]:
    """Return values that change when a file is written, or when one comes into a folder or leaves it."""
    if not path.is_dir():
        return (path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else ()
    return tuple((folder, Path(folder).stat().st_mtime_ns) for folder, _, _ in os.walk(path))


@lru_cache(maxsize=1)
def _task_of_files(scheme: str, path: str, options: DataOptions, state: tuple[object, ...]) -> Task:
    """Read files that are as ``state`` says; commands ask for their task again and again."""
    samples = _READERS[scheme](path, options)
    data = _split(samples, options)
    targets, dense = samples.targets, samples.targets.values.ndim > 2
    train = data.train
    return Task(
        _name(scheme, path),
        FilesOfTask(scheme, path, options, data, samples.skipped),
        num_outputs=targets.num_outputs,
        loss=make_loss(
            options.loss or LOSSES[targets.kind][0], _weights(data, targets, options), _scales(data, targets)
        ),
        metric=METRICS_BY_KIND[targets.kind][options.metric or _DEFAULT_METRICS[targets.kind]],
        recipe=Recipe(batch_size=min(_SMALL_BATCH if len(train) < _MANY else _LARGE_BATCH, len(train))),
        dense=dense,
        input_scaling="position" if samples.form == "features" else "channel",
        target_scaling="channel" if targets.kind == "values" else "none",
        augment=_augment(samples.form, options),
        mix=_mix(targets, options),
        classes=targets.names if targets.kind != "values" else (),
        description=f"{len(samples.inputs):,} {_FORM_WORDS[samples.form]} of {path}",
        source=path,
    )


def _name(scheme: str, path: str) -> str:
    """Name a task as its files are called, in signs that any file system takes: runs and tables are named by it."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).name.removesuffix(f".{scheme}")).strip(".-")
    return f"{scheme}-{plain or 'data'}"


_FORM_WORDS: dict[Form, str] = {"images": "images", "series": "series", "features": "rows of features"}


def _split(samples: Samples, options: DataOptions) -> TaskData:
    targets = samples.targets
    parts = samples.parts.copy()
    shares = {1: options.validation_share, 2: options.test_share}
    shares = {part: share for part, share in shares.items() if not (parts == part).any()}
    grouped = samples.groups is not None
    if shares:
        rows = np.flatnonzero(parts == 0)
        classes = targets.values[rows] if targets.kind == "classes" else np.zeros(len(rows), dtype=np.int64)
        parts[rows] = deal_out(
            classes,
            samples.groups[rows] if samples.groups is not None else equal_samples(samples.inputs[rows]),
            shares,
            options.split_seed,
            mixed=grouped,
            names=targets.names if targets.kind == "classes" else (),
            unit_name=f"groups in the column {options.group!r}" if grouped else "different samples",
        )
    _check_train(targets, parts)
    values = torch.from_numpy(np.ascontiguousarray(targets.values))
    inputs = torch.from_numpy(np.ascontiguousarray(samples.inputs))
    rows_of = [torch.from_numpy(np.flatnonzero(parts == part)) for part in range(len(PARTS))]
    return TaskData(*(Split(inputs[rows], values[rows]) for rows in rows_of))


def _check_train(targets: Targets, parts: np.ndarray[Any, Any]) -> None:
    """Refuse a training part without a sample of some class, or with one without a sample of some label."""
    train = targets.values[parts == 0]
    if targets.kind == "classes":
        counts = np.bincount(train, minlength=targets.num_outputs)
        if (absent := np.flatnonzero(counts == 0)).size:
            raise TaskError(
                f"The class {targets.names[absent[0]]!r} has no sample in the train part: take another --split-seed, "
                f"or smaller groups."
            )
    if targets.kind == "labels":
        same = np.flatnonzero(np.ptp(train, axis=0) == 0)
        if same.size:
            name = targets.names[same[0]] if targets.names else f"number {same[0]}"
            raise TaskError(
                f"The label {name} is the same in all samples of the train part: there is nothing to learn."
            )


def _weights(data: TaskData, targets: Targets, options: DataOptions) -> tuple[float, ...]:
    if options.class_weights is None:
        return ()
    if targets.kind == "values":
        raise TaskError("class_weights (--class-weights) are for classes and labels, and the targets are values.")
    return balanced_weights(data.train.targets, targets.kind, targets.num_outputs)


def _scales(data: TaskData, targets: Targets) -> tuple[float, ...]:
    """Standard deviations of values over the training part."""
    if targets.kind != "values":
        return ()
    values: Tensor = data.train.targets.double().movedim(1, -1).reshape(-1, targets.num_outputs)
    scales = values.std(dim=0, correction=0)
    return tuple(float(scale) if scale > 0 else 1.0 for scale in scales)


def _augment(form: Form, options: DataOptions) -> Augment | None:
    for name in options.augment:
        if name not in AUGMENTATIONS[form]:
            raise TaskError(f"{name} is no augmentation of {form}: there are {', '.join(AUGMENTATIONS[form])}.")
    names = tuple(name for name in options.augment if name != "mixup")
    return Augment(names) if names else None


def _mix(targets: Targets, options: DataOptions) -> Mixup | None:
    if "mixup" not in options.augment:
        return None
    return Mixup(targets.num_outputs if targets.kind == "classes" else None)


for _scheme in _READERS:
    register_scheme(_scheme, task_of_files)
