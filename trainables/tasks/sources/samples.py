"""The samples in a user's files, and what their targets are: classes, labels or values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import TaskError
from mpnas_ray.names import did_you_mean
from trainables.data_options import LOSSES, METRICS, DataOptions

__all__ = ["Form", "Kind", "Samples", "Targets", "find_file", "kinds_wanted", "similar_path", "targets_of"]

Kind = Literal["classes", "labels", "values"]
"""Each sample is of one class; or has any number of labels; or has numbers that are predicted as such."""

Form = Literal["images", "series", "features"]

_MANY_CLASSES = 20
"""So many different whole numbers, of which some occur once, are rather values than classes."""


@dataclass(frozen=True)
class Targets:
    """Targets of samples.

    Attributes:
        values: int64 ``[N]`` for classes; float32 ``[N, outputs]`` for labels and values, ``[N, outputs, *positions]``
            for values at every position.
        kind: Kind of the targets.
        names: Names of the classes or labels, or of the columns of values; empty if they have none.
        num_outputs: Number of outputs that a network needs.
    """

    values: NDArray[Any]
    kind: Kind
    names: tuple[str, ...]
    num_outputs: int


@dataclass(frozen=True)
class Samples:
    """All samples of a task, as they were read.

    Attributes:
        inputs: float32 ``[N, channels, length]`` or ``[N, channels, height, width]``.
        targets: Targets of the samples.
        form: Form of the inputs.
        parts: int64 ``[N]``: 0, 1 or 2 for those that the files hold for train, validation or test; a part that holds
            none is dealt out of 0.
        groups: ``[N]``, equal numbers belong together; None if the files do not say.
        skipped: Files or rows that were left out, each with the reason.
    """

    inputs: NDArray[np.float32]
    targets: Targets
    form: Form
    parts: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    skipped: tuple[str, ...] = ()


def find_file(path: str, what: str) -> Path:
    """Return the file at a path.

    Raises:
        TaskError: If there is none, or it is empty.
    """
    file = Path(path)
    if file.is_dir():
        raise TaskError(f"{file} is a folder, and not {what}: a folder of images is named images:{file}.")
    if not file.is_file():
        raise TaskError(f"There is no file {file}, which is to be {what}.{similar_path(file)}")
    if file.stat().st_size == 0:
        raise TaskError(f"{file} is empty.")
    return file


def similar_path(path: Path) -> str:
    """Suggest what lies beside a path that is not there, if a name is similar."""
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    return did_you_mean(path.name, [other.name for other in beside])


def kinds_wanted(options: DataOptions) -> set[str]:
    """Return the kinds of targets for which the loss and the metric of the options are.

    Raises:
        TaskError: If there is none, as for the loss mse and the metric accuracy.
    """
    kinds = {kind for kind, names in LOSSES.items() if options.loss is None or options.loss in names}
    both = {kind for kind in kinds if options.metric is None or options.metric in METRICS[kind]}
    if not both:
        raise TaskError(
            f"The loss {options.loss} is for {' or '.join(sorted(kinds))}, for which there is no metric "
            f"{options.metric}: there are {', '.join(METRICS[min(kinds)])}."
        )
    return both


def targets_of(columns: dict[str, NDArray[Any]], options: DataOptions, where: str) -> Targets:
    """Make targets of columns, each ``[N]`` of texts, truth values or numbers without gaps.

    Args:
        columns: Name -> values.
        options: Options of the user, whose loss and metric may say what numbers are.
        where: File, for messages.

    Raises:
        TaskError: If they are not what the loss and the metric are for.
    """
    wanted = kinds_wanted(options)
    kind, reason = _kind(columns, wanted)
    if kind not in wanted:
        name = options.metric if options.metric and options.metric not in METRICS[kind] else options.loss
        raise TaskError(
            f"{where}: {reason}, so the targets are {kind}, and {name} is not for them. Losses for {kind}: "
            f"{', '.join(LOSSES[kind])}; metrics: {', '.join(METRICS[kind])}."
        )
    if kind == "classes":
        (values,) = columns.values()
        distinct, numbers, counts = np.unique(values, return_inverse=True, return_counts=True)
        if len(distinct) < 2:
            raise TaskError(f"{where}: all samples are of one class, {distinct[0]!s}: there is nothing to tell apart.")
        if values.dtype.kind in "iu" and counts.min() == 1 and len(distinct) > _MANY_CLASSES:
            raise TaskError(
                f"{where}: {next(iter(columns))} holds {len(distinct)} different whole numbers, some of them once: to "
                f"predict them as values, say --loss mse; each class needs several samples."
            )
        return Targets(numbers.astype(np.int64), kind, tuple(map(_class_name, distinct.tolist())), len(distinct))
    values = np.stack([column.astype(np.float32) for column in columns.values()], axis=1)
    if kind == "values" and (constant := np.flatnonzero(np.ptp(values, axis=0) == 0)).size:
        raise TaskError(f"{where}: {list(columns)[constant[0]]} has the same value in all samples.")
    return Targets(values, kind, tuple(columns), values.shape[1])


def _kind(columns: dict[str, NDArray[Any]], wanted: set[str]) -> tuple[Kind, str]:
    """The kind of some columns, and why."""
    texts = [name for name, values in columns.items() if values.dtype.kind not in "biuf"]
    if len(columns) > 1:
        if texts:
            raise TaskError(f"The column {texts[0]!r} holds texts: several targets must all be numbers.")
        if wanted != {"values"} and all(np.isin(values, (0, 1)).all() for values in columns.values()):
            return "labels", "several columns hold 0 and 1 alone"
        return "values", "several columns hold numbers"
    ((name, values),) = columns.items()
    if texts:
        return "classes", f"{name} holds texts"
    if wanted == {"values"} and values.dtype.kind != "b":
        return "values", f"{name} holds numbers"
    if values.dtype.kind != "f" or (wanted == {"classes"} and (values == np.round(values)).all()):
        return "classes", f"{name} holds whole numbers"
    return "values", f"{name} holds numbers with a fraction"


def _class_name(value: object) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)
