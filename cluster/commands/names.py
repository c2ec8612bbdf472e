"""Names that options take, each from its registry, for help and shell completion.

A registry that needs torch takes seconds to import, which nobody waits for at the press of a key. Its names are
therefore remembered in the user's cache folder, for as long as no file of the packages that fill it changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import platformdirs

from cluster.commands.options import Names
from mpnas_ray.own_packages import HOME
from mpnas_ray.spaces import SPACE_NAMES
from searchers.registry import SEARCHERS
from searchers.schedulers.registry import SCHEDULERS

__all__ = ["NETWORKS", "PRESETS", "PROXIES", "SEARCH_NAMES", "TASKS", "remembered"]


def remembered(module: str, find: Callable[[Any], Iterable[str]], *folders: str) -> Callable[[], list[str]]:
    """Make a function of the names in a registry.

    Args:
        module: Module of the registry.
        find: Names of that module.
        folders: Folders of the files by which the names are made; a change of one makes them be found anew.
    """

    def names() -> list[str]:
        times = [path.stat().st_mtime for folder in folders for path in Path(HOME, folder).rglob("*.py")]
        mark = sha256(f"{HOME}:{module}:{max(times)}:{len(times)}".encode()).hexdigest()[:16]
        file = platformdirs.user_cache_path("mpnas-ray") / "names" / f"{module}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["mark"] == mark:
                return [str(name) for name in kept["names"]]
        found = list(find(import_module(module)))
        with suppress(OSError):  # then they are found each time
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps({"mark": mark, "names": found}), encoding="utf-8")
        return found

    return names


TASKS = remembered("trainables.tasks", lambda module: module.task_names(), "trainables/tasks")
PRESETS = remembered("trainables.networks.network", lambda module: module.PRESETS, "trainables/networks")
PROXIES = remembered("trainables.proxies", lambda module: module.proxy_names(), "trainables/proxies")
NETWORKS = remembered("trainables.networks.baselines", lambda module: module.baseline_names(), "trainables/networks")
_FAMILIES = remembered(
    "mpnas_ray.catalogue", lambda module: ("default", *module.PREDICTORS), "mpnas_ray/predictors", "mpnas_ray"
)

SEARCH_NAMES: dict[str, Names] = {
    "task": TASKS,
    "space": SPACE_NAMES,
    "preset": PRESETS,
    "searcher": SEARCHERS,
    "predictor": _FAMILIES,
    "proxy": PROXIES,
    "scheduler": SCHEDULERS,
}
"""Field of `SearchConfig` -> the names that it takes."""
