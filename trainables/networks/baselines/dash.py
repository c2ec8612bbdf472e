"""DASH (Shen, Khodak and Talwalkar 2022): the kernel size and the dilation of each convolution, searched by gradient.

Each convolution of a known network becomes a mixture over all pairs of a kernel size and a dilation. Since convolution
is linear in its kernel, the mixture is one convolution with the weighted sum of the dilated kernels, and that is done
by FFT at a cost that does not grow with the largest kernel. The weights are a Gumbel-softmax of logits, which are
trained together with all other weights on the same batches. Then the pair with the largest logit is taken in each
layer, and the network with these convolutions is trained from the beginning.

A search network is a plain module: any training loop that calls ``backward`` trains the logits rightly, since their
gradient is brought to its published length where it is computed. Not implemented are DASH's grid over learning rate,
momentum, weight decay and dropout before retraining, and retraining from the weights that the search began with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mpnas_ray.checks import require_count, require_number
from mpnas_ray.errors import TaskError
from trainables.networks.baselines.resnet1d import resnet_1d
from trainables.networks.baselines.wide_resnet import wide_resnet
from trainables.networks.operations import conv

__all__ = ["Candidate", "MixedConvolution", "chosen_candidates", "derived_network", "search_network"]

_SIZE_PENALTY = 1e-5
_NUMBER = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True)
class Candidate:
    """A kernel size, odd, and a dilation; as text ``7d3``."""

    kernel: int
    dilation: int

    def __post_init__(self) -> None:
        require_count("kernel", self.kernel, error=TaskError)
        require_count("dilation", self.dilation, error=TaskError)
        if self.kernel % 2 == 0:
            raise TaskError(f"A convolution has an odd kernel size and a dilation of at least 1, not {self}.")

    def __str__(self) -> str:
        return f"{self.kernel}d{self.dilation}"

    @classmethod
    def parse(cls, text: str) -> Candidate:
        """Read the candidate that a text names.

        Raises:
            TaskError: If it names none.
        """
        kernel, _, dilation = text.strip().partition("d")
        if not _NUMBER.fullmatch(kernel) or not _NUMBER.fullmatch(dilation):
            raise TaskError(f"{text!r} is not a convolution such as 7d3: kernel size 7, dilation 3.")
        return cls(int(kernel), int(dilation))

    @property
    def receptive_field(self) -> int:
        """Number of positions from its first to its last weight."""
        return self.dilation * (self.kernel - 1) + 1


class MixedConvolution(nn.Module):
    """A convolution, zero-padded to keep the resolution, whose kernel is a mixture of dilated kernels."""

    def __init__(
        self,
        convolution: nn.Conv1d | nn.Conv2d,
        candidates: Sequence[Candidate],
        sizes: Sequence[float],
        scale: float = 100.0,
    ) -> None:
        """Make the mixture that replaces a convolution.

        Args:
            convolution: Convolution to replace; channels, stride and bias are taken from it. With as many channels out
                as in, the mixture is depthwise, as in the published search.
            candidates: Candidates to choose from.
            sizes: Size of each candidate: the gradient of its logit grows by 1e-5 of it, against large kernels.
            scale: Inverse of the length that the gradient of the logits is brought to before that.
        """
        super().__init__()
        require_number("scale", scale, above=0, error=TaskError)
        if not 0 < len(candidates) == len(sizes):
            raise TaskError(f"A mixture has a size for each candidate, not {len(sizes)} for {len(candidates)}.")
        inner, outer = convolution.in_channels, convolution.out_channels
        self.candidates = tuple(candidates)
        self.depthwise = inner == outer
        self._stride, self._axes = convolution.stride, len(convolution.kernel_size)
        self._scale, self._penalties = scale, [_SIZE_PENALTY * size for size in sizes]
        self.logits = nn.Parameter(1e-3 * torch.randn(len(self.candidates)))
        self.kernels = nn.ParameterList(
            0.01 * torch.randn(outer, 1 if self.depthwise else inner, *[candidate.kernel] * self._axes)
            for candidate in self.candidates
        )
        self.bias = nn.Parameter(torch.zeros(outer)) if convolution.bias is not None else None

    def weights(self) -> Tensor:
        """Return the weights of the candidates, ``[candidates]``, with sum 1.

        They are drawn anew in training and are the softmax of the logits in evaluation.
        """
        logits: Tensor = _LogitGradient.apply(self.logits, self._scale, self._penalties)  # type: ignore[no-untyped-call]
        return F.gumbel_softmax(logits, dim=0) if self.training else torch.softmax(logits, dim=0)

    def kernel(self, weights: Tensor, halves: Sequence[int]) -> Tensor:
        """Compute the weighted sum of the dilated kernels, from ``-half`` to ``half`` along each axis."""
        total: Tensor = self.kernels[0].new_zeros(*self.kernels[0].shape[:2], *(2 * half + 1 for half in halves))
        channels = (slice(None), slice(None))
        for weight, candidate, kernel in zip(weights, self.candidates, self.kernels, strict=True):
            centre, dilation = candidate.kernel // 2, candidate.dilation
            reaches = [min(centre, half // dilation) for half in halves]  # what reaches further meets zeros alone
            place = tuple(
                slice(half - dilation * reach, half + dilation * reach + 1, dilation)
                for half, reach in zip(halves, reaches, strict=True)
            )
            part = tuple(slice(centre - reach, centre + reach + 1) for reach in reaches)
            total[channels + place] += weight * kernel[channels + part]
        return total

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute ``[batch, in, *positions] -> [batch, out, *positions]``; the stride divides sides, rounding up."""
        from scipy.fft import next_fast_len  # a quarter of a second to import: late, as few processes need it

        sides = inputs.shape[2:]
        widest = max(candidate.receptive_field for candidate in self.candidates) // 2
        halves = [min(widest, side - 1) for side in sides]
        kernel = self.kernel(self.weights(), halves)
        # A convolution in torch is a correlation: the conjugate turns the kernel around. Positions before the first
        # wrap around to the end, where the padding keeps them apart from the others.
        lengths = [next_fast_len(side + half, real=True) for side, half in zip(sides, halves, strict=True)]
        axes = tuple(range(2, 2 + self._axes))
        modes = torch.fft.rfftn(inputs.to(kernel.dtype), s=lengths, dim=axes)  # there is no FFT of bfloat16
        factors = torch.fft.rfftn(kernel, s=lengths, dim=axes).conj()
        product = modes * factors.squeeze(1) if self.depthwise else torch.einsum("bi...,oi...->bo...", modes, factors)
        outputs: Tensor = torch.fft.irfftn(product, s=lengths, dim=axes)
        for axis, (half, side, stride) in enumerate(zip(halves, sides, self._stride, strict=True), start=2):
            outputs = outputs.roll(half, dims=axis).narrow(axis, 0, side)
            if stride > 1:
                outputs = outputs.index_select(axis, torch.arange(0, side, stride, device=outputs.device))
        return outputs if self.bias is None else outputs + self.bias.view(-1, *[1] * self._axes)

    def extra_repr(self) -> str:
        """Show the candidates."""
        return f"candidates={', '.join(map(str, self.candidates))}, depthwise={self.depthwise}"


