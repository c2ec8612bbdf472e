"""A search, described once: `run_search` takes it, ``run.json`` holds it, and ``mpnas search`` is made from it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.ray.resources import ACCELERATOR_PREFIX, Resources, check_cpus, check_further, check_gpus
from mpnas_ray.checks import MOST_SEED, require_bool, require_count, require_number, require_one_of, require_seed
from mpnas_ray.errors import RunError, TaskError
from mpnas_ray.names import no_such
from mpnas_ray.spaces import get_space
from mpnas_ray.spaces.mixed_macro import DEPTHS, WIDTHS
from searchers.registry import BY_COST, SEARCHERS
from searchers.schedulers.registry import SCHEDULERS
from trainables.data_options import DATA_IN, DataOptions, check_used
from trainables.recipe_options import RecipeOptions

__all__ = ["COSTS", "DATA_GROUP", "GROUPS", "SearchConfig"]

_ACCELERATOR_PART = 0.001
"""A node with GPUs of a kind has 1 of this resource; Ray's own ``accelerator_type=`` of a task asks for as little."""


@dataclass(frozen=True, kw_only=True)
class TargetFields:
    """Fields of a search that name its target.

    Attributes:
        task: Task to search for: a name from `mpnas tasks`; images:FOLDER, csv:FILE or npz:FILE for data of yours; or
            module:variable for a task of yours.
        space: Search space: a name from `mpnas spaces`.
        num_samples: Number of architectures to train.
        preset: Sizes of the networks: paper is appendix A of MP-NAS, small is for a search on CPUs. In mixed-macro,
            whose architectures have sizes of their own, it bounds them: without another limit, no network takes more
            than four times the multiply-adds of the largest network of mixed.
        widths: Channels that the first stack of a network of mixed-macro may have, such as 8,16,32; by default all of
            the space.
        depths: Cells that each stack of a network of mixed-macro may have, such as 1,2,3; by default all of the space.
        data_dir: Folder of data files; by default the task's own.
        data_in: Place of the data in trainings: memory of the device, or disk, from which batches are read; auto takes
            the disk for data that would need more than half of a trial's memory.
    """

    task: str = "darcy"
    space: str = "mixed"
    num_samples: int = 20
    preset: str = "small"
    widths: tuple[int, ...] = field(default=(), metadata={"option": "--widths", "metavar": "N,N,..."})
    depths: tuple[int, ...] = field(default=(), metadata={"option": "--depths", "metavar": "N,N,..."})
    data_dir: str | Path | None = None
    data_in: str = "auto"


@dataclass(frozen=True, kw_only=True)
class MethodFields:
    """Fields of a search that choose its method.

    Attributes:
        searcher: Method that proposes architectures. scratch is mpnas without knowledge of other tasks; naswot takes
            the best of 1,000 by a proxy; area is evolution that begins with the better half by a proxy; oneshot
            takes the cells that supernets chose, then the best of 1,000 by the proxy supernet:RUN; predictor ranks by
            a predictor of another family.
        predictor: Predictor of the searcher mpnas: default, or a checkpoint that `mpnas meta-train` wrote. For the
            searcher predictor: the name of a family.
        proxy: Zero-cost score of untrained networks, or supernet:RUN for the weights of a supernet (`mpnas supernet`)
            of the same storage. naswot and area rank by it, by default by naswot; mpnas can add it to its ranking
            while results are few.
        weights: Start each network from the weights that a supernet of the same storage holds for it: supernet:RUN, or
            supernet:RUN:NAME. By default weights are random.
        scheduler: Method that stops unpromising trainings early; by default all are completed.
        seed: Seed of the searcher and of the trainings.
    """

    searcher: str = "mpnas"
    predictor: str | Path = "default"
    proxy: str | None = None
    weights: str | None = None
    scheduler: str | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class LimitFields:
    """Fields of a search that bound its time and its networks.

    Attributes:
        time_budget_s: Seconds after which all trainings are stopped and the run is complete, added up over its
            sessions; by default there is no limit.
        trial_time_limit_s: Seconds after which a training ends with its last epoch as the result; by default there is
            no limit. A training whose single epoch takes that long counts as hanging: it is killed, tried again, and
            fails in the end.
        max_params: Most trainable parameters of a network; by default any number.
        max_flops: Most multiply-adds of a network for one input; by default any number.
    """

    time_budget_s: float | None = None
    trial_time_limit_s: float | None = None
    max_params: int | None = None
    max_flops: int | None = None


