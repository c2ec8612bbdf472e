"""Codes of linear regions: for each input, the ReLUs of a network that are active."""

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
"""Functions that compute a ReLU; modules call them too."""


@torch.no_grad()
def relu_codes(network: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Pass a batch of N inputs through a network and record which ReLUs are active.

    Returns:
        A bool tensor ``[N, units]`` for each ReLU that the pass goes through: whether the unit is active.

    Raises:
        TaskError: If the pass goes through no ReLU.
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
    """A mode of torch that sees every call of ReLU, by modules and by functions alike."""

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
        """Do the call, and record the active units if it is a ReLU."""
        result = func(*args, **(kwargs or {}))
        if func in _RELUS:
            self.codes.append((result > 0).flatten(1))
        return result
