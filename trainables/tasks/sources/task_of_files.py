"""Make a task of files: read them, deal their samples out, and choose loss, metric and recipe by the targets."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from mpnas_ray.errors import TaskError
from trainables.data_options import AUGMENTATIONS, LOSSES, DataOptions
from trainables.tasks.core.task import Recipe, Task, TaskData, register_scheme
from trainables.tasks.sources.augmentations import Augment, Mixup
from trainables.tasks.sources.kept_samples import READERS, Facts, kept_samples
from trainables.tasks.sources.losses import balanced_weights, make_loss
from trainables.tasks.sources.metrics import METRICS_BY_KIND
from trainables.tasks.sources.samples import Form

__all__ = ["FilesOfTask", "plain_options", "task_of_files"]

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
        first: Data as they were read when the task was made; other processes read them again, from the samples that are
            kept on the disk of their node.
        skipped: Files or rows that were then left out, each with the reason.
    """

    scheme: str
    path: str
    options: DataOptions
    first: TaskData | None = field(default=None, compare=False, repr=False)
    skipped: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __call__(self, data_dir: Path | None = None) -> TaskData:
        """Return the data; the folder of data files has no part in it."""
        return self.first or kept_samples(self.scheme, self.path, self.options).data

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


def plain_options(task: Task) -> dict[str, Any]:
    """Return ``data_options`` of a task that is made of files, in JSON's values; nothing for another task.

    They belong to the settings of all that is made of the task: with others, its data are others.
    """
    if not isinstance(task.load, FilesOfTask):
        return {}
    return {"data_options": json.loads(json.dumps(asdict(task.load.options)))}


def _state(path: Path) -> tuple[object, ...]:
    """Return values that change when a file is written, or when one comes into a folder or leaves it."""
    if not path.is_dir():
        return (path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else ()
    return tuple((folder, Path(folder).stat().st_mtime_ns) for folder, _, _ in os.walk(path))


@lru_cache(maxsize=1)
def _task_of_files(scheme: str, path: str, options: DataOptions, state: tuple[object, ...]) -> Task:
    """Read files that are as ``state`` says; commands ask for their task again and again."""
    samples = kept_samples(scheme, path, options)
    data, facts, train = samples.data, samples.facts, samples.data.train
    return Task(
        _name(scheme, path),
        FilesOfTask(scheme, path, options, data, facts.skipped),
        num_outputs=facts.num_outputs,
        loss=make_loss(options.loss or LOSSES[facts.kind][0], _weights(data, facts, options), _scales(data, facts)),
        metric=METRICS_BY_KIND[facts.kind][options.metric or _DEFAULT_METRICS[facts.kind]],
        recipe=Recipe(batch_size=min(_SMALL_BATCH if len(train) < _MANY else _LARGE_BATCH, len(train))),
        dense=train.targets.ndim > 2,
        input_scaling="position" if facts.form == "features" else "channel",
        target_scaling="channel" if facts.kind == "values" else "none",
        augment=_augment(facts.form, options),
        mix=_mix(facts, options),
        classes=facts.names if facts.kind != "values" else (),
        description=f"{facts.num_samples:,} {_FORM_WORDS[facts.form]} of {path}",
        source=path,
    )


def _name(scheme: str, path: str) -> str:
    """Name a task as its files are called, in signs that any file system takes: runs and tables are named by it."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).name.removesuffix(f".{scheme}")).strip(".-")
    return f"{scheme}-{plain or 'data'}"


_FORM_WORDS: dict[Form, str] = {"images": "images", "series": "series", "features": "rows of features"}


def _weights(data: TaskData, facts: Facts, options: DataOptions) -> tuple[float, ...]:
    if options.class_weights is None:
        return ()
    if facts.kind == "values":
        raise TaskError("class_weights (--class-weights) are for classes and labels, and the targets are values.")
    return balanced_weights(data.train.targets, facts.kind, facts.num_outputs)


def _scales(data: TaskData, facts: Facts) -> tuple[float, ...]:
    """Standard deviations of values over the training part."""
    if facts.kind != "values":
        return ()
    values: Tensor = data.train.targets.double().movedim(1, -1).reshape(-1, facts.num_outputs)
    scales = values.std(dim=0, correction=0)
    return tuple(float(scale) if scale > 0 else 1.0 for scale in scales)


def _augment(form: Form, options: DataOptions) -> Augment | None:
    for name in options.augment:
        if name not in AUGMENTATIONS[form]:
            raise TaskError(f"{name} is no augmentation of {form}: there are {', '.join(AUGMENTATIONS[form])}.")
    names = tuple(name for name in options.augment if name != "mixup")
    return Augment(names) if names else None


def _mix(facts: Facts, options: DataOptions) -> Mixup | None:
    if "mixup" not in options.augment:
        return None
    return Mixup(facts.num_outputs if facts.kind == "classes" else None)


for _scheme in READERS:
    register_scheme(_scheme, task_of_files)
