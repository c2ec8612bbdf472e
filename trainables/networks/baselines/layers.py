"""Layers that several networks share, and the check that refuses data that a network is not made for."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from mpnas_ray.errors import TaskError
from trainables.networks.operations import conv

__all__ = ["SameConv1d", "head", "require"]


def head(dimensions: int, channels: int, num_outputs: int, dense: bool) -> nn.Module:
    """Build a linear map of the mean over all positions, or, if ``dense``, of each position.

    ``[batch, channels, *positions] -> [batch, num_outputs]`` or ``[batch, num_outputs, *positions]``.
    """
    if dense:
        return conv(dimensions, channels, num_outputs, 1, bias=True)
    return nn.Sequential(_MeanOverPositions(), nn.Linear(channels, num_outputs))


class _MeanOverPositions(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.flatten(2).mean(dim=2)


class SameConv1d(nn.Conv1d):
    """A 1-D convolution, zero-padded so that any kernel divides the length by the stride, rounding up.

    Of an odd number of zeros, the larger half is at the end.
    """

    def __init__(self, inner: int, outer: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        """Make the convolution; arguments as for `torch.nn.Conv1d`."""
        super().__init__(inner, outer, kernel, stride, groups=groups)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute ``[batch, inner, length] -> [batch, outer, length / stride]``."""
        (kernel,), (stride,), length = self.kernel_size, self.stride, inputs.shape[-1]
        missing = max(0, (-(-length // stride) - 1) * stride + kernel - length)
        return super().forward(F.pad(inputs, (missing // 2, missing - missing // 2)))


def require(condition: bool, network: str, needs: str, input_shape: tuple[int, ...], dense: bool) -> None:
    """Refuse data that a network cannot take.

    Raises:
        TaskError: Unless the condition holds; the message says what the network needs and what it got.
    """
    if not condition:
        kind = "a dense task" if dense else "a task of points"
        raise TaskError(f"The network {network} needs {needs}; got inputs of shape {list(input_shape)} of {kind}.")
