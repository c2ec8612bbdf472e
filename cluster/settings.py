"""How a run was started: kept in its folder, so that it can be continued by its name alone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cluster.run_folder import SETTINGS_FILE, RunFolder
from cluster.searcher_names import BY_SCORE, SEARCHERS
from mpnas_ray.errors import RunError, TaskError
from trainables import Task, get_task
from trainables.networks.network import get_macro
from trainables.proxies import get_proxy

__all__ = ["SCHEDULERS", "RunSettings"]

SCHEDULERS = ("asha", "hyperband", "median", "lcranknet")
"""What ``--scheduler`` takes: who stops trainings that look bad (`cluster.search`)."""

_FREE = (
    "max_concurrent",
    "cpus_per_trial",
    "gpus_per_trial",
    "gpu_memory_gb",
    "accelerator_type",
    "resources_per_trial",
    "trial_time_limit_s",
    "autoscaling",
    "data_dir",
    "task_reference",
)
"""What may differ from one session of a run to the next."""

_ACCELERATOR_PREFIX, _ACCELERATOR_PART = "accelerator_type:", 0.001
"""A node with GPUs of a kind has 1 of this resource; Ray's own ``accelerator_type=`` of a task asks for as little."""


@dataclass(frozen=True)
class RunSettings:
    """All that a run is made of; as ``run.json`` in its folder.

    Attributes:
        task: Name of the task.
        space: Name of the search space.
        num_samples: Number of architectures, those of a run that this one extends counted.
        epochs: Of each training.
        preset: Sizes of the networks.
        searcher: One of `SEARCHERS`.
        seed: Of the searcher and of the trainings.
        predictor: Of the searcher ``mpnas``: ``default``, or a checkpoint's path. Of ``predictor``: a family's name.
        proxy: The zero-cost score of ``naswot`` and ``area``, or what ``mpnas`` fuses its ranking with; None for none.
        scheduler: One of `SCHEDULERS`, or None: all trainings are complete.
        time_budget_s: Seconds after which no more is trained, sessions added up; None for no end.
        max_params: Most trainable parameters of a network; None for any number.
        max_flops: Most multiply-adds of a network for one input; None for any number.
        extends: The run whose results this one began with, or None.
        num_failed_before: Trials of that run that failed; they count, and are not repeated.
        max_concurrent: Most trials at a time; as many as fit if None.
        cpus_per_trial: CPU cores for each trial.
        gpus_per_trial: GPUs for each trial.
        gpu_memory_gb: Of one GPU, in 10^9 bytes: networks too large for their share of it get a larger one; None to
            give all the same.
        accelerator_type: Kind of GPU, as Ray names it (``A100``); None for any.
        resources_per_trial: Further resources by name, as the cluster's nodes have them; None for none.
        workers_per_trial: Processes that train each network together, each with these resources.
        trial_time_limit_s: Seconds that a training may take, after which it fails; None for any time.
        autoscaling: Whether the cluster starts nodes on demand.
        data_dir: Where the user's data files are; the task's own place if None.
        task_reference: How the task can be found again if not by its name: ``module:variable``.
    """

    task: str
    space: str
    num_samples: int
    epochs: int
    preset: str
    searcher: str
    seed: int
    predictor: str = "default"
    proxy: str | None = None
    scheduler: str | None = None
    time_budget_s: float | None = None
    max_params: int | None = None
    max_flops: int | None = None
    extends: str | None = None
    num_failed_before: int = 0
    max_concurrent: int | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    gpu_memory_gb: float | None = None
    accelerator_type: str | None = None
    resources_per_trial: dict[str, float] | None = None
    workers_per_trial: int = 1
    trial_time_limit_s: float | None = None
    autoscaling: bool = False
    data_dir: str | None = None
    task_reference: str | None = None

    def check(self) -> None:
        """Refuse what cannot be run.

        Raises:
            MPNASError: Saying what and why.
        """
        get_macro(self.preset)
        if self.searcher not in SEARCHERS:
            raise RunError(f"There is no searcher {self.searcher!r}. There are: {', '.join(SEARCHERS)}.")
        self._check_knowledge()
        if self.scheduler is not None and self.scheduler not in SCHEDULERS:
            raise RunError(f"There is no scheduler {self.scheduler!r}. There are: {', '.join(SCHEDULERS)}.")
        if self.num_samples < 1:
            raise RunError(f"num_samples is the number of architectures to train, at least 1, not {self.num_samples}.")
        for name in ("epochs", "max_concurrent", "max_params", "max_flops", "workers_per_trial"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RunError(f"{name} must be at least 1, not {value}.")
        for name, unit in (("time_budget_s", "seconds"), ("trial_time_limit_s", "seconds"), ("gpu_memory_gb", "GB")):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise RunError(f"{name} is in {unit}, above 0, not {value}.")
        if self.workers_per_trial > 1 and self.scheduler == "hyperband":
            raise RunError(
                "hyperband pauses trials, which trials of several workers cannot do: take asha or median, or "
                "workers_per_trial 1."
            )
        cpus, gpus = self.cpus_per_trial, self.gpus_per_trial
        if cpus <= 0 or gpus < 0 or (gpus > 1 and gpus != int(gpus)):
            raise RunError(
                f"A trial takes CPUs and, if any, a fraction or a whole number of GPUs; not {cpus} and {gpus}."
            )

        for name, amount in (self.resources_per_trial or {}).items():
            if name in ("CPU", "GPU", "memory") or not amount > 0:
                raise RunError(
                    f"resources_per_trial are resources of your own, above 0, not {name}={amount}: CPUs and GPUs have "
                    f"options of their own, and memory is reckoned from the network."
                )

    def _check_knowledge(self) -> None:
        """Of predictor and proxy."""
        if self.searcher == "predictor":
            from mpnas_ray.predictors.families import make_predictor

            make_predictor(self.predictor, self.seed)
        elif self.predictor != "default" and self.searcher != "mpnas":
            raise RunError(f"The searcher {self.searcher} uses no meta-learned predictor: mpnas does.")
        if self.proxy is not None:
            get_proxy(self.proxy)
            if self.searcher not in (*BY_SCORE, "mpnas"):
                raise RunError(f"The searcher {self.searcher} uses no proxy: mpnas, {' and '.join(BY_SCORE)} do.")

    def write(self, folder: RunFolder) -> None:
        """Into a run's folder."""
        folder.write(SETTINGS_FILE, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: RunFolder) -> RunSettings | None:
        """Those of a run, None if the folder is new.

        Raises:
            RunError: If the folder holds something else, or a run of a newer version.
        """
        content = folder.read_json(SETTINGS_FILE)
        if content is None:
            if not folder.is_empty():
                raise RunError(f"{folder} holds something else than a run of mpnas-ray: choose another --name.")
            return None
        known = {field.name for field in fields(cls)}
        if not content.keys() <= known:
            raise RunError(
                f"{folder} was started by a newer version of mpnas-ray, which knows of "
                f"{', '.join(sorted(content.keys() - known))}: continue it with that version."
            )
        try:
            return cls(**content)  # what an older version did not write is at its default
        except TypeError as error:
            raise RunError(f"{folder}/{SETTINGS_FILE} is damaged: {error}") from error

    def check_same(self, earlier: RunSettings, folder: RunFolder) -> None:
        """Refuse to continue a run that was started otherwise.

        Raises:
            RunError: Naming what was different.
        """
        mine, theirs = asdict(self), asdict(earlier)
        ignored = (*_FREE, "extends", "num_failed_before")
        differences = [f"{key} {theirs[key]!r}" for key in mine if key not in ignored and mine[key] != theirs[key]]
        if differences:
            raise RunError(
                f"The run {folder} was started with {', '.join(differences)}: "
                f"use the same to continue it, or another --name."
            )

    def find_task(self, folder: RunFolder) -> Task:
        """The task that the run was started with.

        Raises:
            TaskError: If it has none of the names that `get_task` knows.
        """
        try:
            return get_task(self.task_reference or self.task)
        except TaskError as error:
            raise TaskError(
                f"The task of {folder} is not to be found: {error} Where it is known only to a program of yours, go "
                f"on from there: resume_search or extend_search with task=..."
            ) from error

    @property
    def data_path(self) -> Path | None:
        """``data_dir`` as a path."""
        return Path(self.data_dir) if self.data_dir else None

    @property
    def worker_resources(self) -> dict[str, float]:
        """What each worker of a trial takes, as Ray wants to be told."""
        kind = {f"{_ACCELERATOR_PREFIX}{self.accelerator_type}": _ACCELERATOR_PART} if self.accelerator_type else {}
        return {"CPU": self.cpus_per_trial, "GPU": self.gpus_per_trial, **kind, **(self.resources_per_trial or {})}

    def constants(self) -> dict[str, Any]:
        """Entries that every trial's config has beside ``arch``."""
        constants: dict[str, Any] = {
            "task": self.task,
            "preset": self.preset,
            "epochs": self.epochs,
            "seed": self.seed,
        }
        optional = {"data_dir": self.data_dir, "time_limit_s": self.trial_time_limit_s}
        return {**constants, **{name: value for name, value in optional.items() if value is not None}}
