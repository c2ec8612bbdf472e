"""How a run was started: kept in its folder, so that it can be continued by its name alone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cluster.ray.resources import ACCELERATOR_PREFIX, Resources, check_cpus, check_further, check_gpus
from cluster.storage.run_folder import SETTINGS_FILE, RunFolder
from mpnas_ray.catalogue import make_predictor
from mpnas_ray.checks import MOST_SEED, require_count, require_number, require_seed
from mpnas_ray.curves.network_files import BUNDLED_NETWORK, load_network
from mpnas_ray.errors import RunError, TaskError
from mpnas_ray.files.json_records import from_plain
from mpnas_ray.names import no_such
from mpnas_ray.predictors import CostPredictor
from mpnas_ray.pretrained import find_checkpoint, load_checkpoint
from mpnas_ray.spaces import get_space
from searchers.registry import BY_SCORE, SEARCHERS
from searchers.schedulers.registry import SCHEDULERS
from trainables import Task, get_task
from trainables.networks.network import get_macro
from trainables.proxies import get_proxy
from trainables.tasks.core.cache import check_data_dir

__all__ = ["DamagedSettingsError", "RunSettings"]

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

_WHOLE = {
    "num_samples": 1,
    "epochs": 1,
    "max_concurrent": 1,
    "max_params": 1,
    "max_flops": 1,
    "workers_per_trial": 1,
    "num_failed_before": 0,
}
"""Settings that are whole numbers, and the least that each may be."""

_ABOVE_0 = {"time_budget_s": "seconds", "trial_time_limit_s": "seconds", "gpu_memory_gb": "GB"}
"""Settings that are any number above 0, and their units."""

_ACCELERATOR_PART = 0.001
"""A node with GPUs of a kind has 1 of this resource; Ray's own ``accelerator_type=`` of a task asks for as little."""


_FORMAT = 2
"""Format of ``run.json`` and of the snapshots beside it; version 0.1, whose modules were elsewhere, wrote no number."""

_REMEDY = (
    "What was trained is kept: the `mpnas search` command that began the run, with the same options and --name, goes "
    "on with it."
)


