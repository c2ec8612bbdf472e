"""Sizes of many networks, computed without building any, and limits on these sizes.

Networks have few macros, most spaces one, and a cell builds each of its operations with the channels of its stack. So
a network's size is that of its macro plus one term for each operation of its cell: parameters of all operations,
multiply-adds and activations of those that are computed (`OperationGraphs.live`). The terms are not formulas of their
own: the macro around an empty cell and each operation alone are built once and counted, large ones without computing.
Where a network is a chain of blocks of several widths, each block that occurs is built once so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from mpnas_ray.checks import make_plain, require_count
from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import EXTENSIONS, KINDS, OPERATIONS, Architectures, parse_architecture
from trainables.networks.cell import Cell
from trainables.networks.chains import CHAINS, ChainData, build_block, plan_chains
from trainables.networks.network import ArchNetwork, Macro, chain_data, get_macro, macro_of
from trainables.networks.operations import build_operation
from trainables.networks.shapes import checked_shape

__all__ = ["NetworkSizes", "SizeLimits"]

_EMPTY_CELL = "nasbench201:|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@dataclass(frozen=True)
class NetworkSizes:
    """Parameters and multiply-adds of the networks for one kind of data; arguments as of `build_network`.

    Raises:
        TaskError: If there is no such preset, or a number is not a whole one of at least 1.
    """

    input_shape: tuple[int, ...]
    num_outputs: int
    dense: bool = False
    preset: str = "paper"

    def __post_init__(self) -> None:
        shape = checked_shape(self.input_shape, self.num_outputs, self.dense)
        object.__setattr__(self, "input_shape", shape)  # a list could not be a key
        get_macro(self.preset)

    def parameters(self, archs: Architectures) -> NDArray[np.int64]:
        """Count the trainable parameters of each network, ``[N]``, also of operations that no path reaches."""
        if archs.space.name in CHAINS:
            return _chain_sizes(self, archs, _block_parameters)
        return self._added_up(archs, "parameters", live=False)

    def flops(self, archs: Architectures) -> NDArray[np.int64]:
        """Count the multiply-adds of each network for one input, ``[N]``.

        Counted are convolutions and linear maps, one for each multiplication and addition together;
        `torch.utils.flop_counter` says twice that. Not counted are biases, norms, activations, pooling and sums, and
        what is not computed because no path reaches it. The tables of NAS-Bench-201 count norms, activations, pooling
        and dead operations too.
        """
        if archs.space.name in CHAINS:
            return _chain_sizes(self, archs, _block_flops)
        return self._added_up(archs, "flops", live=True)

    def activations(self, archs: Architectures) -> NDArray[np.int64]:
        """Count the numbers that training keeps of one input until the backward pass has used them, ``[N]``.

        As `torch.autograd` saves them; of sums in a cell, which may be kept once more, at most one for each vertex.
        """
        if archs.space.name in CHAINS:
            return _chain_sizes(self, archs, _block_activations)
        return self._added_up(archs, "activations", live=True)

    def training_bytes(self, archs: Architectures, batch_size: int) -> NDArray[np.int64]:
        """Estimate the most bytes that the tensors of a training take, in 32 bits, ``[N]``.

        Four numbers for each parameter (weight, gradient, two of AdamW), and for each activation of a batch one more,
        its gradient or what the libraries work with: on the CPU the most that trainings took was 1.4 to 2.0 times what
        is kept, over twelve networks of `mixed` in 1-D and 2-D. The data, and the libraries, are not counted.
        """
        require_count("batch_size", batch_size, error=TaskError)
        return 4 * (4 * self.parameters(archs) + 2 * batch_size * self.activations(archs))

    def _added_up(self, archs: Architectures, what: str, *, live: bool) -> NDArray[np.int64]:
        """Add the terms of the operations, all or those that are live, to the macro's: ``[N]``."""
        graphs = archs.graphs()
        counted = graphs.live() if live else np.ones(graphs.kinds.shape, dtype=bool)
        totals = np.zeros(len(archs), dtype=np.int64)
        for macro, rows in _macros(archs, self.preset):
            terms = _terms(self, macro)
            of_kind: NDArray[np.int64] = getattr(terms, what)
            totals[rows] = getattr(terms, f"macro_{what}") + np.where(
                counted[rows], of_kind[graphs.kinds[rows]], 0
            ).sum(axis=1)
        return totals


