"""``.npy`` files, also those that hold Python objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mpnas_ray.errors import TaskError
from trainables.tasks.formats.plain_pickle import load_plain_pickle

__all__ = ["load_npy"]


def load_npy(path: Path) -> Any:
    """Read the array of a file, or the object in it, if it is a dict that ``numpy.save`` wrote.

    Arrays of objects are pickles inside: they are read by `load_plain_pickle`.

    Raises:
        TaskError: If the file is damaged, or holds objects other than plain ones.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(file)
            if dtype.hasobject:
                array = load_plain_pickle(file, path)
                if not isinstance(array, np.ndarray) or array.shape != shape:
                    raise ValueError("what it holds is not what its header says")
                return array.item() if shape == () else array
        return np.load(path, allow_pickle=False)
    except TaskError:
        raise
    except Exception as error:  # numpy parses the header as Python's own syntax, which fails in many ways
        raise TaskError(f"{path} is damaged ({error}): get it again from its source.") from error
