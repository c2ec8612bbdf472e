"""Tasks of users, as named on a command line: ``module:variable``, or ``file.py:variable``."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from mpnas_ray.errors import TaskError
from mpnas_ray.names import did_you_mean
from trainables.data_options import SCHEMES, scheme_of
from trainables.user_code import user_code_failed

__all__ = ["find_variable", "module_reference", "path_of_files"]

_LOGGER = logging.getLogger(__name__)

_T = TypeVar("_T")


def module_reference(name: str) -> str:
    """Turn ``folder/file.py:variable`` into ``folder.file:variable``, by which workers find it, too.

    Other names stay as they are, and so does ``images.py:variable``, since ``images:...`` is a folder. The file must
    lie in the current folder or in one of Python's path: a task travels to workers as the name of its module.

    Raises:
        TaskError: If there is no such file, or no module name for it.
    """
    found = _module_of(name)
    return name if scheme_of(found) else found


def path_of_files(name: str) -> Path:
    """Return the absolute path in ``images:FOLDER`` and the like; a module of that name is not meant, and told of.

    Raises:
        TaskError: If there is no path, or no file there, though there may be a variable of that name in a module.
    """
    scheme, _, text = name.partition(":")
    if not text:
        raise TaskError(f"{name!r} names nothing: it is to be {SCHEMES[scheme]}.")
    path = Path(text).expanduser().resolve()
    if text.isidentifier() and (module := _module_file(scheme)):  # never so in what a run's record holds
        if not path.exists():
            raise TaskError(
                f"Task {name!r}: {SCHEMES[scheme]}, and there is no {path}. For the variable {text} in {module}, write "
                f"{scheme}.py:{text}."
            )
        _say_what_is_taken(name, path, module)
    return path


@cache
def _say_what_is_taken(name: str, path: Path, module: str) -> None:
    scheme, _, text = name.partition(":")
    _LOGGER.warning(
        "The task %s is the data in %s; for the variable %s in %s, write %s.py:%s.",
        *(name, path, text, module, scheme, text),
    )


def _module_file(name: str) -> str | None:
    """The file of a module that Python finds; modules of Python itself, such as csv, are none."""
    here = Path(f"{name}.py").resolve()
    if here.is_file():
        return str(here)
    found = None if name in sys.stdlib_module_names else importlib.util.find_spec(name)
    return found.origin if found else None


def _module_of(name: str) -> str:
    """Turn the name of a file into that of its module, as `module_reference` says."""
    file, variable = _file_named(name), name.rpartition(":")[2]
    if file is None:
        return name
    if not file.is_file():
        raise TaskError(f"Task {name!r}: there is no file {file}.{_similar_file(file)}")
    folders = [Path.cwd(), *(Path(entry).resolve() for entry in sys.path if entry)]
    root = next((folder for folder in folders if file.is_relative_to(folder)), None)
    parts = () if root is None else file.relative_to(root).with_suffix("").parts
    if parts[-1:] == ("__init__",):
        parts = parts[:-1]
    if not parts or any("." in part for part in parts):
        raise TaskError(
            f"Task {name!r}: Python, and so a worker of Ray, finds modules in the current folder and on PYTHONPATH, "
            f"and {file} is not a module there: start mpnas in {file.parent}, and write {file.stem}:{variable}."
        )
    return f"{'.'.join(parts)}:{variable}"


def find_variable(name: str, kind: type[_T]) -> _T:
    """Import what ``module:variable`` or ``file.py:variable`` names.

    Args:
        name: Name as the user wrote it.
        kind: Class that the variable's value must be of.

    Raises:
        TaskError: If there is no such module, file or variable, or if its value is something else.
        UserCodeError: If the module fails when it is imported.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # a console script, unlike `python -m`, does not look where it is started
    module_name, _, variable = _module_of(name).rpartition(":")
    if not variable or not all(module_name.split(".")):
        raise TaskError(f"{name!r} is not module:variable, such as my_module:TASK.")
    module = _import(name, module_name)
    file = _file_named(name)
    if file is not None and Path(module.__file__ or "").resolve() != file:
        raise TaskError(
            f"Task {name!r}: Python finds {_file_of(module)} under the name {module_name}, before {file}: give your "
            f"file another name."
        )
    found = getattr(module, variable, None)
    if isinstance(found, kind):
        return found
    there = [known for known, value in vars(module).items() if isinstance(value, kind)]
    problem = f"{variable} is {'None' if found is None else f'of type {type(found).__name__}'}, not a {kind.__name__}"
    if not hasattr(module, variable):
        problem = f"there is no variable {variable!r}"
    raise TaskError(
        f"Task {name!r}: {problem} in {_file_of(module)}; it has {', '.join(there) or f'no {kind.__name__}'}."
        f"{did_you_mean(variable, there)}"
    )


def _file_named(name: str) -> Path | None:
    """Return the file of ``file.py:variable`` or ``folder/file:variable``; None for the name of a module."""
    file = name.rpartition(":")[0]
    if not ("/" in file or file.endswith(".py")):
        return None
    return Path(file if file.endswith(".py") else f"{file}.py").expanduser().resolve()


def _import(name: str, module_name: str) -> ModuleType:
    importlib.invalidate_caches()  # a file may be new
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise user_code_failed(f"Task {name!r} cannot be imported", error) from error
        files = [path.stem for path in Path.cwd().glob("*.py")]
        raise TaskError(
            f"Task {name!r} cannot be imported: {error}. Modules are found in {Path.cwd()} and on PYTHONPATH."
            f"{did_you_mean(module_name, [*SCHEMES, *files])}"
        ) from error
    except (Exception, SystemExit) as error:
        raise user_code_failed(f"Task {name!r} cannot be imported", error) from error


def _file_of(module: ModuleType) -> str:
    return str(module.__file__ or f"the module {module.__name__}")


def _similar_file(file: Path) -> str:
    return did_you_mean(file.name, [path.name for path in file.parent.glob("*.py")])
