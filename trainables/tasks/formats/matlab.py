"""MATLAB files of either kind: version 5, and version 7.3, which is HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mpnas_ray.errors import TaskError
from mpnas_ray.extras import require_extra

__all__ = ["MatlabFile"]


class MatlabFile:
    """The variables of one file, read one at a time, since each may fill the memory."""

    def __init__(self, path: Path) -> None:
        """Find out which kind of file it is.

        Raises:
            TaskError: If it cannot be read.
        """
        self.path = path
        try:
            with path.open("rb") as file:
                self._is_hdf5 = file.read(19) == b"MATLAB 7.3 MAT-file"
        except OSError as error:
            raise TaskError(f"{path} cannot be read ({error}).") from error

    def read(self, name: str) -> np.ndarray[Any, Any]:
        """Read one variable, its axes in MATLAB's order.

        Raises:
            TaskError: If the file is damaged, lacks the variable, or needs a library that is not installed.
        """
        from scipy.io import loadmat  # a quarter of a second to import: late, as few processes need it

        try:
            values = self._read_hdf5(name) if self._is_hdf5 else loadmat(self.path, variable_names=[name])[name]
        except KeyError as error:
            raise TaskError(f"{self.path} holds no variable {name!r}: it is not the published file.") from error
        except TaskError:
            raise
        except Exception as error:  # scipy and h5py raise many kinds
            problem = f"{type(error).__name__}: {error}"
            raise TaskError(f"{self.path} is damaged ({problem}): get it again from its source.") from error
        return np.asarray(values)

    def _read_hdf5(self, name: str) -> np.ndarray[Any, Any]:
        require_extra("hdf5", "h5py", to=f"{self.path} is of MATLAB's version 7.3, which", error=TaskError)
        import h5py

        with h5py.File(self.path, "r") as file:
            return np.transpose(np.asarray(file[name]))  # HDF5 has the axes of MATLAB the other way round
