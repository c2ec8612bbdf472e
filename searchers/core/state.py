"""A searcher's state as one file: plain values and arrays, nothing that could run code when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import SearcherStateError
from mpnas_ray.files.atomic import atomic_path

__all__ = ["Arrays", "array_of", "read_state", "value_of", "write_state"]

_FORMAT = 4
"""Raised whenever the entries of a state change; mpnas-ray 0.1 wrote the formats 2 and 3."""

Arrays = dict[str, NDArray[Any]]

_T = TypeVar("_T")


def write_state(path: str | Path, plain: dict[str, Any], arrays: Arrays) -> None:
    """Write a state whole and rename it, so that a file that was there survives a crash.

    Args:
        path: Path of the file; Tune chooses its name, whose suffix does not matter.
        plain: Entries that JSON can hold.
        arrays: Arrays of numbers by name.
    """
    text = json.dumps({"format": _FORMAT, **plain})
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, plain=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)


def read_state(path: str | Path, **of: str | int) -> tuple[dict[str, Any], Arrays]:
    """Read a state that `write_state` wrote.

    Args:
        path: Path of the file.
        of: Entries that the state must have, such as the name of its searcher.

    Raises:
        SearcherStateError: If the file is missing, damaged, of another format or of something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        plain: dict[str, Any] = json.loads(arrays.pop("plain").tobytes().decode())
        version = plain.pop("format")
    except FileNotFoundError as error:
        raise SearcherStateError(f"There is no searcher state at {path}.") from error
    except Exception as error:  # a damaged archive makes zipfile, zlib and numpy raise many kinds of error
        raise SearcherStateError(f"{path} is not a searcher state of mpnas-ray, or is damaged: {error}") from error
    if version != _FORMAT:
        raise SearcherStateError(
            f"{path} has format {version}; this version of mpnas-ray reads {_FORMAT}. Restore it with the version of "
            f"mpnas-ray that wrote it; or begin anew with its results: evaluated=[(arch, value), ...]."
        )
    for name, mine in of.items():
        if plain.get(name) != mine:
            owner = ", ".join(f"{each}={plain.get(each)!r}" for each in of)
            raise SearcherStateError(
                f"{path} is the state of {name} {plain.get(name)!r}, not {mine!r}: restore it into what it was saved "
                f"from ({owner})."
            )
    return plain, arrays


def value_of(plain: Mapping[str, Any], name: str, kind: type[_T], *, least: float | None = None) -> _T:
    """Return an entry of a state that must be of a type.

    Args:
        plain: The state, or a part of it.
        name: Name of the entry.
        kind: Type of the value; a float may be written as an integer, and a number is never a boolean.
        least: Lowest value of a number; None for any.

    Raises:
        SearcherStateError: If it is missing, of another type or too low.
    """
    value: Any = plain.get(name)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SearcherStateError(f"{name} is {value!r}, which is not of type {kind.__name__}")
    if least is not None and not value >= least:  # type: ignore[operator]
        raise SearcherStateError(f"{name} is {value!r}, which is below {least}")
    return value


def array_of(arrays: Arrays, name: str, kind: type[np.generic], dimensions: int) -> NDArray[Any]:
    """Return an array of a state that must have a type and a number of dimensions.

    Raises:
        SearcherStateError: If it is missing or another.
    """
    array = arrays.get(name)
    if array is None or array.ndim != dimensions or not np.issubdtype(array.dtype, kind):
        found = "missing" if array is None else f"{array.dtype} {list(array.shape)}"
        raise SearcherStateError(f"the array {name} is {found}, not {kind.__name__} of {dimensions} dimensions")
    return array
