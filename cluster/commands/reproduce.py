"""``mpnas reproduce``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from cluster.commands.names import STUDIES, TASKS
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say
from mpnas_ray.errors import RunError

__all__ = ["reproduce"]


@dataclass(frozen=True, kw_only=True)
class _Reproduction:
    """Options of ``mpnas reproduce`` for every study.

    Attributes:
        study: A table or figure of MP-NAS, or the study of predictors of White et al. (predictors).
        tables: Folder of NAS tables. Without it, STUDY.md and STUDY.html are written anew, from STUDY.json; studies
            of one-shot methods (oneshot-...) need none and take --train.
        out: Folder for STUDY.json, STUDY.md, STUDY.html and STUDY.png.
        work: Folder for meta-trainings, which studies share.
    """

    study: str = field(metadata={"argument": True, "metavar": "STUDY"})
    tables: Path | None = None
    out: Path = Path("benchmarks/results")
    work: Path = Path("runs/reproduce")


@dataclass(frozen=True, kw_only=True)
class _Options(_Reproduction):
    """Options of ``mpnas reproduce``, with those that only some studies have.

    Attributes:
        tasks: Task of table7, by default four small ones, or of oneshot-cost, by default three; or task of our own
            table for oneshot-tau, by default none. Repeatable.
        data_dir: Folder of data files, for table7; by default each task's own.
        gpus_per_trial: GPUs of each training of table7; by default none.
        seeds: Draws of the study of predictors, at least 2, by default 10; of studies of one-shot methods, supernets of
            each method, by default 5.
        slow_seeds: Draws of the study of predictors for methods that take long; by default 3.
        train: Train what a study of one-shot methods lacks; without it, its page is written anew.
    """

    tasks: tuple[str, ...] = field(default=(), metadata={"option": "--task"})
    data_dir: Path | None = None
    gpus_per_trial: float | None = None
    seeds: int | None = None
    slow_seeds: int | None = None
    train: bool = False

    def of_study(self) -> dict[str, object]:
        """Return the given ones of the options that only some studies have."""
        general = {field.name for field in fields(_Reproduction)}
        given = {name: value for name, value in vars(self).items() if name not in general}
        return {name: value for name, value in given.items() if value not in (None, ()) and value is not False}


@takes_options(_Options, names={"study": STUDIES, "tasks": TASKS})
def reproduce(options: _Options) -> None:
    """Reproduce a published table or figure on Ray.

    If it is interrupted, run the same command again: it goes on where it was. Without --tables or --train nothing is
    computed, and the pages are written anew from the results in --out.

    table7 searches and trains networks on tasks, studies of one-shot methods (oneshot-...) train supernets and
    networks; the other studies need NAS tables alone.
    """
    begin(f"Reproducing {options.study}.")
    from cluster.experiments.studies.registry import STUDIES, get_study
    from cluster.experiments.studies.study import reproduce, rewrite_pages

    study, given = get_study(options.study), options.of_study()
    for name in given:
        if name not in study.options:
            owners = ", ".join(other.name for other in STUDIES.values() if name in other.options)
            raise RunError(f"{_flag(name)} is an option of {owners}, not of {study.name}: leave it out.")
    if "train" in study.options and options.tables is not None:
        raise RunError(f"{study.name} needs no NAS tables: take --train in place of --tables.")
    if options.tables is None and not options.train:
        if given:
            needed = "--train" if "train" in study.options else "--tables"
            raise RunError(f"{_flag(next(iter(given)))} is an option of a computation, which needs {needed}.")
        for path in rewrite_pages(study, options.out):
            say(path)
        return
    for path in reproduce(study, options.tables, options.out, options.work, say, **given):
        say(path)


def _flag(option: str) -> str:
    return "--task" if option == "tasks" else f"--{option.replace('_', '-')}"