@dataclass(frozen=True)
class SizeLimits:
    """A constraint for a searcher: the networks that are small enough.

    Attributes:
        sizes: Counts parameters and multiply-adds of networks.
        max_parameters: Most trainable parameters; any number if None.
        max_flops: Most multiply-adds of one input (`NetworkSizes.flops`); any number if None.
        widths: Widths that networks with sizes of their own may have (`mpnas_ray.spaces.space.Sizes`); all if empty.
        depths: Depths that they may have; all if empty.

    Raises:
        TaskError: If a limit is not a whole number of at least 1.
    """

    sizes: NetworkSizes
    max_parameters: int | None = None
    max_flops: int | None = None
    widths: tuple[int, ...] = ()
    depths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        make_plain(self)
        for name, limit in (("max_parameters", self.max_parameters), ("max_flops", self.max_flops)):
            if limit is not None:
                require_count(name, limit, error=TaskError)

    def __call__(self, archs: Architectures) -> NDArray[np.bool_]:
        """Say which of the architectures keep the limits, bool ``[N]``."""
        return self.excess(archs) <= 1.0

    def excess(self, archs: Architectures) -> NDArray[np.float64]:
        """Divide each size by its limit, ``[N]``; the larger ratio if there are two limits. At most 1 is within.

        It is infinite for a width or a depth that is not allowed.
        """
        ratios = np.zeros(len(archs))
        if self.max_parameters is not None:
            ratios = np.maximum(ratios, self.sizes.parameters(archs) / self.max_parameters)
        if self.max_flops is not None:
            ratios = np.maximum(ratios, self.sizes.flops(archs) / self.max_flops)
        if self.widths or self.depths:
            for codes, rows in _same_sizes(archs):
                own = archs.space.sizes(codes)
                if own is not None and not (
                    own.width in (self.widths or (own.width,)) and own.depth in (self.depths or (own.depth,))
                ):
                    ratios[rows] = np.inf
        return ratios


@dataclass(frozen=True)
class _Terms:
    """Size of the macro alone, and what each kind of vertex adds, ``[len(KINDS) + 1]``; the last is "absent"."""

    macro_parameters: int
    macro_flops: int
    macro_activations: int
    parameters: NDArray[np.int64]
    flops: NDArray[np.int64]
    activations: NDArray[np.int64]


def _macros(archs: Architectures, preset: str) -> list[tuple[Macro, NDArray[np.intp]]]:
    """List the macros of the networks, each with the rows of the architectures that have it."""
    return [(macro_of(archs.space, codes, preset), rows) for codes, rows in _same_sizes(archs)]


def _same_sizes(archs: Architectures) -> list[tuple[NDArray[np.int8], NDArray[np.intp]]]:
    """Group the architectures by the sizes of their own: codes of one of each group, and the rows of all."""
    own = archs.codes[:, archs.space.code_length - archs.space.num_size_codes :]
    if not len(archs) or not own.shape[1]:
        return [(codes, np.arange(len(archs))) for codes in archs.codes[:1]]
    _, first, which = np.unique(own, axis=0, return_index=True, return_inverse=True)
    return [(archs.codes[row], np.flatnonzero(which.reshape(-1) == number)) for number, row in enumerate(first)]


