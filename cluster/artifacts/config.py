"""Settings of all that is made besides searches, each described once.

A function takes each of them, and the command of that function is made from it: the text of a field is the help of its
option.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.ray.resources import check_cpus, check_gpus
from mpnas_ray.checks import MOST_SEED, require_count, require_one_of, require_seed
from mpnas_ray.errors import PredictorError, RunError
from trainables.data_options import DATA_IN, DataOptions, check_used
from trainables.recipe_options import RecipeOptions

__all__ = [
    "MODES",
    "ExplanationConfig",
    "PredictionConfig",
    "ScoringConfig",
    "TableConfig",
    "TrainingConfig",
]

MODES = ("max", "min")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(DataOptions, RecipeOptions):
    """A training of one network on a task.

    `trainables.data_options` describes the fields for a task of files, `trainables.recipe_options` those of a training.

    Attributes:
        model: Network: a known one by its name, where dash-wrn-16-4:, dash-wrn-16-1: and dash-resnet-1d: are followed
            by what dash-search chose; or the string of an architecture.
        task: Task to train for: a name from `mpnas tasks`; images:FOLDER, csv:FILE or npz:FILE for data of yours; or
            module:variable for a task of yours.
        preset: Sizes of the network of an architecture: paper is appendix A of MP-NAS, small is for CPUs. Other
            networks have sizes of their own.
        cpus_per_trial: CPU cores to set aside.
        gpus_per_trial: GPUs to set aside.
        storage: Folder or URI for runs, which all nodes of the cluster must reach; the run is a folder in it.
        name: Name of the run; one that exists is continued. By default it is made of task, model and time.
        seed: Seed of weights, batches and dropout.
        data_dir: Folder of data files; by default the task's own.
        data_in: Place of the data: memory of the device, or disk, from which batches are read; auto takes the disk for
            data that would need more than half of the training's memory.

    Raises:
        RunError: If a number is out of its range. Names and files are checked where the training begins.
    """

    model: str
    task: str = "darcy"
    preset: str = "paper"
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    storage: str | Path = "runs"
    name: str | None = None
    seed: int = 0
    data_dir: str | Path | None = None
    data_in: str = "auto"

    def __post_init__(self) -> None:
        DataOptions.__post_init__(self)
        RecipeOptions.__post_init__(self)
        check_used(self, self.task)
        _keep(
            self,
            seed=require_seed("seed", self.seed, at_most=MOST_SEED, error=RunError),
            cpus_per_trial=check_cpus("cpus_per_trial", self.cpus_per_trial),
            gpus_per_trial=check_gpus("gpus_per_trial", self.gpus_per_trial),
        )
        require_one_of("data_in", self.data_in, DATA_IN, error=RunError)


@dataclass(frozen=True, kw_only=True)
class ScoringConfig(DataOptions):
    """A scoring of architectures by zero-cost proxies.

    `trainables.data_options` describes the fields for a task of files.

    Attributes:
        space: Search space: a name from `mpnas spaces`.
        task: Task whose networks are scored: a name from `mpnas tasks`; images:FOLDER, csv:FILE or npz:FILE for data
            of yours; or module:variable for a task of yours.
        proxies: Proxy to score by; repeatable.
        num_archs: Number of architectures, spread over topologies and operations; all of a smaller space.
        preset: Sizes of the networks: paper is appendix A of MP-NAS, small is for CPUs.
        batch_size: Samples of the one batch, at least 2.
        inputs: Samples of the task, or random numbers in their place.
        seed: Seed of weights and batch.
        out: Folder of the tables, a .parquet file each.
        work: Folder of the single items of work, which all nodes must reach; by default work in the folder of the
            tables.
        gpus: GPUs of each worker; a fraction lets several share one.
        data_dir: Folder of data files; by default the task's own.

    Raises:
        RunError: If a number is out of its range, or there is no proxy.
    """

    space: str
    task: str
    proxies: tuple[str, ...] = field(metadata={"option": "--proxy"})
    num_archs: int = 1000
    preset: str = "small"
    batch_size: int = 32
    inputs: str = "task"
    seed: int = 0
    out: Path | str = Path("scores")
    work: Path | str | None = None
    gpus: float = 0.0
    data_dir: Path | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.proxies or isinstance(self.proxies, str):
            raise RunError(f"Scoring needs a proxy: proxies must be a list of names, not {self.proxies!r}.")
        check_used(self, self.task)
        _keep(
            self,
            proxies=tuple(dict.fromkeys(self.proxies)),
            num_archs=require_count("num_archs", self.num_archs, error=RunError),
            gpus=check_gpus("gpus", self.gpus),
        )


@dataclass(frozen=True, kw_only=True)
class TableConfig(DataOptions):
    """A table of trainings: architectures, tasks and how the networks are trained.

    `trainables.data_options` describes the fields for tasks of files, which hold for all tasks of the table.

    Attributes:
        out: Table to write, a .parquet file; one that is there grows.
        tasks: Task to train for: a name from `mpnas tasks`; images:FOLDER, csv:FILE or npz:FILE for data of yours; or
            module:variable for a task of yours; repeatable.
        space: Search space: a name from `mpnas spaces`.
        num_archs: Number of architectures, spread over topologies and operations; the first n of a larger draw are
            those of n.
        num_repeated: Number of them, the first, that are trained with a second seed, to know the noise.
        epochs: Epochs of each training; by default each task's own number.
        num_train: Most training samples of a task.
        preset: Sizes of the networks: paper is appendix A of MP-NAS, small is for CPUs.
        seed: Seed of the draw of architectures; trainings have the seeds 0 and 1.
        gpus_per_training: GPUs of each training; a fraction lets trainings share one. Each has one CPU core.
        work: Folder of the single trainings, which all nodes must reach; by default it is named as the table, with
            .work behind it.
        data_dir: Folder of data files; by default each task's own.

    Raises:
        RunError: If a number is out of its range, or there is no task.
    """

    out: Path | str
    tasks: tuple[str, ...] = field(metadata={"option": "--task"})
    space: str = "mixed"
    num_archs: int = 300
    num_repeated: int = 0
    epochs: int | None = None
    num_train: int = 500
    preset: str = "small"
    seed: int = 0
    gpus_per_training: float = 0.0
    work: Path | str | None = None
    data_dir: Path | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tasks or isinstance(self.tasks, str):
            raise RunError(f"A table needs a task: tasks must be a list of names, not {self.tasks!r}.")
        for task in self.tasks:
            check_used(self, task)
        _keep(
            self,
            out=Path(self.out).resolve(),
            tasks=tuple(dict.fromkeys(self.tasks)),
            num_archs=require_count("num_archs", self.num_archs, error=RunError),
            num_repeated=require_count("num_repeated", self.num_repeated, 0, error=RunError),
            epochs=None if self.epochs is None else require_count("epochs", self.epochs, error=RunError),
            num_train=require_count("num_train", self.num_train, 2, error=RunError),
            seed=require_seed("seed", self.seed, at_most=MOST_SEED, error=RunError),
            gpus_per_training=check_gpus("gpus_per_training", self.gpus_per_training),
        )
        if self.path.suffix != ".parquet":
            raise RunError(f"{self.path}: table files end in .parquet.")
        if self.num_repeated > self.num_archs:
            raise RunError(
                f"num_repeated is {self.num_repeated}: there are no more repeats than architectures, {self.num_archs}."
            )

    @property
    def path(self) -> Path:
        """The whole path of the file."""
        return Path(self.out)


@dataclass(frozen=True, kw_only=True)
class _PredictorConfig:
    """A predictor, with measurements to adapt it to and the kind of their task.

    Attributes:
        observed: File of measured architectures to adapt to first: .csv or .json with arch and score, or the .csv of
            trials that `mpnas export` wrote.
        mode: Whether observed scores are better high or low; by default max, for a cost min.
        measures: Kind that the task measures, if known: the quality of networks, such as an accuracy or an error, or a
            cost, such as a latency or energy. If it is not said, a mixture predictor takes it for a quality until there
            are measurements.
        predictor: Predictor: default, the name of a bundled one, or a checkpoint that `mpnas meta-train` wrote. The
            default for a cost is cost, which knows other devices.

    Raises:
        PredictorError: If the mode is neither.
    """

    observed: Path | str | None = None
    mode: str | None = None
    measures: str | None = None
    predictor: str | Path = "default"

    def __post_init__(self) -> None:
        if self.mode not in (None, *MODES):
            raise PredictorError(f"mode is 'min' or 'max', not {self.mode!r}.")


@dataclass(frozen=True, kw_only=True)
class PredictionConfig(_PredictorConfig):
    """Architectures to predict, with measurements and the kind of their task.

    Attributes:
        archs: Architecture strings.
        file: File with more architectures: one a line, or a table or .json list with arch.
        space: Search space of the architectures; by default the one that the first of them names.
        seed: Seed of the random architectures compared with, and of the uncertainty.

    Raises:
        PredictorError: If the mode is neither, or the seed out of its range.
    """

    archs: tuple[str, ...] = field(default=(), metadata={"argument": True, "metavar": "ARCH..."})
    file: Path | str | None = None
    space: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed("seed", self.seed, at_most=MOST_SEED, error=PredictorError)
        _keep(self, archs=tuple(self.archs))


@dataclass(frozen=True, kw_only=True)
class ExplanationConfig(_PredictorConfig):
    """An architecture to explain, and what the predictor has learned of its task.

    Attributes:
        arch: Architecture string; with --run by default the best of the run.
        run: Folder or URI of a run, whose predictor and results are taken. It replaces observed, mode, measures and
            predictor.
        latencies: File of measured latencies in milliseconds, .csv or .json with arch and score: swaps then say what
            they would change in the latency, predicted from these.

    Raises:
        PredictorError: If the mode is neither, there is nothing to explain, or a run is named beside options that it
            decides.
    """

    arch: str | None = field(default=None, metadata={"argument": True, "metavar": "ARCH"})
    run: str | None = None
    latencies: Path | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.arch is None and self.run is None:
            raise PredictorError("There is no architecture to explain: name one, or a run whose best one it is.")
        decided = [name for name in ("observed", "mode", "measures") if getattr(self, name) is not None]
        if self.run is not None and (decided or self.predictor != "default"):
            raise PredictorError(
                f"A run decides predictor and results: leave out {(decided or ['predictor'])[0]}, or the run."
            )


def _keep(config: object, **values: Any) -> None:
    """Keep checked values, as plain ones, in a frozen dataclass."""
    for name, value in values.items():
        object.__setattr__(config, name, value)