@dataclass(frozen=True, kw_only=True)
class CostFields:
    """Fields of a search that look at costs beside the quality.

    Attributes:
        minimize: Cost that is to be low beside the quality, on the command line repeatable: parameters, flops and
            memory_bytes (of a training) are known beforehand; latency_ms and training_seconds are measured by the
            trials and predicted for others. The report then has the whole front.
        max_costs: Highest value of a cost, such as latency_ms=5; on the command line repeatable. Of a cost that trials
            measure, architectures are proposed that are expected to be below.
        measure_latency: Measure the latency of each network after its training, on the trial's device, one trial of a
            node at a time: the median of 30 passes after 5. Searches for latency_ms do so anyway.
        latency_batch: Samples of the batch whose latency is measured.
    """

    minimize: tuple[str, ...] = field(default=(), metadata={"option": "--minimize", "metavar": "COST"})
    max_costs: dict[str, float] | None = field(default=None, metadata={"option": "--max", "metavar": "NAME=AMOUNT"})
    measure_latency: bool = False
    latency_batch: int = field(default=1, metadata={"option": "--batch"})

    @property
    def cost_names(self) -> tuple[str, ...]:
        """Names of the costs that the search looks at: those to be low, then those that are only limited."""
        return (*self.minimize, *(name for name in self.max_costs or {} if name not in self.minimize))

    @property
    def measures_latency(self) -> bool:
        """Say whether trials measure the latency of their networks."""
        return self.measure_latency or "latency_ms" in self.cost_names


@dataclass(frozen=True, kw_only=True)
class ResourceFields:
    """Fields of a search that give the resources of its trials.

    Attributes:
        max_concurrent: Most trials at a time; by default as many as the cluster has room for.
        cpus_per_trial: CPU cores set aside for each trial, which runs one torch thread in any case.
        gpus_per_trial: GPUs for each trial; 0.25 lets four trials share one.
        gpu_memory_gb: Memory of one GPU in 10^9 bytes: networks that would not fit into their share of it get twice or
            four times as much. By default all get the same share.
        accelerator_type: Kind of GPU, as Ray names it, such as A100; by default any.
        resources_per_trial: Further resources for each trial, by the names that the cluster's nodes give them;
            on the command line repeatable.
        workers_per_trial: Processes that train each network together, each with these resources.
        autoscaling: Whether the cluster starts nodes on demand, which Ray does not tell. The search then waits for
            resources that no node has yet, and asks for one slot more than there is, up to the most trials at a time.
    """

    max_concurrent: int | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    gpu_memory_gb: float | None = None
    accelerator_type: str | None = None
    resources_per_trial: dict[str, float] | None = field(
        default=None, metadata={"option": "--resource", "metavar": "NAME=AMOUNT"}
    )
    workers_per_trial: int = 1
    autoscaling: bool = False

    @property
    def worker_resources(self) -> Resources:
        """The resources of each worker of a trial, as Ray wants to be told."""
        kind = {f"{ACCELERATOR_PREFIX}{self.accelerator_type}": _ACCELERATOR_PART} if self.accelerator_type else {}
        return {"CPU": self.cpus_per_trial, "GPU": self.gpus_per_trial, **kind, **(self.resources_per_trial or {})}


@dataclass(frozen=True, kw_only=True)
class RunFields:
    """Fields of a search that name its run.

    Attributes:
        storage: Folder or URI for runs, which all nodes of the cluster must reach; the run is a folder in it.
        name: Name of the run; one that exists is continued. By default it is made of task, space and time.
    """

    storage: str | Path = "runs"
    name: str | None = None


DATA_GROUP: dict[str, type] = {"Data of images:FOLDER, csv:FILE and npz:FILE": DataOptions}
"""Title -> group of fields that all commands with such tasks have."""

GROUPS: dict[str, type] = {
    "What to search": TargetFields,
    "Training of each network": RecipeOptions,
    **DATA_GROUP,
    "Method": MethodFields,
    "Limits": LimitFields,
    "Costs": CostFields,
    "Resources": ResourceFields,
    "Run": RunFields,
}
"""Title -> group of fields of `SearchConfig`, as ``mpnas search --help`` shows them."""

COSTS = ("parameters", "flops", "memory_bytes", "latency_ms", "training_seconds")
"""Names of the costs of a search. The first three are known before a training."""

_LIMITS_OF_SIZE = {"parameters": "max_params", "flops": "max_flops"}
"""Costs whose limits are fields of their own."""

_WHOLE = ("num_samples", "max_concurrent", "max_params", "max_flops", "workers_per_trial", "latency_batch")
"""Fields that are whole numbers of at least 1."""

_ABOVE_0 = {"time_budget_s": "seconds", "trial_time_limit_s": "seconds", "gpu_memory_gb": "GB"}
"""Fields that are any number above 0, and their units."""