class DamagedSettingsError(RunError):
    """The settings of a run are damaged or gone; its trials may be whole."""


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

    def __post_init__(self) -> None:
        """Check the numbers, and keep them as plain ones, which JSON takes.

        Raises:
            RunError: If one is no number of its kind, or out of its range.
        """
        plain: dict[str, Any] = {"seed": require_seed("seed", self.seed, at_most=MOST_SEED, error=RunError)}
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            if value is not None or name in ("num_samples", "epochs", "workers_per_trial", "num_failed_before"):
                plain[name] = require_count(name, value, least, error=RunError)
        for name, unit in _ABOVE_0.items():
            if getattr(self, name) is not None:
                plain[name] = require_number(name, getattr(self, name), error=RunError, above=0.0, unit=unit)
        plain["cpus_per_trial"] = check_cpus("cpus_per_trial", self.cpus_per_trial)
        plain["gpus_per_trial"] = check_gpus("gpus_per_trial", self.gpus_per_trial)
        if self.resources_per_trial is not None:
            plain["resources_per_trial"] = check_further(self.resources_per_trial)
        if self.accelerator_type is not None and not self.accelerator_type.strip():
            raise RunError("accelerator_type is a kind of GPU, as Ray names it, such as A100; not an empty text.")
        for name, number in plain.items():
            object.__setattr__(self, name, number)

    def check(self) -> None:
        """Refuse what cannot be run, as far as can be known without Ray and without the task.

        Raises:
            MPNASError: Saying what and why.
        """
        get_macro(self.preset)
        get_space(self.space)
        if self.searcher not in list(SEARCHERS):
            raise RunError(no_such("searcher", self.searcher, SEARCHERS))
        if self.scheduler is not None and self.scheduler not in list(SCHEDULERS):
            raise RunError(no_such("scheduler", self.scheduler, SCHEDULERS))
        self._check_knowledge()
        check_data_dir(self.data_dir)
        if self.workers_per_trial > 1 and self.scheduler is not None and SCHEDULERS[self.scheduler].pauses:
            raise RunError(
                f"{self.scheduler} pauses trials, which trials of several workers cannot do: take asha or median, or "
                "workers_per_trial 1."
            )

    def _check_knowledge(self) -> None:
        """Check names and files of the predictor, the proxy and the scheduler's network."""
        if self.searcher == "predictor":
            make_predictor(self.predictor, self.seed)
        elif self.searcher == "mpnas":
            predictor, _ = load_checkpoint(find_checkpoint(self.predictor, get_space(self.space)))
            if isinstance(predictor, CostPredictor):
                raise RunError(
                    f"The predictor {self.predictor} knows costs alone, and trials measure how good networks are: take "
                    f"the default."
                )
        elif self.predictor != "default":
            raise RunError(f"The searcher {self.searcher} uses no meta-learned predictor: mpnas does.")
        if self.scheduler == "lcranknet":
            load_network(BUNDLED_NETWORK)
        if self.proxy is not None:
            get_proxy(self.proxy)
            if self.searcher not in (*BY_SCORE, "mpnas"):
                raise RunError(f"The searcher {self.searcher} uses no proxy: mpnas, {' and '.join(BY_SCORE)} do.")

    def write(self, folder: RunFolder) -> None:
        """Write them into a run's folder."""
        folder.write(SETTINGS_FILE, json.dumps({"format": _FORMAT, **asdict(self)}, indent=2) + "\n")

    @classmethod
    def read(cls, folder: RunFolder) -> RunSettings | None:
        """Those of a run, None if the folder is new.

        Raises:
            RunError: If the folder holds something else, or a run of another version.
        """
        try:
            content = folder.read_json(SETTINGS_FILE)
        except RunError as error:
            raise DamagedSettingsError(f"{error} {_REMEDY}") from error
        if content is None:
            if not folder.is_empty():
                raise DamagedSettingsError(
                    f"{folder} holds something else than a run of mpnas-ray: choose another --name. If it was one, its "
                    f"{SETTINGS_FILE} is gone. {_REMEDY}"
                )
            return None
        number = content.pop("format", None)
        if number != _FORMAT:
            version = "mpnas-ray 0.1" if number is None else f"another version of mpnas-ray (format {number!r})"
            raise RunError(
                f"{folder} was started by {version}, whose snapshots this version cannot read: continue it with that "
                "version, or start anew with another --name."
            )
        known = {field.name for field in fields(cls)}
        if not content.keys() <= known:
            raise RunError(
                f"{folder} was started by a newer version of mpnas-ray, which knows of "
                f"{', '.join(sorted(content.keys() - known))}: continue it with that version."
            )
        try:
            return from_plain(cls, content)  # fields that an older version did not write are at their defaults
        except (ValueError, RunError) as error:
            raise DamagedSettingsError(f"{folder}/{SETTINGS_FILE} is damaged: {error}. {_REMEDY}") from error

    def check_same(self, earlier: RunSettings, folder: RunFolder) -> None:
        """Refuse to continue a run that was started otherwise.

        Raises:
            RunError: Naming what was different.
        """
        mine, theirs = asdict(self), asdict(earlier)
        ignored = (*_FREE, "extends", "num_failed_before")
        differences = [f"{key} {theirs[key]!r}" for key in mine if key not in ignored and mine[key] != theirs[key]]
        if differences:
            more = self.num_samples > earlier.num_samples
            extend = f" For more architectures, all else as it was: mpnas extend {folder} --num-samples "
            raise RunError(
                f"The run {folder} was started with {', '.join(differences)}: "
                f"use the same to continue it, or another --name.{f'{extend}{self.num_samples}' if more else ''}"
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
    def worker_resources(self) -> Resources:
        """What each worker of a trial takes, as Ray wants to be told."""
        kind = {f"{ACCELERATOR_PREFIX}{self.accelerator_type}": _ACCELERATOR_PART} if self.accelerator_type else {}
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
