"""Augmentations by name: batches of training are altered at random, a whole batch at once, as the generator says.

Inputs are standardised, so that 0 is the mean of a channel and 1 its standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Augment", "Mixup"]


@dataclass(frozen=True)
class Augment:
    """Alter inputs by several augmentations, one after the other.

    Attributes:
        names: Names of augmentations other than mixup.
    """

    names: tuple[str, ...]

    def __call__(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Return altered copies of ``inputs [N, channels, *positions]``; the generator is on the CPU."""
        for name in self.names:
            inputs = _FUNCTIONS[name](inputs, generator)
        return inputs


@dataclass(frozen=True)
class Mixup:
    """Mix each sample with another one of its batch, and their targets by the same share (Zhang et al. 2018).

    Attributes:
        num_classes: Number of classes, whose numbers become shares ``[N, classes]``; None for labels and values.
        alpha: Both parameters of the beta distribution of the share, which one batch has in common: the paper's 0.2.
    """

    num_classes: int | None
    alpha: float = 0.2

    def __call__(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return mixed copies of ``inputs [N, ...]`` and ``targets [N, ...]``, the latter float32."""
        seed = int(torch.randint(2**62, (), generator=generator))  # torch's own beta distribution takes no generator
        share = float(np.random.default_rng(seed).beta(self.alpha, self.alpha))
        other = torch.randperm(len(inputs), generator=generator).to(inputs.device)
        if self.num_classes is not None:
            targets = F.one_hot(targets, self.num_classes).to(inputs.dtype)
        return share * inputs + (1 - share) * inputs[other], share * targets + (1 - share) * targets[other]


def _flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images, left to right."""
    mirrored = torch.rand(len(images), 1, 1, 1, generator=generator).to(images.device) < 0.5
    return torch.where(mirrored, images.flip(-1), images)


def _crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift images by up to an eighth of their sides; what comes in from outside repeats the border."""
    n, _, height, width = images.shape
    device = images.device

    def positions(size: int) -> Tensor:
        most = max(1, size // 8)
        shift = torch.randint(-most, most + 1, (n, 1), generator=generator).to(device)
        return (torch.arange(size, device=device) + shift).clamp(0, size - 1)

    rows, columns = positions(height), positions(width)
    sample = torch.arange(n, device=device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _cutout(images: Tensor, generator: torch.Generator) -> Tensor:
    """Set a square of half the side at a random place to the mean; it may reach beyond the border (DeVries 2017)."""
    n, _, height, width = images.shape
    device = images.device

    def inside(size: int) -> Tensor:
        centre = torch.randint(size, (n, 1), generator=generator).to(device)
        position, half = torch.arange(size, device=device), max(1, size // 4)
        return (position >= centre - half) & (position < centre + half)

    cut = inside(height)[:, None, :, None] & inside(width)[:, None, None, :]
    return images.masked_fill(cut, 0.0)


def _jitter(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Add noise of a tenth of a standard deviation to every number (Um et al. 2017)."""
    return inputs + 0.1 * torch.randn(inputs.shape, generator=generator).to(inputs.device)


def _scaling(series: Tensor, generator: torch.Generator) -> Tensor:
    """Multiply each channel of a series by a factor of mean 1 and standard deviation 0.1 (Um et al. 2017)."""
    factors = 1 + 0.1 * torch.randn(*series.shape[:2], *[1] * (series.ndim - 2), generator=generator)
    return series * factors.to(series.device)


_FUNCTIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "flip": _flip,
    "crop": _crop,
    "cutout": _cutout,
    "jitter": _jitter,
    "scaling": _scaling,
}
"""Name -> function; with ``mixup`` those of `trainables.data_options.AUGMENTATIONS`."""
