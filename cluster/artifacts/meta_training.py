"""Meta-learn a predictor from a folder of NAS tables, as ``mpnas meta-train`` does."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from cluster.durations import time_left
from cluster.work.folders import check_folders
from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import PredictorError, RunError, TableError
from mpnas_ray.meta_learning.gradient import MetaConfig, MetaPredictor, Progress, meta_train
from mpnas_ray.meta_learning.gradient.config import Algorithm
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor, meta_train_mixture
from mpnas_ray.names import no_such
from mpnas_ray.predictors.cost.predictor import CostConfig, CostPredictor
from mpnas_ray.predictors.cost.validation import few_shot_correlations
from mpnas_ray.pretrained import PredictorCard, save_checkpoint
from mpnas_ray.tables import TableTask, leaves_out, load_tasks

__all__ = ["ALGORITHMS", "MetaLearned", "Remember", "SourceTasks", "config_of", "meta_learn", "run_meta_training"]

Remember = Literal["all", "licensed", "none"]

ALGORITHMS = ("mixture", *get_args(Algorithm), "cost")
"""Names that `config_of` takes."""


@dataclass(frozen=True)
class SourceTasks:
    """Tasks to learn from.

    Attributes:
        tables: Folder of NAS tables (`mpnas_ray.tables.load_tasks`).
        tasks: Names of the tasks, among them variants and those of natsbench-size and transnasbench101-macro; if none
            are named, all others of the folder.
        hold_out: Tasks whose data sets and devices must not be learned from, in any table.
        licensed_only: Leave out tasks whose source states no licence.
    """

    tables: str | Path
    tasks: Sequence[str] = ()
    hold_out: Sequence[str] = ()
    licensed_only: bool = False

    def load(self, *, costs_only: bool = False) -> dict[str, TableTask]:
        """Read the tasks.

        Args:
            costs_only: Read costs alone, of all devices.

        Raises:
            TableError: If the tables cannot be read, or nothing is left to learn from.
        """
        found = leaves_out(load_tasks(self.tables, self.tasks or None, variants=costs_only), self.hold_out)
        if costs_only:
            found = {name: task for name, task in found.items() if task.kind == "cost"}
        if self.licensed_only:
            found = {name: task for name, task in found.items() if task.licence is not None}
        if not found:
            raise TableError(f"Nothing is left to learn from in {self.tables}.")
        return found


def run_meta_training(
    sources: SourceTasks,
    out: str | Path,
    config: MetaConfig | MixtureConfig | CostConfig | None = None,
    *,
    remember: Remember = "all",
    device: str = "cpu",
    report: Callable[[str], None] | None = None,
) -> PredictorCard:
    """Meta-learn from tasks of a folder of tables, and write ``<out>.safetensors`` and ``<out>.json``.

    Interrupted, the same call goes on from ``<out>.training``, which is deleted at the end.

    Args:
        sources: Tasks to learn from.
        out: The checkpoint's files, without ending.
        config: `MixtureConfig()` if None. With `CostConfig`, costs alone are learned from, of all devices.
        remember: Measurements that a mixture carries with it, cell by cell: those of ``all`` tasks, of those whose
            source states a licence (``licensed``), or ``none``.
        device: Device to compute on.
        report: Receives a line every so often.

    Returns:
        The card, which names every data set and device that was learned from.

    Raises:
        TableError: If the tables cannot be read, or nothing is left to learn from.
        PredictorError: If the meta-training fails, or ``<out>.training`` is of another one.
    """
    config = config or MixtureConfig()
    require_one_of("remember", remember, get_args(Remember), error=RunError)
    out = Path(out)
    _check_device(device)
    check_folders(out.parent)
    tasks = sources.load(costs_only=isinstance(config, CostConfig))
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f"{out.name}.training")
    show = _shown(report, time.monotonic()) if report is not None else None
    command = shlex.join(["mpnas", *sys.argv[1:]])
    chosen = {name for name, task in tasks.items() if remember == "all" or (remember == "licensed" and task.licence)}
    learned = meta_learn(
        tasks,
        config,
        out,
        unfinished=unfinished,
        command=command,
        remember=chosen,
        device=device,
        on_progress=show,
    )
    unfinished.unlink(missing_ok=True)
    return learned.card


def config_of(algorithm: str, seed: int = 0, iterations: int | None = None) -> MetaConfig | MixtureConfig | CostConfig:
    """Return the settings of an algorithm by its name, all others at their defaults.

    Raises:
        PredictorError: If there is no such algorithm, or a number is out of range.
    """
    if algorithm not in ALGORITHMS:
        raise PredictorError(no_such("algorithm", algorithm, ALGORITHMS))
    if algorithm == "cost":
        if iterations is not None:
            raise PredictorError("A cost predictor is learned in closed form, without iterations: leave them out.")
        return CostConfig()
    given: dict[str, Any] = {"seed": seed} if iterations is None else {"seed": seed, "iterations": iterations}
    return MixtureConfig(**given) if algorithm == "mixture" else MetaConfig(algorithm=algorithm, **given)  # type: ignore[arg-type]


def _check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:  # AssertionError: torch without CUDA
        reason = str(error).strip().splitlines()[0]
        raise PredictorError(f"device {device!r} cannot compute here: {reason}") from error


@dataclass(frozen=True)
class MetaLearned:
    """A predictor with its card, and the seconds that meta-training took."""

    predictor: MetaPredictor | MixturePredictor | CostPredictor
    card: PredictorCard
    seconds: float


def meta_learn(
    sources: Mapping[str, TableTask],
    config: MetaConfig | MixtureConfig | CostConfig,
    out: Path,
    *,
    unfinished: Path,
    command: str = "",
    remember: Collection[str] | None = None,
    device: str = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
) -> MetaLearned:
    """Meta-learn from these tasks by the algorithm of ``config``, and write the checkpoint ``out``.

    Args:
        sources: Name -> task.
        config: Settings of any kind of predictor.
        out: The checkpoint's files, without ending; the last part is the predictor's name in its card.
        unfinished: File to go on from after an interruption; it stays, for the caller to delete.
        command: Command that is run, for the card.
        remember: Names of the tasks whose measurements a mixture carries with it; all if None.
        device: Device to compute on.
        on_progress: Called after each step.
    """
    predictor: MetaPredictor | MixturePredictor | CostPredictor
    if isinstance(config, MixtureConfig):
        mixture = meta_train_mixture(
            sources, config, remember=remember, device=device, checkpoint=unfinished, on_progress=on_progress
        )
        predictor, seconds = mixture.predictor, mixture.seconds
        quality = {f"{task}: Spearman given 5 points, in meta-validation": r for task, r in mixture.validation.items()}
    elif isinstance(config, CostConfig):
        start = time.monotonic()
        predictor = CostPredictor.learned_from(sources)
        found = few_shot_correlations(predictor, sources)
        quality = {f"{task}: Spearman given 10 points, its devices left out": r for task, r in found.items()}
        seconds = time.monotonic() - start
    else:
        result = meta_train(sources, config, device=device, checkpoint=unfinished, on_progress=on_progress)
        predictor, seconds = MetaPredictor(config, result.parameters, device=device), result.seconds
        quality = {"Spearman in meta-validation": max(validation.spearman for validation in result.validations)}
    remembered = predictor.remembered if isinstance(predictor, MixturePredictor) else ()
    card = PredictorCard.of(out.name, config, sources, remembered=remembered, command=command, quality=quality)
    save_checkpoint(out, predictor, card)
    return MetaLearned(predictor, card, seconds)


def _shown(report: Callable[[str], None], start: float) -> Callable[[Progress], None]:
    """Make a function that reports each meta-validation, or without any each hundredth step, with the time left."""
    first = 0

    def show(progress: Progress) -> None:
        nonlocal first
        first = first or progress.iteration
        if progress.validation is None and progress.iteration % 100 and progress.iteration < progress.iterations:
            return
        done, to_do = progress.iteration - first + 1, progress.iterations - progress.iteration
        left = time_left(time.monotonic() - start, done, to_do)
        reached = ""
        if progress.validation is not None:
            reached = f", Spearman in meta-validation {progress.validation:.3f} (best {progress.best:.3f})"
        position = f"[{progress.iteration:{len(str(progress.iterations))}}/{progress.iterations}]"
        report(f"{position} loss {progress.loss:.3f}{reached}, {left} left")

    return show
