"""Which ReLUs are active for which input: the code in which a network of ReLUs writes the linear region of an input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from mpnas_ray.errors import TaskError

__all__ = ["relu_codes"]

_RELUS = {torch.relu, torch.relu_, F.relu, F.relu_, Tensor.relu, Tensor.relu_}
"""Modules call these too."""


@torch.no_grad()
def relu_codes(network: nn.Module, inputs: Tensor) -> list[Tensor]:
    """One pass over a batch of N inputs.

    Returns:
        A bool tensor ``[N, units]`` for each ReLU that the pass goes through: whether the unit is active.

    Raises:
        TaskError: If there is none.
    """
    recording = _Recording()
    with recording:
        network(inputs)
    if not recording.codes:
        raise TaskError(
            f"{type(network).__name__} goes through no ReLU, and this proxy compares inputs by the ReLUs that they "
            f"activate: choose another proxy."
        )
    return recording.codes


class _Recording(TorchFunctionMode):
    """Sees every call of ReLU, by modules and by functions alike."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do the call, and keep what it switched on."""
        result = func(*args, **(kwargs or {}))
        if func in _RELUS:
            self.codes.append((result > 0).flatten(1))
        return result
