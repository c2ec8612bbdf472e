"""Settings of a run that trains supernets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.ray.resources import check_cpus, check_gpus
from mpnas_ray.checks import MOST_SEED, require_count, require_number, require_seed
from mpnas_ray.errors import RunError
from trainables.data_options import DataOptions, check_used

__all__ = ["SupernetConfig"]


@dataclass(frozen=True, kw_only=True)
class SupernetConfig(DataOptions):
    """Supernets of one space on one task; `trainables.data_options` describes the fields for a task of files.

    Attributes:
        task: Task to train for: a name from `mpnas tasks`; images:FOLDER, csv:FILE or npz:FILE for data of yours; or
            module:variable for a task of yours.
        space: Search space: a name from `mpnas spaces`.
        methods: One-shot method; repeatable.
        seeds: Number of supernets of each method, each with a seed of its own.
        family: Family of the mixed space to limit the cells to: nasbench101, nasbench201 or nasbenchasr. Methods with
            gradients need one of the last two there.
        protocol: Settings of the methods: short is ours for small tasks, authors is what the methods' authors used.
        preset: Sizes of the networks: paper is appendix A of MP-NAS, small is for CPUs.
        epochs: Epochs of each supernet; by default the protocol's number, as for the next three.
        batch_size: Samples of a step.
        learning_rate: Learning rate of the weights at the start.
        weight_decay: Weight decay of the weights.
        cpus_per_trial: CPU cores of each supernet.
        gpus_per_trial: GPUs of each supernet; a fraction lets several share one.
        storage: Folder or URI for runs, which all nodes of the cluster must reach; the run is a folder in it.
        name: Name of the run; one that exists is continued. By default it is made of task, space and time.
        seed: Seed of the first supernet of each method; the others have the seeds after it.
        data_dir: Folder of data files; by default the task's own.

    Raises:
        RunError: If a number is out of its range, or there is no method. Names are checked where the run begins.
    """

    task: str
    space: str
    methods: tuple[str, ...] = field(metadata={"option": "--method"})
    seeds: int = 1
    family: str | None = None
    protocol: str = "short"
    preset: str = "small"
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    storage: str | Path = "runs"
    name: str | None = None
    seed: int = 0
    data_dir: str | Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_used(self, self.task)
        if not self.methods or isinstance(self.methods, str):
            raise RunError(f"A supernet needs a method: methods must be a list of names, not {self.methods!r}.")
        kept: dict[str, Any] = {
            "methods": tuple(dict.fromkeys(self.methods)),
            "seeds": require_count("seeds", self.seeds, error=RunError),
            "seed": require_seed("seed", self.seed, at_most=MOST_SEED - self.seeds, error=RunError),
            "cpus_per_trial": check_cpus("cpus_per_trial", self.cpus_per_trial),
            "gpus_per_trial": check_gpus("gpus_per_trial", self.gpus_per_trial),
        }
        for name in ("epochs", "batch_size"):
            if getattr(self, name) is not None:
                kept[name] = require_count(name, getattr(self, name), error=RunError)
        if self.learning_rate is not None:
            kept["learning_rate"] = require_number("learning_rate", self.learning_rate, above=0, error=RunError)
        if self.weight_decay is not None:
            kept["weight_decay"] = require_number("weight_decay", self.weight_decay, at_least=0, error=RunError)
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    @property
    def constants(self) -> dict[str, Any]:
        """Everything that is the same for all supernets of the run, as entries of their trials' configs."""
        named = ("space", "family", "protocol", "preset", "epochs", "batch_size", "learning_rate", "weight_decay")
        return {name: getattr(self, name) for name in named if getattr(self, name) is not None}

    @property
    def supernets(self) -> list[dict[str, Any]]:
        """Name, method and seed of each supernet, those of the first seed first."""
        return [
            {"model": f"{method}.{seed}", "method": method, "seed": seed}
            for seed in range(self.seed, self.seed + self.seeds)
            for method in self.methods
        ]
