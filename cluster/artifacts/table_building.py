"""Build NAS tables of our own, from the draw of architectures to the file: what ``mpnas tables build`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.artifacts.network_trainings import Course, training_item
from cluster.ray.addresses import check_ray
from cluster.ray.resources import check_gpus
from cluster.work.folders import check_folders
from cluster.work.items import Store, WorkItem
from cluster.work.running import compute_missing, refuse_failures
from mpnas_ray.checks import MOST_SEED, require_count, require_seed
from mpnas_ray.errors import RunError
from mpnas_ray.spaces import Architectures, SearchSpace, get_space
from mpnas_ray.tables.curves import LearningCurves, read_curves, write_curves
from mpnas_ray.tables.stratified import draw_stratified
from trainables.networks.limits import NetworkSizes
from trainables.networks.network import get_macro
from trainables.tasks.core.cache import check_data_dir
from trainables.tasks.core.task import get_task, task_reference

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
        return f"{self.path}, {self.added:,} trainings new:\n{lines}\n"


def build_table(
    out: str | Path,
    tasks: Sequence[str],
    *,
    space: str = "mixed",
    num_archs: int = 300,
    num_repeated: int = 0,
    epochs: int | None = None,
    num_train: int = 500,
    preset: str = "small",
    seed: int = 0,
    gpus_per_training: float = 0.0,
    work: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> BuildReport:
    """Train architectures on tasks, and write all trainings into one file: what ``mpnas tables build`` does.

    Trainings that the file holds, or that were done before a kill, are not done again, so a table grows: by more
    architectures, tasks or repeats with the same file.

    Args:
        out: The file, which ends in ``.parquet``; see `mpnas_ray.tables.curves`.
        tasks: Names of tasks (`trainables.get_task`), which all nodes must know.
        space: Name of the search space.
        num_archs: Number of architectures; the first n of a larger draw are those of n.
        num_repeated: Number of them, the first, that are trained with a second seed, to know the noise.
        epochs: Epochs of each training; each task's own number if None.
        num_train: Most training samples of a task.
        preset: Sizes of the networks.
        seed: Seed of the draw; trainings have seeds 0 and 1.
        gpus_per_training: A fraction lets trainings share one; each has one CPU core.
        work: Folder of the single trainings, which all nodes must reach; ``<out>.work`` if None.
        data_dir: Folder of the user's data files; each task's own place if None.

    Raises:
        TableError: If the file there is damaged.
        RunError: If it was made otherwise, or when all is done, if trainings failed: naming each with its error.
        RunInterruptedError: After Ctrl-C; what was trained is in the file, and the same call goes on.
        MPNASError: If something was asked for that cannot be.
    """
    path = Path(out).resolve()
    if path.suffix != ".parquet":
        raise RunError(f"{path}: table files end in .parquet.")
    num_archs = require_count("num_archs", num_archs, error=RunError)
    num_repeated = require_count("num_repeated", num_repeated, 0, error=RunError)
    if num_repeated > num_archs:
        raise RunError(f"num_repeated is {num_repeated}: there are no more repeats than architectures, {num_archs}.")
    num_train = require_count("num_train", num_train, 2, error=RunError)
    epochs = None if epochs is None else require_count("epochs", epochs, error=RunError)
    seed = require_seed("seed", seed, at_most=MOST_SEED, error=RunError)
    gpus_per_training = check_gpus("gpus_per_training", gpus_per_training)
    if not tasks or isinstance(tasks, str):
        raise RunError(f"A table needs a task: tasks must be a list of names, not {tasks!r}.")
    get_macro(preset)
    searched, folder = get_space(space), check_data_dir(data_dir)
    courses = [_course(task_reference(task), epochs, num_train, preset, folder) for task in dict.fromkeys(tasks)]
    archs = draw_stratified(searched, num_archs, seed)
    work_folder = Path(work).resolve() if work else path.with_name(f"{path.name}.work")
    check_folders(path.parent, work_folder)
    known = read_curves(path) if path.exists() else {}
    if not known:  # else all may have been done
        check_ray()  # before what may take minutes
    shapes: dict[str, tuple[int, ...]] = {}
    for course in courses:
        _check_same(path, course, archs.space, known.get(course.task.name))
        data = course.task.load_checked(folder)  # here an error is one line, not one for each training
        shapes[course.task.name] = course.task.encoded_shape(data)
    store = Store(work_folder)
    items = _items(archs, num_repeated, courses, known, use_gpu=gpus_per_training > 0)
    failures: Mapping[str, str] = {}
    try:
        failures = compute_missing([item for _, item in items], store, gpus=gpus_per_training)
    finally:
        found = dict(known)
        for course in courses:
            new = [result for owner, item in items if owner == course and (result := store.read(item))]
            merged = _merged(course, shapes[course.task.name], new, known.get(course.task.name))
            if merged is not None:
                found[course.task.name] = merged
        if found:
            write_curves(found, path)
    refuse_failures(failures)
    before = sum(len(one) for one in known.values())
    counts = {task: len(one) for task, one in found.items()}
    return BuildReport(path, counts, sum(counts.values()) - before)


def _course(task: str, epochs: int | None, num_train: int, preset: str, data_dir: Path | None) -> Course:
    own = get_task(task).recipe.epochs
    return Course(task, own if epochs is None else epochs, num_train, preset, data_dir)


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