@cache
def _terms(sizes: NetworkSizes, macro: Macro) -> _Terms:
    empty = parse_architecture(_EMPTY_CELL)
    cells: Counter[tuple[int, ...]] = Counter()

    def note(cell: nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        cells[tuple(inputs[0].shape[1:])] += 1

    with _cheap_device(max(macro.channels) * prod(sizes.input_shape[1:])):
        network = ArchNetwork(empty, sizes.input_shape, sizes.num_outputs, sizes.dense, macro).eval()
        macro_activations = _activations(network, sizes.input_shape)  # before the hooks, which count one pass
        for module in network.modules():
            if isinstance(module, Cell):
                module.register_forward_hook(note)
        macro_flops = _flops(network, sizes.input_shape)
    parameters, flops, activations = np.zeros((3, len(KINDS) + 1), dtype=np.int64)
    for (channels, *sides), count in cells.items():
        for operation in (*OPERATIONS, *EXTENSIONS):
            kind = KINDS.index(operation.name)
            sizes_of_one = _operation_sizes(operation.name, channels, tuple(sides))
            for total, size in zip((parameters, flops, activations), sizes_of_one, strict=True):
                total[kind] += count * size
    return _Terms(_parameters(network), macro_flops, macro_activations, parameters, flops, activations)


@cache
def _operation_sizes(name: str, channels: int, sides: tuple[int, ...]) -> tuple[int, int, int]:
    """Count parameters, multiply-adds and activations of an operation; macros share many of its shapes."""
    shape = (channels, *sides)
    with _cheap_device(prod(shape)):
        module = build_operation(name, channels, len(sides)).eval()
        return _parameters(module), _flops(module, shape), _activations(module, shape)


_Block = tuple[int, ...]
"""A row of a plan of chains."""


def _chain_sizes(
    sizes: NetworkSizes, archs: Architectures, count: Callable[[_Block, ChainData], int]
) -> NDArray[np.int64]:
    """Add up what is counted in each block of N chains, ``[N]``; each different block is built once."""
    data = chain_data(sizes.input_shape, sizes.num_outputs, sizes.dense, get_macro(sizes.preset))
    plan = plan_chains(archs, data)
    rows, of_row = np.unique(plan.reshape(-1, plan.shape[2]), axis=0, return_inverse=True)
    counted = np.array([count(tuple(row), data) if row[0] >= 0 else 0 for row in rows.tolist()], dtype=np.int64)
    total: NDArray[np.int64] = counted[of_row.reshape(plan.shape[:2])].sum(axis=1)
    return total


@cache
def _block_parameters(row: _Block, data: ChainData) -> int:
    return _of_block(row, data, lambda block, _: _parameters(block))


@cache
def _block_flops(row: _Block, data: ChainData) -> int:
    return _of_block(row, data, _flops)


@cache
def _block_activations(row: _Block, data: ChainData) -> int:
    return _of_block(row, data, _activations)


def _of_block(row: _Block, data: ChainData, count: Callable[[nn.Module, tuple[int, ...]], int]) -> int:
    _, inner, outer, halvings, _ = row
    sides = data.sides_after(halvings)
    with _cheap_device(max(inner, outer) * prod(sides)):
        return count(build_block(row, data).eval(), (inner, *sides))


_FEW = 10_000
"""Most numbers of a feature map for which computing is cheaper than the meta device."""


@contextmanager
def _cheap_device(numbers: int) -> Iterator[None]:
    """Build and count modules on the CPU if the numbers of their feature maps are few, else on torch's meta device.

    That computes nothing, but most of it is Python, and it imports torch's compiler first: a second of CPU.
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if numbers <= _FEW else "meta"):
        yield


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def _flops(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    counter = _FlopCounter()
    with counter:
        module(torch.zeros(1, *input_shape))
    return counter.total // 2


class _FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # by its __init_subclass__
    """Count as `torch.utils.flop_counter.FlopCounterMode`, which imports torch's compiler, too."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to tell it to leave this alone, torch would import it

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if count := flop_registry.get(func.overloadpacket):
            self.total += count(*args, **kwargs, out_val=output)
        return output


_NUM_INPUTS = 2
"""Number of inputs of the pass that counts: batch norm needs more than one in training."""


def _activations(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Count the numbers that a training step keeps for each input, parameters left out."""
    kept: dict[int, int] = {}
    alive: list[Any] = []  # as long as they are, no two storages have one id

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        alive.append(storage)
        kept.setdefault(storage._cdata, tensor.numel())
        return tensor

    own = {parameter.untyped_storage()._cdata for parameter in module.parameters()}
    module.train()
    inputs = torch.zeros(_NUM_INPUTS, *input_shape, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = module(inputs)
    module.eval()
    saved = sum(count for storage, count in kept.items() if storage not in own)
    return int(saved + output.numel()) // _NUM_INPUTS