@dataclass(frozen=True, kw_only=True)
class SearchConfig(  # the last one's fields come first
    RunFields, ResourceFields, CostFields, LimitFields, MethodFields, DataOptions, RecipeOptions, TargetFields
):
    """A search of an architecture: its target, method, limits, resources and run.

    Numbers are kept as plain ones and paths as text, which JSON takes.

    Raises:
        MPNASError: If a number is out of its range, or a space, searcher or scheduler has no such name. Names of
            tasks, predictors and proxies, and files, are checked where the search begins.
    """

    def __post_init__(self) -> None:
        DataOptions.__post_init__(self)
        RecipeOptions.__post_init__(self)
        if not isinstance(self.task, str):
            raise TaskError(f"A task is a Task or its name, not {self.task!r}.")
        check_used(self, self.task)
        get_space(self.space)
        if self.searcher not in list(SEARCHERS):
            raise RunError(no_such("searcher", self.searcher, SEARCHERS))
        if self.scheduler is not None and self.scheduler not in list(SCHEDULERS):
            raise RunError(no_such("scheduler", self.scheduler, SCHEDULERS))
        if not isinstance(self.predictor, str | Path):
            raise RunError(f"predictor is a name or the path of a checkpoint, not {self.predictor!r}.")
        require_one_of("data_in", self.data_in, DATA_IN, error=RunError)
        require_bool("autoscaling", self.autoscaling, error=RunError)
        for name, plain in self._plain().items():
            object.__setattr__(self, name, plain)
        if self.workers_per_trial > 1 and self.scheduler is not None and SCHEDULERS[self.scheduler].pauses:
            others = ", ".join(name for name, entry in SCHEDULERS.items() if not entry.pauses)
            raise RunError(
                f"{self.scheduler} pauses trials, which trials of several workers cannot do: take one that does not "
                f"({others}), or workers_per_trial 1."
            )

    @property
    def data_options(self) -> DataOptions:
        """Options of a task that is made of files."""
        return DataOptions.of(self)

    def _plain(self) -> dict[str, Any]:
        """Check the values, and return those that are kept in place of the given ones."""
        plain: dict[str, Any] = {"seed": require_seed("seed", self.seed, at_most=MOST_SEED, error=RunError)}
        for name in _WHOLE:
            value = getattr(self, name)
            if value is not None or name in ("num_samples", "workers_per_trial", "latency_batch"):
                plain[name] = require_count(name, value, 1, error=RunError)
        for name, unit in _ABOVE_0.items():
            if getattr(self, name) is not None:
                plain[name] = require_number(name, getattr(self, name), error=RunError, above=0.0, unit=unit)
        plain["cpus_per_trial"] = check_cpus("cpus_per_trial", self.cpus_per_trial)
        plain["gpus_per_trial"] = check_gpus("gpus_per_trial", self.gpus_per_trial)
        if self.resources_per_trial is not None:
            plain["resources_per_trial"] = check_further(self.resources_per_trial)
        if self.accelerator_type is not None and not self.accelerator_type.strip():
            raise RunError("accelerator_type is a kind of GPU, as Ray names it, such as A100; not an empty text.")
        plain |= self._plain_costs()
        plain |= {name: self._plain_sizes(name, known) for name, known in (("widths", WIDTHS), ("depths", DEPTHS))}
        for name in ("storage", "predictor", "data_dir"):
            if isinstance(getattr(self, name), Path):
                plain[name] = str(getattr(self, name))
        return plain

    def _plain_sizes(self, name: str, known: tuple[int, ...]) -> tuple[int, ...]:
        """Check the widths or depths that networks may have, and return them in ascending order."""
        given = getattr(self, name)
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise RunError(f"{name} is a list of whole numbers, such as {list(known[:3])}, not {given!r}.")
        sizes = tuple(require_count(f"Each of {name}", size, error=RunError) for size in given)
        if sizes and not get_space(self.space).num_size_codes:
            raise RunError(
                f"Networks of the space {self.space} have the sizes of their preset: take the space mixed-macro for "
                f"{name}."
            )
        for size in sizes:
            if size not in known:
                raise RunError(f"Each of {name} is one of {', '.join(map(str, known))}, not {size}.")
            if sizes.count(size) > 1:
                raise RunError(f"{name} names {size} twice.")
        return tuple(sorted(sizes))

    def _plain_costs(self) -> dict[str, Any]:
        """Check the fields on costs, and return those that are kept in place of the given ones."""
        if isinstance(self.minimize, str):
            raise RunError(f"minimize is a list of costs, such as ['parameters'], not {self.minimize!r}.")
        plain: dict[str, Any] = {"minimize": tuple(self.minimize)}
        require_bool("measure_latency", self.measure_latency, error=RunError)
        for name in self.minimize:
            require_one_of("A cost to minimize", name, COSTS, error=RunError)
            if self.minimize.count(name) > 1:
                raise RunError(f"minimize names {name} twice.")
        for name in self.max_costs or {}:
            require_one_of("A cost with a limit", name, COSTS, error=RunError)
            if name in _LIMITS_OF_SIZE:
                raise RunError(f"The limit of {name} is a field of its own: {_LIMITS_OF_SIZE[name]}.")
        if self.max_costs is not None:
            plain["max_costs"] = {
                name: require_number(f"The highest {name}", most, error=RunError, above=0.0)
                for name, most in self.max_costs.items()
            }
        if self.cost_names and self.searcher not in BY_COST:
            raise RunError(f"The searcher {self.searcher} looks at no costs: {' and '.join(BY_COST)} do.")
        return plain


_OWN_TEXT, *_TEXTS = (inspect.getdoc(kind) or "" for kind in (SearchConfig, *GROUPS.values()))
SearchConfig.__doc__ = f"{_OWN_TEXT}\n\nAttributes:\n" + "\n".join(
    text.partition("Attributes:\n")[2].partition("\n\n")[0] for text in _TEXTS
)
