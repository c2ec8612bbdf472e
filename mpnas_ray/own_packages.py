"""Prefer the four packages of this project to others of the same names.

`searchers`, `trainables` and `cluster` are names that a user's folder may well have too, and Ray puts the folder where
a program was started before everything else on the ``sys.path`` of its workers. What decides is therefore not the order
of ``sys.path`` but a finder that is asked before it. Programs that need all four packages call `put_first`: the command
``mpnas``, the runs of `cluster`, and through them each worker. Nobody else does: `searchers` alone goes on working
beside a `trainables` or `cluster` of the user's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

__all__ = ["HOME", "OWN_PACKAGES", "check_own", "foreign_file", "put_first"]

OWN_PACKAGES = ("mpnas_ray", "searchers", "trainables", "cluster")

HOME = str(Path(__file__).parents[1])
"""Folder that this installation's packages lie in: the checkout, or ``site-packages``."""


@dataclass(frozen=True)
class _Finder:
    """Finds the four packages in one folder; a finder as of `sys.meta_path`."""

    home: str

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The package, or None for any other module.

        Raises:
            ForeignModuleError: If a module is wanted that our package does not have, and another package of that name
                is there.
        """
        package = name.partition(".")[0]
        if package not in OWN_PACKAGES:
            return None
        if package == name:
            return PathFinder.find_spec(name, [self.home])
        if PathFinder.find_spec(name, path) is None:
            for folder in sys.path:
                file = foreign_file(package, folder or ".")
                if file is not None:
                    raise _error(f"{name!r} is not found in {Path(self.home) / package}, which hides {file}", package)
        return None


def put_first(home: str = HOME) -> None:
    """Import the four packages from one installation from now on, whatever ``sys.path`` has before it.

    Ray's workers are sent this function by value, before they find any of our packages: it may use what this module
    defines, and nothing that this module imports from another one of ours.

    Args:
        home: Folder of the packages. On a node that does not have it, the one where `mpnas_ray` is found there.
    """
    if not (Path(home) / "mpnas_ray" / "__init__.py").is_file():
        there = find_spec("mpnas_ray")
        if there is None or there.origin is None:
            return
        home = str(Path(there.origin).parents[1])
    if _Finder(home) not in sys.meta_path:
        sys.meta_path.insert(0, _Finder(home))


def check_own() -> None:
    """Make sure that no other module has the name of one of the four packages in this process.

    Raises:
        ForeignModuleError: If one has been imported; the message names its file.
    """
    for name in OWN_PACKAGES:
        module = sys.modules.get(name)
        if module is not None and _folder(module) != Path(HOME).resolve():
            raise _error(f"{_file(module)} stands in the way: it has been imported as {name!r}", name)


def foreign_file(name: str, folder: str | Path) -> Path | None:
    """Find a module in a folder that would be imported instead of one of the four packages.

    Args:
        name: Name of the package.
        folder: Entry of ``sys.path``.

    Returns:
        Its file, or its folder if it is a package without ``__init__.py``; None if there is none, or if the folder is a
        checkout or an installation of this project.
    """
    if (Path(folder) / "mpnas_ray" / "__init__.py").is_file():
        return None
    spec = PathFinder.find_spec(name, [str(folder)])
    if spec is None:
        return None
    return Path(spec.origin or next(iter(spec.submodule_search_locations or [str(folder)])))


def _error(problem: str, package: str) -> Exception:
    from mpnas_ray.errors import ForeignModuleError  # late: see `put_first`

    return ForeignModuleError(
        f"{problem}. This program needs the package {package!r} of mpnas-ray: give yours another name."
    )


def _file(module: ModuleType) -> str:
    """Return the file of a module; a package without ``__init__.py`` has a folder alone."""
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "<no file>")


def _folder(module: ModuleType) -> Path:
    """Return the entry of ``sys.path`` that a package was found in."""
    file = Path(_file(module)).resolve()
    return file.parents[1] if file.name == "__init__.py" else file.parent
