"""The shape of inputs and the number of outputs that a network is built for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpnas_ray.checks import require_bool, require_count
from mpnas_ray.errors import TaskError

__all__ = ["checked_shape"]


def checked_shape(input_shape: Any, num_outputs: Any, dense: Any) -> tuple[int, ...]:
    """Check the shape of the inputs and return it as a tuple of plain integers.

    Args:
        input_shape: ``(channels, length)`` or ``(channels, height, width)``.
        num_outputs: Number of classes, or of output channels if ``dense``.
        dense: Whether to predict at every position.

    Raises:
        TaskError: If one of these is of a wrong type or out of range.
    """
    if not isinstance(input_shape, Sequence) or isinstance(input_shape, str) or len(input_shape) not in (2, 3):
        raise TaskError(f"input_shape is (channels, length) or (channels, height, width), not {input_shape!r}.")
    for size in input_shape:
        require_count(f"Each number of input_shape {tuple(input_shape)}", size, error=TaskError)
    require_count("num_outputs", num_outputs, error=TaskError)
    require_bool("dense", dense, error=TaskError)
    return tuple(int(size) for size in input_shape)
