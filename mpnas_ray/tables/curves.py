"""Learning curves of many architectures on several tasks: the tables that we train ourselves.

A Parquet file in long format, one row an epoch of a training, the rows of a training one after the other,

    arch         string   the architecture's text, all of one space
    task         string   name of the task
    seed         int64    of the training
    epoch        int64    1, 2, ...; as many in all trainings of a task
    score        double   validation metric after the epoch, as measured; NaN from where the loss was not finite
    train_loss   double   mean over the epoch
    test         double   test metric after the last epoch, NaN if the loss was not finite; here and below once a
                          training, repeated in its rows
    parameters   int64    trainable ones
    flops        int64    multiply-adds of one input
    seconds      double   of the training, validation included

and in the file's key-value metadata, under ``mpnas_trainings``, one JSON object: ``version`` (1), ``space``,
``source``, ``licence``, and ``tasks``, which gives for each task its ``datasets``, ``metric``, ``mode`` and
``settings`` (how its networks were trained, plain values).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import SearchSpaceError, TableError
from mpnas_ray.files.atomic import atomic_path
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables.formats.parquet import floats, has_card, integers, read_card, read_columns
from mpnas_ray.tables.table_task import Mode, TableTask

__all__ = ["LearningCurves", "holds_curves", "read_curves", "write_curves"]

_KEY = b"mpnas_trainings"
_VERSION = 1
_ONCE = {"test": np.float64, "parameters": np.int64, "flops": np.int64, "seconds": np.float64}


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """N trainings on one task, each of E epochs.

    Attributes:
        task: Name of the task.
        datasets: Names of the data sets that the values depend on.
        metric: Metric of validation and test, e.g. ``accuracy``.
        mode: ``max`` if it is better high, ``min`` if it is better low.
        settings: Settings with which the networks were trained, plain values.
        archs: The architecture of each training, one for each seed of it.
        seeds: Seeds of each training, int64 ``[N]``.
        scores: Validation metric after each epoch as measured, float64 ``[N, E]``; NaN from where the loss was not
            finite.
        train_losses: Means over each epoch, float64 ``[N, E]``.
        test: Test metric after the last epoch, float64 ``[N]``; NaN if the loss was not finite.
        parameters: int64 ``[N]``.
        flops: Multiply-adds of one input, int64 ``[N]``.
        seconds: Seconds of each training, validation included, float64 ``[N]``.
        source: Name of who trained them.
        licence: Licence of the values.

    Raises:
        TableError: If numbers do not match, a training comes twice, or there is no such mode.
    """

    task: str
    datasets: tuple[str, ...]
    metric: str
    mode: Mode
    settings: Mapping[str, Any]
    archs: Architectures
    seeds: NDArray[np.int64]
    scores: NDArray[np.float64]
    train_losses: NDArray[np.float64]
    test: NDArray[np.float64]
    parameters: NDArray[np.int64]
    flops: NDArray[np.int64]
    seconds: NDArray[np.float64]
    source: str = ""
    licence: str | None = None

    def __post_init__(self) -> None:
        require_one_of(f"The mode of {self.task}", self.mode, ("min", "max"), error=TableError)
        n, epochs = len(self.archs), self.scores.shape[1] if self.scores.ndim == 2 else 0
        shapes = {name: getattr(self, name).shape for name in ("seeds", *_ONCE)}
        if epochs < 1 or self.scores.shape != (n, epochs) or self.train_losses.shape != (n, epochs):
            raise TableError(
                f"{self.task}: {n} trainings, but scores {list(self.scores.shape)} and train losses "
                f"{list(self.train_losses.shape)}; both must be [trainings, epochs]."
            )
        for name, shape in shapes.items():
            if shape != (n,):
                raise TableError(f"{self.task}: {n} trainings, but {name} of shape {list(shape)}.")
        runs = np.column_stack([self.archs.codes, self.seeds])
        if len(np.unique(runs, axis=0)) < n:
            raise TableError(f"{self.task}: a training (architecture and seed) comes more than once.")

    def __len__(self) -> int:
        return len(self.archs)

    def table_task(self, part: str = "validation") -> TableTask:
        """Average the final scores of the architectures over seeds; scores of a loss that was not finite are left out.

        Args:
            part: ``validation``, named ``<space>/<task>``, or ``test``, named ``<space>/<task>@test``.

        Raises:
            TableError: If no training had a finite loss, or there is no such part.
        """
        require_one_of("part", part, ("validation", "test"), error=TableError)
        values = self.scores[:, -1] if part == "validation" else self.test
        finite = np.flatnonzero(np.isfinite(values))
        if not finite.size:
            raise TableError(f"{self.task}: no training has a {part} value.")
        codes, first, member = np.unique(self.archs.codes[finite], axis=0, return_index=True, return_inverse=True)
        member = member.reshape(-1)
        means = np.bincount(member, weights=values[finite]) / np.bincount(member)
        order = np.argsort(first)  # as they were trained
        name = f"{self.archs.space.name}/{self.task}"
        return TableTask(
            name=name if part == "validation" else f"{name}@{part}",
            archs=Architectures(self.archs.space, codes[order]),
            raw=means[order],
            metric=f"{part}_{self.metric}",
            mode=self.mode,
            unit="",
            datasets=self.datasets,
            columns=("score" if part == "validation" else part,),
            source=self.source,
            licence=self.licence,
        )


def write_curves(curves: Mapping[str, LearningCurves], path: str | Path) -> None:
    """Write trainings as one file that `load_tasks` reads when it lies in the folder; an existing one is replaced.

    Args:
        curves: Task -> its trainings, all of one space, source and licence.
        path: Ends in ``.parquet``.

    Raises:
        TableError: If they do not belong in one file.
    """
    path = Path(path)
    if path.suffix != ".parquet":
        raise TableError(f"{path} would not be found again: table files end in .parquet.")
    heads = {(one.archs.space.name, one.source, one.licence) for one in curves.values()}
    if len(heads) != 1:
        raise TableError(f"One file holds trainings of one space, source and licence, not {sorted(map(str, heads))}.")
    ((space, source, licence),) = heads
    card = {
        "version": _VERSION,
        "space": space,
        "source": source,
        "licence": licence,
        "tasks": {
            name: {
                "datasets": list(one.datasets),
                "metric": one.metric,
                "mode": one.mode,
                "settings": dict(one.settings),
            }
            for name, one in curves.items()
        },
    }
    table = pa.concat_tables([_rows(one) for one in curves.values()]).replace_schema_metadata(
        {_KEY: json.dumps(card).encode()}
    )
    with atomic_path(path) as part:
        pq.write_table(table, part, compression="zstd", write_page_checksum=True)


def _rows(curves: LearningCurves) -> Any:
    n, epochs = curves.scores.shape
    texts = [str(arch) for arch in curves.archs]
    columns = {
        "arch": pa.array(texts, pa.string()).take(pa.array(np.repeat(np.arange(n), epochs))),
        "task": pa.array([curves.task] * (n * epochs), pa.string()),
        "seed": np.repeat(curves.seeds, epochs),
        "epoch": np.tile(np.arange(1, epochs + 1), n),
        "score": curves.scores.ravel(),
        "train_loss": curves.train_losses.ravel(),
        **{name: np.repeat(getattr(curves, name).astype(kind), epochs) for name, kind in _ONCE.items()},
    }
    return pa.table(columns)


def read_curves(path: str | Path) -> dict[str, LearningCurves]:
    """Read a file of `write_curves`: task -> its trainings.

    Raises:
        TableError: If the file is damaged or not of this schema.
    """
    path = Path(path)
    card = _checked_card(path)
    names = ["arch", "task", "seed", "epoch", "score", "train_loss", *_ONCE]
    table = read_columns(path, names, dictionaries=["arch", "task"])
    texts, tasks = table.column("arch").chunk(0), table.column("task").chunk(0)
    try:
        archs = Architectures.of(texts.dictionary.to_pylist(), get_space(card["space"]))
    except SearchSpaceError as error:
        raise TableError(f"{path}: {error}") from error
    whole = {name: integers(path, table, name) for name in ("seed", "epoch", "parameters", "flops")}
    real = {name: floats(path, table, name) for name in ("score", "train_loss", "test", "seconds")}
    found: dict[str, LearningCurves] = {}
    task_rows, arch_rows = tasks.indices.to_numpy(), texts.indices.to_numpy()
    for number, task in enumerate(tasks.dictionary.to_pylist()):
        if task not in card["tasks"]:
            raise TableError(f"{path}: its metadata {_KEY.decode()!r} says nothing of task {task!r}.")
        rows = np.flatnonzero(task_rows == number)
        columns = {name: values[rows] for name, values in {**whole, **real, "arch": arch_rows}.items()}
        found[task] = _curves(path, task, card, archs, columns)
    return {task: found[task] for task in card["tasks"] if task in found}


def _curves(
    path: Path, task: str, card: Mapping[str, Any], archs: Architectures, columns: Mapping[str, NDArray[Any]]
) -> LearningCurves:
    epochs = int(columns["epoch"].max())
    if epochs < 1:
        raise TableError(f"{path}: the last epoch of {task} is {epochs}; epochs are counted from 1.")
    if len(columns["epoch"]) % epochs or (columns["epoch"].reshape(-1, epochs) != np.arange(1, epochs + 1)).any():
        raise TableError(f"{path}: the trainings of {task} do not all have the epochs 1 to {epochs}, in order.")
    by_run = {name: values.reshape(-1, epochs) for name, values in columns.items()}
    for name in ("arch", "seed", *_ONCE):
        values = by_run[name]
        if ((values != values[:, :1]) & ~(np.isnan(values) if values.dtype.kind == "f" else False)).any():
            raise TableError(f"{path}: a training of {task} has more than one {name}.")
    about = card["tasks"][task]
    return LearningCurves(
        task=task,
        datasets=tuple(about["datasets"]),
        metric=about["metric"],
        mode=about["mode"],
        settings=about["settings"],
        archs=archs[by_run["arch"][:, 0]],
        seeds=by_run["seed"][:, 0],
        scores=by_run["score"],
        train_losses=by_run["train_loss"],
        **{name: by_run[name][:, 0] for name in _ONCE},
        source=card["source"],
        licence=card["licence"],
    )


def holds_curves(path: Path) -> bool:
    """Tell whether a file says that it is of this schema."""
    return has_card(path, _KEY)


def _checked_card(path: Path) -> dict[str, Any]:
    card = read_card(path, _KEY, _VERSION, "training")
    sound = isinstance(card.get("space"), str) and isinstance(card.get("source"), str)
    sound = sound and isinstance(card.get("licence", 0), str | None) and isinstance(card.get("tasks"), dict)
    if not sound or not all(_is_about_a_task(about) for about in card["tasks"].values()):
        raise TableError(f"{path}: its metadata {_KEY.decode()!r} lacks something, or has it wrong.")
    return card


def _is_about_a_task(about: object) -> bool:
    return (
        isinstance(about, dict)
        and isinstance(about.get("metric"), str)
        and about.get("mode") in ("min", "max")
        and isinstance(about.get("settings"), dict)
        and isinstance(about.get("datasets"), list)
        and all(isinstance(name, str) for name in about["datasets"])
    )
