"""Keep samples on disk, in files that all processes of a node map into their memory.

A mapped tensor is read from the disk where it is used, a page at a time, and the system drops pages as it needs the
memory: data may be larger than it, and trials side by side share one copy. Each set of samples has a folder, which is
written whole and then takes its name. It stands for one state of its source: samples of another state take its place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.errors import TaskError
from trainables.tasks.core.data import Split, TaskData

__all__ = [
    "FOLDER_VARIABLE",
    "MappedData",
    "check_room",
    "kept",
    "mapped",
    "read_data",
    "samples_folder",
    "write_part",
    "writing",
]

FOLDER_VARIABLE = "MPNAS_CACHE_DIR"
"""Environment variable that names the folder of samples; each node may have its own."""

_FORMAT = 1
"""Format of the files; another one makes them anew."""

_PARTS = ("train", "validation", "test")

_PIECE_BYTES = 2**24
"""Bytes that are read and written at a time."""

_T = TypeVar("_T")


class MappedData(TaskData):
    """Data of a task in files that are mapped into memory; what is written into its tensors stays in this process."""


def samples_folder() -> Path:
    """Return the folder of samples, which `FOLDER_VARIABLE` names; by default it is in the user's cache folder."""
    return Path(os.environ.get(FOLDER_VARIABLE) or platformdirs.user_cache_dir("mpnas-ray")).expanduser() / "samples"


def check_room(num_bytes: int, what: str, advice: str) -> None:
    """Refuse samples for which the disk has no room, before they are read.

    Args:
        num_bytes: Bytes that they will take.
        what: Subject of the message.
        advice: A way to need less.

    Raises:
        TaskError: If they need more than is free, or the folder of samples cannot be made.
    """
    with writing():
        samples_folder().mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(samples_folder()).free
    if num_bytes > free:
        raise TaskError(
            f"{what} would take {num_bytes / 1e9:.1f} GB in {samples_folder()}, where {free / 1e9:.1f} GB are free: "
            f"{advice}, or name a folder on another disk by {FOLDER_VARIABLE}."
        )


def kept(owner: str, state: object, write: Callable[[Path], None], read: Callable[[Path], _T]) -> _T:
    """Read the samples of an owner in a state, which are written first if they are not there.

    Of several processes that want the same samples one writes them, and the others wait. Samples of the owner in
    another state are deleted; processes that have mapped them keep them.

    Args:
        owner: Source of the samples, with all that does not change while it stays the same source.
        state: Anything whose ``repr`` changes with the samples.
        write: Writes the files into an empty folder.
        read: Reads the files; OSError and ValueError mean that they are damaged, and they are written again.

    Raises:
        TaskError: If the folder cannot be written; and what ``write`` raises.
    """
    home = samples_folder() / blake2b(owner.encode(), digest_size=8).hexdigest()
    folder = home / blake2b(repr((_FORMAT, state)).encode(), digest_size=16).hexdigest()
    found = _try(read, folder)
    if found is not None:
        return found
    with writing():
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home / "lock")
        lock.acquire()
    try:
        found = _try(read, folder)  # another process may have written them
        if found is not None:
            return found
        for other in home.iterdir():
            if other.is_dir():  # of another state, or left by a process that was killed
                shutil.rmtree(other, ignore_errors=True)
        with writing():
            (home / "source.txt").write_text(f"{owner}\n", encoding="utf-8")  # for people
            new = Path(tempfile.mkdtemp(prefix="part-", dir=home))
            new.chmod(0o755)  # others may read it, as they may any file
        try:
            write(new)
            with writing():
                new.replace(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return read(folder)
    finally:
        lock.release()


def _try(read: Callable[[Path], _T], folder: Path) -> _T | None:
    try:
        return read(folder)
    except (OSError, ValueError):
        return None


@contextmanager
def writing() -> Iterator[None]:
    """Turn an OSError of writing into the folder of samples into a TaskError that says how to name another one."""
    try:
        yield
    except OSError as error:
        raise TaskError(
            f"{samples_folder()}, where samples are kept, cannot be written ({error}): name another folder by the "
            f"environment variable {FOLDER_VARIABLE}."
        ) from error


def write_part(
    folder: Path, part: str, arrays: Mapping[str, NDArray[Any]], rows: NDArray[np.int64] | None = None
) -> None:
    """Write one part of a task's data, a file for each array.

    Args:
        folder: Folder of the files.
        part: ``train``, ``validation`` or ``test``.
        arrays: ``inputs``, ``targets`` and, if there are some, ``groups``, each ``[N, ...]``; they may be mapped files
            themselves.
        rows: Rows to write, in this order; all if None.

    Raises:
        TaskError: If they cannot be written.
    """
    for name, array in arrays.items():
        chosen = np.arange(len(array)) if rows is None else rows
        header = {
            "descr": np.lib.format.dtype_to_descr(array.dtype),
            "fortran_order": False,
            "shape": (len(chosen), *array.shape[1:]),
        }
        step = max(1, _PIECE_BYTES // max(1, array[:1].nbytes))
        # Written, and not mapped: a full disk is an error then, and no signal that ends the process.
        with writing(), _file(folder, part, name).open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(chosen), step):
                file.write(np.ascontiguousarray(array[chosen[start : start + step]]).tobytes())


def read_data(folder: Path) -> MappedData:
    """Map the parts of a task's data that `write_part` wrote.

    Raises:
        OSError: If a file is not there.
        ValueError: If a file is damaged.
    """
    parts = {}
    for part in _PARTS:
        groups = _map(_file(folder, part, "groups")) if _file(folder, part, "groups").exists() else None
        parts[part] = Split(_map(_file(folder, part, "inputs")), _map(_file(folder, part, "targets")), groups)
    return MappedData(**parts)


def _file(folder: Path, part: str, name: str) -> Path:
    return folder / f"{part}-{name}.npy"


def _map(file: Path) -> Tensor:
    return torch.from_numpy(np.lib.format.open_memmap(file, mode="c"))


def mapped(owner: str, data: TaskData) -> MappedData:
    """Put data that are in memory on disk, and map them: those of the same content are written once.

    Args:
        owner: Name of the data.
        data: Data of a task.

    Raises:
        TaskError: If the folder of samples cannot be written.
    """
    if isinstance(data, MappedData):
        return data
    arrays = {part: _arrays(getattr(data, part)) for part in _PARTS}
    content = blake2b(digest_size=16)
    for part, of_part in arrays.items():
        for name, array in of_part.items():
            content.update(f"{part} {name} {array.dtype} {array.shape}".encode())
            content.update(array.data if array.size else b"")

    def write(folder: Path) -> None:
        for part, of_part in arrays.items():
            write_part(folder, part, of_part)

    return kept(f"data {owner}", content.hexdigest(), write, read_data)


def _arrays(split: Split) -> dict[str, NDArray[Any]]:
    tensors = {"inputs": split.inputs, "targets": split.targets, "groups": split.groups}
    return {name: np.ascontiguousarray(tensor.cpu().numpy()) for name, tensor in tensors.items() if tensor is not None}