class _LogitGradient(torch.autograd.Function):
    """The identity, whose gradient is brought to one length, and then raised by a penalty."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, scale: float, penalties: list[float]) -> Tensor:
        ctx.scale, ctx.penalties = scale, penalties
        return logits.view_as(logits)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        shortened = gradient / (ctx.scale * (gradient.norm() + 1e-8))
        return shortened + gradient.new_tensor(ctx.penalties), None, None


def search_network(
    input_shape: tuple[int, ...],
    num_outputs: int,
    dense: bool = False,
    *,
    kernels: Sequence[int] | None = None,
    dilations: Sequence[int] = (1, 3, 7, 15),
    scale: float = 100.0,
) -> nn.Module:
    """Build WRN-16-1, for series the 1-D ResNet, with mixtures instead of its convolutions, shortcuts excepted.

    Args:
        input_shape: ``(channels, length)`` or ``(channels, height, width)``.
        num_outputs: Classes, or output channels if ``dense``.
        dense: Predict at every position; the size of a candidate is then 10 times its kernel, else its receptive field.
        kernels: Kernel sizes to choose from, by default (3, 5, 7, 9), for series (3, 7, 11, 15, 19); NinaPro (3, 5, 7).
        dilations: Dilations to choose from, by default (1, 3, 7, 15); NinaPro (1, 3, 7).
        scale: Scale of `MixedConvolution`: 100, but CIFAR-100 5000 and Spherical 500.
    """
    is_series = len(input_shape) == 2
    network = _backbone("resnet-1d" if is_series else "wrn-16-1", input_shape, num_outputs, dense)
    if kernels is None:
        kernels = (3, 7, 11, 15, 19) if is_series else (3, 5, 7, 9)
    candidates = [Candidate(kernel, dilation) for kernel in kernels for dilation in dilations]
    sizes = [10 * each.kernel if dense else each.receptive_field for each in candidates]
    for name, convolution in _convolutions(network):
        _replace(network, name, MixedConvolution(convolution, candidates, sizes, scale))
    return network


def chosen_candidates(network: nn.Module) -> tuple[Candidate, ...]:
    """Return the candidate with the largest logit in each mixture of a network, first layer first."""
    mixtures = [module for module in network.modules() if isinstance(module, MixedConvolution)]
    return tuple(mixture.candidates[int(mixture.logits.argmax())] for mixture in mixtures)


def derived_network(
    input_shape: tuple[int, ...],
    num_outputs: int,
    dense: bool = False,
    *,
    backbone: str,
    choices: Sequence[Candidate],
) -> nn.Module:
    """Build a network with the chosen convolutions, to be trained from the beginning; none of them is depthwise.

    Args:
        input_shape: ``(channels, length)`` or ``(channels, height, width)``.
        num_outputs: Classes, or output channels if ``dense``.
        dense: Predict at every position.
        backbone: ``wrn-16-4``, which was published, ``wrn-16-1`` or ``resnet-1d``.
        choices: Candidate of each convolution, 13 for the first two, 9 for the last.

    Raises:
        TaskError: If their number is another.
    """
    network = _backbone(backbone, input_shape, num_outputs, dense)
    convolutions = _convolutions(network)
    if len(choices) != len(convolutions):
        raise TaskError(f"DASH on {backbone} has {len(convolutions)} convolutions to choose, not {len(choices)}.")
    for (name, old), choice in zip(convolutions, choices, strict=True):
        new = conv(
            len(input_shape) - 1,
            old.in_channels,
            old.out_channels,
            choice.kernel,
            stride=old.stride[0],
            dilation=choice.dilation,
            bias=old.bias is not None,
        )
        nn.init.xavier_uniform_(new.weight, gain=2**0.5)  # type: ignore[arg-type]
        _replace(network, name, new)
    return network


def _backbone(name: str, input_shape: tuple[int, ...], num_outputs: int, dense: bool) -> nn.Module:
    if name == "resnet-1d":
        return resnet_1d(input_shape, num_outputs, dense)
    return wide_resnet(input_shape, num_outputs, dense, widening=int(name.removeprefix("wrn-16-")), as_in_dash=True)


def _convolutions(network: nn.Module) -> list[tuple[str, nn.Conv1d | nn.Conv2d]]:
    """Find the convolutions by name, in order, but for those of kernel size 1: shortcuts and heads."""
    return [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d) and max(module.kernel_size) > 1
    ]


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, module)
