"""Find the names that options take, each in its registry, for help and shell completion.

A registry that needs torch takes seconds to import, which is too long at the press of a key. Its names are therefore
remembered in the user's cache folder, as long as no file of the packages that fill it changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import platformdirs

from cluster.commands.options import Names
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.own_packages import HOME
from mpnas_ray.spaces import SPACE_NAMES
from searchers.registry import SEARCHERS
from searchers.schedulers.registry import SCHEDULERS
from trainables.data_options import AUGMENTATIONS, COLOURS, DATA_IN, LOSSES, ROWS, WEIGHTS, all_names
from trainables.data_options import METRICS as METRICS_BY_TARGETS
from trainables.recipe_options import OPTIMIZERS, SCHEDULES

__all__ = [
    "ALGORITHMS",
    "COMPARISONS",
    "DATA_NAMES",
    "FAMILIES",
    "FORMATS",
    "INPUTS",
    "KINDS",
    "METHODS",
    "NETWORKS",
    "ONE_SHOT_METHODS",
    "PROTOCOLS",
    "PROXIES",
    "RECIPE_NAMES",
    "REMEMBER",
    "SEARCH_NAMES",
    "SIZES",
    "STUDIES",
    "TASKS",
    "remembered",
]


def remembered(module: str, find: Callable[[Any], Iterable[str]], *folders: str) -> Callable[[], list[str]]:
    """Make a function of the names in a registry.

    Args:
        module: Module of the registry.
        find: Finds the names in the imported module.
        *folders: Folders of the files that make the names; they are found anew after a change of one.
    """

    def names() -> list[str]:
        if module in sys.modules:  # this process may have registered names of its own
            return list(find(sys.modules[module]))
        times = [path.stat().st_mtime for folder in folders for path in Path(HOME, folder).rglob("*.py")]
        mark = sha256(f"{HOME}:{module}:{max(times)}:{len(times)}".encode()).hexdigest()[:16]
        of_registry = sha256(f"{module}:{folders}".encode()).hexdigest()[:8]  # a module may have several
        file = platformdirs.user_cache_path("mpnas-ray") / "names" / f"{module}-{of_registry}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["mark"] == mark:
                return [str(name) for name in kept["names"]]
        found = list(find(import_module(module)))
        with suppress(OSError):  # without the file, they are found anew each time
            write_atomic(file, json.dumps({"mark": mark, "names": found}))
        return found

    return names


TASKS = remembered("trainables.tasks", lambda module: module.task_names(), "trainables/tasks")
SIZES = remembered("trainables.networks.network", lambda module: module.PRESETS, "trainables/networks")
PROXIES = remembered("trainables.proxies", lambda module: module.proxy_names(), "trainables/proxies")
INPUTS = remembered("trainables.proxies.scoring", lambda module: get_args(module.Inputs), "trainables/proxies")
NETWORKS = remembered("trainables.networks.baselines", lambda module: module.baseline_names(), "trainables/networks")
ONE_SHOT_METHODS = remembered("trainables.oneshot", lambda module: module.method_names(), "trainables/oneshot")
PROTOCOLS = remembered("trainables.oneshot.methods", lambda module: get_args(module.Protocol), "trainables/oneshot")
FORMATS = remembered("cluster.artifacts.exporting", lambda module: module.FORMATS, "cluster/artifacts")
FAMILIES = remembered(
    "mpnas_ray.catalogue", lambda module: ("default", *module.PREDICTORS), "mpnas_ray/predictors", "mpnas_ray"
)
KINDS = remembered("mpnas_ray.tables", lambda module: get_args(module.Kind), "mpnas_ray/tables")
ALGORITHMS = remembered(
    "cluster.artifacts.meta_training", lambda module: module.ALGORITHMS, "cluster/artifacts", "mpnas_ray/meta_learning"
)
REMEMBER = remembered("cluster.artifacts.meta_training", lambda module: get_args(module.Remember), "cluster/artifacts")
COMPARISONS = remembered(
    "cluster.experiments.comparison.presets", lambda module: module.PRESETS, "cluster/experiments/comparison"
)
METHODS = remembered(
    "cluster.experiments.comparison.methods", lambda module: module.METHODS, "cluster/experiments/comparison"
)
STUDIES = remembered(
    "cluster.experiments.studies.registry", lambda module: module.STUDIES, "cluster/experiments/studies"
)

DATA_NAMES: dict[str, Names] = {
    "rows": ROWS,
    "colours": COLOURS,
    "loss": all_names(LOSSES),
    "metric": all_names(METRICS_BY_TARGETS),
    "class_weights": WEIGHTS,
    "augment": all_names(AUGMENTATIONS),
}
"""Field of `DataOptions` -> the names that it takes."""

RECIPE_NAMES: dict[str, Names] = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}
"""Field of `RecipeOptions` -> the names that it takes."""

SEARCH_NAMES: dict[str, Names] = {
    **DATA_NAMES,
    **RECIPE_NAMES,
    "data_in": DATA_IN,
    "task": TASKS,
    "space": SPACE_NAMES,
    "preset": SIZES,
    "searcher": SEARCHERS,
    "predictor": FAMILIES,
    "proxy": PROXIES,
    "scheduler": SCHEDULERS,
}
"""Field of `SearchConfig` -> the names that it takes."""
