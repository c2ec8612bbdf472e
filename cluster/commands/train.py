"""``mpnas train``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from cluster.commands.names import NETWORKS, PRESETS, TASKS
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say
from trainables.data_options import DataOptions

__all__ = ["train"]


@dataclass(frozen=True, kw_only=True)
class _Training(DataOptions):
    """Options of ``mpnas train``.

    Attributes:
        model: Network: wrn-16-4, wrn-16-1, resnet-1d, fno-2d, emg-attention, resnext-1d, dash-search, or
            dash-wrn-16-4:, dash-wrn-16-1: and dash-resnet-1d: with what dash-search chose; or an architecture that a
            search found.
        task: Task to train for: a name from `mpnas tasks`, images:FOLDER, csv:FILE, npz:FILE or module:variable.
        preset: Sizes of the network of an architecture: paper (appendix A of MP-NAS) or small.
        epochs: Epochs of the training; by default the task's.
        batch_size: Samples a step; by default the task's.
        learning_rate: Learning rate of the task's schedule; by default the task's.
        weight_decay: Weight decay of the task's optimiser; by default the task's.
        cpus_per_trial: CPU cores to set aside.
        gpus_per_trial: GPUs to set aside.
        storage: Folder or URI for runs; all nodes must reach it.
        name: Name of the run. One that exists is continued. By default it is made of task, model and time.
        seed: Seed of weights, batches and dropout.
        data_dir: Folder of data files; by default the task's own.
    """

    model: str = field(metadata={"names": NETWORKS})
    task: str = field(default="darcy", metadata={"names": TASKS})
    preset: str = field(default="paper", metadata={"names": PRESETS})
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    storage: str = "runs"
    name: str | None = None
    seed: int = 0
    data_dir: str | None = None


@takes_options(_Training)
def train(training: _Training) -> None:
    """Train one network on a task, one that a search found or a known one: same data, recipe and scores as a trial.

    Runs on the Ray cluster at RAY_ADDRESS, or starts Ray on this machine. The same command with the same --name goes on
    from the last checkpoint.
    """
    begin(f"Training {training.model} on {training.task}.")
    from cluster.artifacts.single_network import run_baseline
    from trainables import get_task

    options = DataOptions.of(training)
    others = {name: value for name, value in asdict(training).items() if name not in asdict(options)}
    say(run_baseline(**{**others, "task": get_task(training.task, options)}))
