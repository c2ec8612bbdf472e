"""Build NAS tables of our own, from the draw of architectures to the file, as ``mpnas tables build`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.artifacts.config import TableConfig
from cluster.artifacts.network_trainings import Course, training_item
from cluster.artifacts.pages.table import table_page
from cluster.ray.addresses import check_ray
from cluster.work.folders import check_folders
from cluster.work.items import Store, WorkItem
from cluster.work.running import compute_missing, refuse_failures
from mpnas_ray.errors import RunError
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.spaces import Architectures, SearchSpace, get_space
from mpnas_ray.tables.curves import LearningCurves, read_curves, write_curves
from mpnas_ray.tables.stratified import draw_stratified
from trainables.data_options import DataOptions
from trainables.networks.limits import NetworkSizes
from trainables.networks.network import get_macro
from trainables.tasks.core.cache import check_data_dir
from trainables.tasks.core.task import get_task, task_reference
from trainables.tasks.sources.summary import summary

__all__ = ["BuildReport", "build_table"]

_SOURCE = "mpnas-ray, mpnas tables build"
_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class BuildReport:
    """The content of a table file.

    Attributes:
        path: The file.
        trainings: Task -> number of trainings, of all calls that wrote to the file.
        added: Number of those that the file did not hold before.
    """

    path: Path
    trainings: dict[str, int]
    added: int

    def __str__(self) -> str:
        """Return a line for each task."""
        lines = "".join(f"\n    {task:20} {count:6,} trainings" for task, count in self.trainings.items())
        page = self.path.with_suffix(".html").name
        return f"{self.path}, {self.added:,} trainings new, which {page} there shows:\n{lines}\n"


def build_table(config: TableConfig) -> BuildReport:
    """Train architectures on tasks, and write all trainings into one file, as ``mpnas tables build`` does.

    A page beside the file, with the ending ``.html``, shows them.

    Trainings that the file holds, or that were done before a kill, are not done again, so a table grows: by more
    architectures, tasks or repeats with the same file. See `mpnas_ray.tables.curves` for what the file holds.

    Raises:
        TableError: If the file there is damaged.
        RunError: If it was made otherwise, or when all is done, if trainings failed: naming each with its error.
        RunInterruptedError: After Ctrl-C; what was trained is in the file, and the same call goes on.
        MPNASError: If a name, number or file is wrong; the message says which.
    """
    path = config.path
    get_macro(config.preset)
    searched, folder = get_space(config.space), check_data_dir(config.data_dir)
    courses = [_course(task_reference(task), config, folder) for task in config.tasks]
    archs = draw_stratified(searched, config.num_archs, config.seed)
    work_folder = Path(config.work).resolve() if config.work else path.with_name(f"{path.name}.work")
    check_folders(path.parent, work_folder)
    known = read_curves(path) if path.exists() else {}
    if not known:  # else all may have been done
        check_ray()  # before what may take minutes
    shapes: dict[str, tuple[int, ...]] = {}
    for course in courses:
        _check_same(path, course, archs.space, known.get(course.task.name))
        data = course.task.load_checked(folder)  # here an error is one line, not one for each training
        shapes[course.task.name] = course.task.encoded_shape(data)
        if lines := summary(course.task, data):
            print(lines, flush=True)
    store = Store(work_folder)
    items = _items(archs, config.num_repeated, courses, known, use_gpu=config.gpus_per_training > 0)
    failures: Mapping[str, str] = {}
    try:
        failures = compute_missing([item for _, item in items], store, gpus=config.gpus_per_training)
    finally:
        found = dict(known)
        for course in courses:
            new = [result for owner, item in items if owner == course and (result := store.read(item))]
            merged = _merged(course, shapes[course.task.name], new, known.get(course.task.name))
            if merged is not None:
                found[course.task.name] = merged
        if found:
            write_curves(found, path)
    if found:
        write_atomic(path.with_suffix(".html"), table_page(path.name, found))
    refuse_failures(failures)
    before = sum(len(one) for one in known.values())
    counts = {task: len(one) for task, one in found.items()}
    return BuildReport(path, counts, sum(counts.values()) - before)


def _course(task: str, config: TableConfig, data_dir: Path | None) -> Course:
    options = DataOptions.of(config)
    epochs = get_task(task, options).recipe.epochs if config.epochs is None else config.epochs
    return Course(task, epochs, config.num_train, config.preset, data_dir, options)


def _check_same(path: Path, course: Course, space: SearchSpace, known: LearningCurves | None) -> None:
    """Refuse trainings of another kind than those that the file holds."""
    if known is None:
        return
    if known.archs.space.name != space.name:
        raise RunError(f"{path} holds trainings of {known.archs.space.name}, not {space.name}: choose another --out.")
    settings = course.settings()
    other = [f"{name} {value!r}" for name, value in known.settings.items() if settings.get(name) != value]
    if other:
        raise RunError(
            f"{path} holds trainings of {course.task.name} with {', '.join(other)}: use the same, or another --out."
        )


def _items(
    archs: Architectures,
    num_repeated: int,
    courses: Sequence[Course],
    known: Mapping[str, LearningCurves],
    *,
    use_gpu: bool,
) -> list[tuple[Course, WorkItem]]:
    """List the trainings that the file lacks, architecture by architecture: a table that was stopped has the same ones
    for all tasks.
    """
    there = {task: _runs(curves) for task, curves in known.items()}
    return [
        (course, training_item(f"{number:05}", str(arch), seed, course, use_gpu=use_gpu))
        for number, arch in enumerate(archs)
        for seed in range(2 if number < num_repeated else 1)
        for course in courses
        if (str(arch), seed) not in there.get(course.task.name, ())
    ]


def _runs(curves: LearningCurves) -> set[tuple[str, int]]:
    return {(str(arch), int(seed)) for arch, seed in zip(curves.archs, curves.seeds, strict=True)}


def _merged(
    course: Course, shape: tuple[int, ...], new: Sequence[Mapping[str, Any]], before: LearningCurves | None
) -> LearningCurves | None:
    """Put the new trainings of a task behind those that were known; None if there are none at all."""
    task = course.task
    if not new:
        return before

    def column(name: str, kind: type) -> Any:
        values: NDArray[Any] = np.array([result[name] for result in new], dtype=kind)  # None becomes NaN
        return values if before is None else np.concatenate([getattr(before, _FIELDS.get(name, name)), values])

    archs = Architectures.of([result["network"] for result in new])
    if before is not None:
        archs = Architectures(archs.space, np.concatenate([before.archs.codes, archs.codes]))
    return LearningCurves(
        task=task.name,
        datasets=(task.family or task.name,),
        metric=task.metric.name,
        mode=task.metric.mode,
        settings=course.settings(),
        archs=archs,
        seeds=column("seed", np.int64),
        scores=column("score", np.float64),
        train_losses=column("train_loss", np.float64),
        test=column("test", np.float64),
        parameters=column("parameters", np.int64),
        flops=NetworkSizes(shape, task.num_outputs, task.dense, course.preset).flops(archs),
        seconds=column("seconds", np.float64),
        source=_SOURCE,
        licence=_LICENCE,
    )


_FIELDS = {"seed": "seeds", "score": "scores", "train_loss": "train_losses"}
"""Names of results that are others than those of the fields of `LearningCurves`."""
