"""A task of files in a few lines, for people: its classes with their counts, or its values, and the split."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainables.tasks.core.task import Split, Task, TaskData
from trainables.tasks.sources.parts import PARTS
from trainables.tasks.sources.task_of_files import FilesOfTask

__all__ = ["summary"]

_MOST_ROWS = 12


def summary(task: Task, data: TaskData) -> str | None:
    """Return some lines on a task that is made of files; None for another one.

    Args:
        task: The task.
        data: Data of the task.
    """
    if not isinstance(task.load, FilesOfTask):
        return None
    splits = [data.train, data.validation, data.test]
    shape = " x ".join(map(str, data.train.inputs.shape[1:]))
    lines = [f"{task.name}: {task.description}, each {shape} numbers; the metric is {task.metric.name}."]
    lines += _counts(task, splits, task.load.options.target)
    if task.load.skipped:
        some, more = "; ".join(task.load.skipped[:3]), len(task.load.skipped) - 3
        lines.append(f"{len(task.load.skipped):,} left out: {some}{f'; and {more:,} more' if more > 0 else ''}.")
    return "\n".join(lines)


def _counts(task: Task, splits: Sequence[Split], names: Sequence[str]) -> list[str]:
    """The table of samples in each part, and of those of each class or label; ``names`` are those of values."""
    rows = [("samples", [len(split) for split in splits])]
    if task.classes:
        if data_are_classes := splits[0].targets.dtype == torch.int64:
            counts = [torch.bincount(split.targets, minlength=task.num_outputs) for split in splits]
        else:
            counts = [split.targets.sum(dim=0).long() for split in splits]
        order = range(len(task.classes))
        if len(task.classes) > _MOST_ROWS:  # the rarest are those to know of
            order = sorted(order, key=lambda number: int(counts[0][number]))[:_MOST_ROWS]  # type: ignore[assignment]
        rows += [(task.classes[number], [int(count[number]) for count in counts]) for number in order]
        left = len(task.classes) - _MOST_ROWS
        more = [f"    and {left} more {'classes' if data_are_classes else 'labels'}, with more samples"] * (left > 0)
    else:
        more = _values(task, splits[0], names)
    width = min(max(len(name) for name, _ in rows), 30)
    head = f"    {'':{width}}" + "".join(f"  {part:>10}" for part in PARTS)
    return [head, *(f"    {name[:30]:{width}}" + "".join(f"  {n:>10,}" for n in ns) for name, ns in rows), *more]


def _values(task: Task, train: Split, names: Sequence[str]) -> list[str]:
    if train.targets.dtype == torch.int64:
        return []
    values = train.targets.double().movedim(1, -1).reshape(-1, task.num_outputs)
    low, high, mean = values.min(dim=0).values, values.max(dim=0).values, values.mean(dim=0)
    shown = names or [f"value {number}" for number in range(task.num_outputs)]
    rows = list(zip(shown, low.tolist(), high.tolist(), mean.tolist(), strict=True))[:_MOST_ROWS]
    return [
        f"    {name}: from {least:.5g} to {most:.5g} in train, mean {middle:.5g}" for name, least, most, middle in rows
    ]
