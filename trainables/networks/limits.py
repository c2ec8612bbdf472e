"""Sizes of many networks at once, none of them built, and limits on these sizes.

All spaces share one macro, and a cell builds each of its operations with the channels of its stack. So a network's
size is that of the macro plus one term for each operation of its cell: parameters of all operations, multiply-adds of
those that are computed (`OperationGraphs.live`). The terms are not formulas of their own: the macro around an empty
cell and each operation alone are built once on torch's meta device and counted there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import KINDS, OPERATIONS, Architectures
from trainables.networks.cell import Cell
from trainables.networks.network import build_network
from trainables.networks.operations import build_operation

__all__ = ["NetworkSizes", "SizeLimits"]

_EMPTY_CELL = "nasbench201:|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@dataclass(frozen=True)
class NetworkSizes:
    """Parameters and multiply-adds of the networks for one kind of data; arguments as of `build_network`."""

    input_shape: tuple[int, ...]
    num_outputs: int
    dense: bool = False
    preset: str = "paper"

    def parameters(self, archs: Architectures) -> NDArray[np.int64]:
        """Trainable parameters of each network, ``[N]``: those of operations that no path reaches too."""
        terms = _terms(self)
        added: NDArray[np.int64] = terms.parameters[archs.graphs().kinds].sum(axis=1)
        return terms.macro_parameters + added

    def flops(self, archs: Architectures) -> NDArray[np.int64]:
        """Multiply-adds of each network for one input, ``[N]``.

        Counted are convolutions and linear maps, one for each multiplication and addition together;
        `torch.utils.flop_counter` says twice that. Not counted are biases, norms, activations, pooling and sums, and
        what is not computed because no path reaches it. The tables of NAS-Bench-201 count norms, activations, pooling
        and dead operations too.
        """
        terms, graphs = _terms(self), archs.graphs()
        added: NDArray[np.int64] = np.where(graphs.live(), terms.flops[graphs.kinds], 0).sum(axis=1)
        return terms.macro_flops + added


@dataclass(frozen=True)
class SizeLimits:
    """A constraint for a searcher: which networks are small enough.

    Attributes:
        sizes: How the networks are counted.
        max_parameters: Most trainable parameters; any number if None.
        max_flops: Most multiply-adds of one input (`NetworkSizes.flops`); any number if None.
    """

    sizes: NetworkSizes
    max_parameters: int | None = None
    max_flops: int | None = None

    def __post_init__(self) -> None:
        for name, limit in (("max_parameters", self.max_parameters), ("max_flops", self.max_flops)):
            if limit is not None and limit < 1:
                raise TaskError(f"{name} must be at least 1, not {limit}.")

    def __call__(self, archs: Architectures) -> NDArray[np.bool_]:
        """Which of the architectures keep the limits, ``[N]``."""
        return self.excess(archs) <= 1.0

    def excess(self, archs: Architectures) -> NDArray[np.float64]:
        """Size over limit of each, ``[N]``, the larger ratio if there are two limits; 1 or less is within."""
        ratios = np.zeros(len(archs))
        if self.max_parameters is not None:
            ratios = np.maximum(ratios, self.sizes.parameters(archs) / self.max_parameters)
        if self.max_flops is not None:
            ratios = np.maximum(ratios, self.sizes.flops(archs) / self.max_flops)
        return ratios


@dataclass(frozen=True)
class _Terms:
    """What a macro counts by itself, and what each kind of vertex adds, ``[len(KINDS) + 1]``; the last is "absent"."""

    macro_parameters: int
    macro_flops: int
    parameters: NDArray[np.int64]
    flops: NDArray[np.int64]


@cache
def _terms(sizes: NetworkSizes) -> _Terms:
    with torch.device("meta"):
        network = build_network(_EMPTY_CELL, sizes.input_shape, sizes.num_outputs, sizes.dense, sizes.preset).eval()
    cells: Counter[tuple[int, ...]] = Counter()

    def note(cell: nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        cells[tuple(inputs[0].shape[1:])] += 1

    for module in network.modules():
        if isinstance(module, Cell):
            module.register_forward_hook(note)
    macro_flops = _flops(network, sizes.input_shape)
    parameters, flops = np.zeros((2, len(KINDS) + 1), dtype=np.int64)
    for (channels, *sides), count in cells.items():
        for kind in OPERATIONS:
            with torch.device("meta"):
                operation = build_operation(kind, channels, len(sides)).eval()
            parameters[KINDS.index(kind)] += count * _parameters(operation)
            flops[KINDS.index(kind)] += count * _flops(operation, (channels, *sides))
    return _Terms(_parameters(network), macro_flops, parameters, flops)


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def _flops(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    with FlopCounterMode(display=False) as counter:
        module(torch.empty(1, *input_shape, device="meta"))
    return int(counter.get_total_flops()) // 2
