"""The processes that train one network together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from mpnas_ray.checks import require_count
from mpnas_ray.errors import TaskError

__all__ = ["Workers"]


@dataclass(frozen=True)
class Workers:
    """One of the processes that train a network together, each on its share of every batch.

    Attributes:
        rank: Number of this process, from 0.
        count: Number of all processes, joined in `torch.distributed`'s default group.

    Raises:
        TaskError: If there is no such process.
    """

    rank: int
    count: int

    def __post_init__(self) -> None:
        require_count("count", self.count, error=TaskError)
        require_count("rank", self.rank, 0, self.count - 1, error=TaskError)

    def share(self, samples: Tensor) -> Tensor:
        """Cut out this process's part of a batch; parts differ by at most one sample."""
        return samples.tensor_split(self.count)[self.rank]

    def total(self, value: Tensor) -> Tensor:
        """Sum a value over all processes."""
        total = value.clone()
        distributed.all_reduce(total)
        return total

    def gather(self, outputs: Tensor, num: int) -> Tensor:
        """Collect the outputs of all processes for ``num`` samples, in the order of the samples.

        Args:
            outputs: Outputs for this process's share of the samples; shares are filled up to one size.
            num: Number of samples without what fills the shares up.
        """
        parts = [torch.empty_like(outputs) for _ in range(self.count)]
        distributed.all_gather(parts, outputs.contiguous())
        return torch.cat(parts)[:num]
