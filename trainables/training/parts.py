"""The parts of a task's data as a training reads them, in batches that are on its device and encoded.

Both kinds give the same batches, bit for bit: an encoding changes each sample by itself.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from trainables.networks.scaling import Encoder
from trainables.tasks.core.task import Split

__all__ = ["Batch", "Part", "PartInMemory", "PartOnDisk", "Rows", "encode"]

Rows: TypeAlias = Tensor | slice
"""Rows of one batch: int64 ``[n]`` on the CPU, or a slice."""

Batch: TypeAlias = tuple[Tensor, Tensor]
"""Encoded inputs and raw targets of one batch, on the device of the training."""

_NUM_LOADERS = 2
"""Processes that read batches for a GPU, so that it does not wait for the disk. Chosen, not measured: no GPU was at
hand. A training on the CPU reads by itself: its cores have enough to do."""

_PIECE = 2**24
"""Numbers that are encoded at a time, where all are to be in memory."""


class Part(Protocol):
    """One part of a task's data.

    Attributes:
        targets: Raw targets of all samples.
        groups: Groups of all samples; None if there are none.
    """

    @property
    def targets(self) -> Tensor: ...
    @property
    def groups(self) -> Tensor | None: ...
    def __len__(self) -> int: ...
    def batches(self, order: Sequence[Rows]) -> Iterator[Batch]:
        """Give one batch after the other, each of the rows named."""
        ...


@dataclass(frozen=True, eq=False)
class PartInMemory:
    """A part that lies in the memory of the device, encoded once.

    Attributes:
        inputs: Encoded inputs.
        targets: Raw targets.
        groups: Groups of the samples.
    """

    inputs: Tensor
    targets: Tensor
    groups: Tensor | None = None

    @classmethod
    def of(cls, split: Split, encoder: Encoder, device: torch.device) -> PartInMemory:
        """Encode a part, some samples at a time: what is computed on the way is of its size."""
        step = max(1, _PIECE // max(1, split.inputs[:1].numel()))
        first, *others = torch.split(split.inputs, step)
        inputs = encode(first, encoder, device)
        if others:
            shape = (len(split), *inputs.shape[1:])
            layout = torch.contiguous_format if inputs.is_contiguous() else torch.channels_last
            whole = torch.empty(shape, dtype=inputs.dtype, device=device, memory_format=layout)
            for number, piece in enumerate([first, *others]):
                whole[number * step : (number + 1) * step] = encode(piece, encoder, device)
            inputs = whole
        return cls(inputs, split.targets.to(device), split.groups)

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, order: Sequence[Rows]) -> Iterator[Batch]:
        """Take batches out of memory; those of slices are not copied."""
        for rows in order:
            here = rows.to(self.inputs.device) if isinstance(rows, Tensor) else rows
            yield self.inputs[here], self.targets[here]


@dataclass(frozen=True, eq=False)
class PartOnDisk:
    """A part in files that are mapped into memory: batches are read, moved to the device and encoded one by one.

    Attributes:
        split: Raw samples.
        encoder: Encoder on the device.
        device: Device of the training.
    """

    split: Split
    encoder: Encoder
    device: torch.device

    @property
    def targets(self) -> Tensor:
        """Raw targets, on the CPU."""
        return self.split.targets

    @property
    def groups(self) -> Tensor | None:
        """Groups of the samples."""
        return self.split.groups

    def __len__(self) -> int:
        return len(self.split)

    def batches(self, order: Sequence[Rows]) -> Iterator[Batch]:
        """Read batches, for a GPU ahead of their use."""
        on_gpu = self.device.type == "cuda"
        # Processes that are forked share the mapped files; others would get copies of them.
        loaders = _NUM_LOADERS if on_gpu and "fork" in multiprocessing.get_all_start_methods() else 0
        yield from self._read(order, loaders)

    def _read(self, order: Sequence[Rows], loaders: int) -> Iterator[Batch]:
        """Read batches by so many processes; this one if 0."""
        on_gpu = self.device.type == "cuda"
        loader = DataLoader(
            _Samples(self.split),
            batch_size=None,  # a batch is read as one
            sampler=order,
            num_workers=loaders,
            pin_memory=on_gpu,
            generator=torch.Generator(),  # else it would draw from that of the training
            multiprocessing_context="fork" if loaders else None,
        )
        for inputs, targets in loader:
            yield encode(inputs, self.encoder, self.device), targets.to(self.device, non_blocking=True)


class _Samples(Dataset[Batch]):
    """The raw samples of a part, read by the rows of a batch."""

    def __init__(self, split: Split) -> None:
        self._split = split

    def __getitem__(self, rows: Rows) -> Batch:
        return self._split.inputs[rows], self._split.targets[rows]


def encode(inputs: Tensor, encoder: Encoder, device: torch.device) -> Tensor:
    """Move raw samples to a device and encode them; images get the layout that convolutions are fastest in."""
    encoded: Tensor = encoder(inputs.to(device, non_blocking=True))
    if encoded.ndim == 4:
        encoded = encoded.contiguous(memory_format=torch.channels_last)  # 1.1 to 1.6 times the speed
    return encoded
