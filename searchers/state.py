"""A searcher's state as one file: plain values and arrays, nothing that could run code when it is read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import SearcherStateError

__all__ = ["read_state", "write_state"]

_FORMAT = 2

Arrays = dict[str, NDArray[Any]]


def write_state(path: str | Path, plain: dict[str, Any], arrays: Arrays) -> None:
    """Write whole and rename, so that a file that was there survives a crash.

    Args:
        path: The file; Tune chooses its name, whose suffix does not matter.
        plain: What JSON can hold.
        arrays: Arrays of numbers.
    """
    text = json.dumps({"format": _FORMAT, **plain})
    part = Path(f"{path}.part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, plain=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)
    part.replace(path)


def read_state(path: str | Path) -> tuple[dict[str, Any], Arrays]:
    """Inverse of `write_state`.

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
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise SearcherStateError(f"{path} is not a searcher state of mpnas-ray, or is damaged: {error}") from error
    if version != _FORMAT:
        raise SearcherStateError(
            f"{path} has format {version}; this version of mpnas-ray reads {_FORMAT}. Restore it with the version of "
            f"mpnas-ray that wrote it; or begin anew with its results: evaluated=[(arch, value), ...]."
        )
    return plain, arrays
