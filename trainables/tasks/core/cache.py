"""Data sets that are made rather than downloaded are kept on disk, by their parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from mpnas_ray.errors import TaskError
from mpnas_ray.files.atomic import atomic_path

__all__ = ["cached_arrays", "check_data_dir", "data_folder"]


def data_folder(data_dir: Path | None) -> Path:
    """Return the user's folder for data, or the default one in the user's cache folder."""
    return Path(data_dir) if data_dir is not None else Path(platformdirs.user_cache_dir("mpnas-ray"))


def check_data_dir(data_dir: str | Path | None) -> Path | None:
    """Return the folder of data files that a user names, as an absolute path; None for none.

    Raises:
        TaskError: If there is no such folder.
    """
    if data_dir is None:
        return None
    folder = Path(data_dir).expanduser().resolve()
    if not folder.is_dir():
        raise TaskError(f"There is no folder {folder}: --data-dir names the one where the data files are.")
    return folder


def cached_arrays(
    data_dir: Path | None, file_name: str, make: Callable[[], dict[str, NDArray[np.float32]]]
) -> dict[str, NDArray[np.float32]]:
    """Read the arrays of a file, which is made if it is not there.

    The file is written whole and renamed, so that processes that make it at the same time do each other no harm.

    Args:
        data_dir: Folder of the file; the user's cache folder if None.
        file_name: Name of the file; it must say everything that the arrays depend on.
        make: Function that computes the arrays.

    Raises:
        TaskError: If the file is damaged, or its folder cannot be written.
    """
    folder = data_folder(data_dir)
    path = folder / file_name
    if path.exists():
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except Exception as error:  # numpy, zipfile and zlib raise many kinds
            raise TaskError(f"{path} is damaged ({error}): delete it, it will be made again.") from error
    arrays = make()
    try:
        with atomic_path(path) as part, part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    except OSError as error:
        raise TaskError(f"{folder} cannot be written ({error}): name another folder for data.") from error
    return arrays
