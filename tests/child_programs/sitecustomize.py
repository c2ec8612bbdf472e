"""Let the workers of a Ray that a program of a test starts be copies, too; see ../ray_templates.py.

Python imports this module as it starts, since conftest.py puts its folder on ``PYTHONPATH``. MLflow, which Tune imports
with each experiment where it is installed, is left out of these programs: it takes half a second, and few users have
it.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_CONSTANTS = "ray._private.ray_constants"


class _WorkersAreCopies(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import Ray's constants as ever, with our script in place of the one that starts a worker."""

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != _CONSTANTS:
            return None
        sys.meta_path.remove(self)
        found = importlib.util.find_spec(name)
        if found is None or found.loader is None:
            return None
        self._load = found.loader.exec_module
        found.loader = self
        return found

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self._load(module)
        module.SETUP_WORKER_FILENAME = str(Path(__file__).parents[1] / "ray_workers.py")  # type: ignore[attr-defined]


if "MPNAS_RAY_WORKERS" in os.environ:
    sys.meta_path.insert(0, _WorkersAreCopies())
    sys.modules["mlflow"] = None  # type: ignore[assignment]
