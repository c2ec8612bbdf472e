"""``.ts`` files of the UCR and UEA archives: labelled series of one length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import TaskError
from mpnas_ray.files.text import numbers

__all__ = ["load_ts"]


def load_ts(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read series and classes.

    Comments begin with ``#``, the head's lines with ``@``; then comes a series a line, its channels and its label
    separated by colons, its steps by commas.

    Returns:
        Series ``[N, channels, length]``, and for each the index of its label in the head's list.

    Raises:
        TaskError: If the file is damaged or its series differ in length.
    """
    labels: list[str] = []
    series: list[Any] = []
    classes: list[int] = []
    in_data = False
    try:
        for line in filter(None, map(str.strip, path.read_text().splitlines())):
            if in_data:
                *channels, label = line.split(":")
                series.append([numbers(channel.split(",")).astype(np.float32) for channel in channels])
                classes.append(labels.index(label))
            elif line.lower().startswith("@classlabel"):
                labels = line.split()[2:]
            elif line.lower() == "@data":
                in_data = True
        if not series:
            raise ValueError("it holds no series")
        return np.stack([np.stack(channels) for channels in series]), np.array(classes, dtype=np.int64)
    except (OSError, ValueError) as error:
        raise TaskError(f"{path} cannot be read as labelled series of one length ({error}).") from error
