"""Prior probabilities of the hypotheses about a new task, learned from episodes of the source tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.mixture.knowledge import NUM_CATEGORIES, NUM_KERNELS, PRICES, Candidates

__all__ = ["AMPLITUDES", "COST_PROBABILITY", "LOG_SCALE_PRIOR", "SCALES", "Prior"]


def _amplitudes() -> Tensor:
    """List the amplitudes: each kernel in turn has most of the variance, then all have the same; at four sizes."""
    few, most = 0.03, 1 - 0.03 * (NUM_KERNELS - 1)
    shares = [[most if place == kernel else few for place in range(NUM_KERNELS)] for kernel in range(NUM_KERNELS)]
    shares.append([1 / NUM_KERNELS] * NUM_KERNELS)
    rows = [
        [*(size * (1 - _NOISE) * share for share in of_kernels), size * _NOISE]
        for size in (0.1, 0.3, 1.0, 3.0)
        for of_kernels in shares
    ]
    return torch.tensor(rows, dtype=torch.float64)


_NOISE = 0.1
"""Share of the variance beside the mean function that is noise. With 0.2, and 0.08 for each kernel that is not in turn,
Kendall's tau on NAS-Bench-101 is lower by 0.02 and design columns are the same."""

AMPLITUDES = _amplitudes()
"""Variances of the kernels and, last, of the noise, relative to that of a mean function, ``[H, kernels + 1]``."""

SCALES = torch.linspace(-1.2, 1.2, 7, dtype=torch.float64).exp()
"""Factors between the standardised scores of a task and its mean function."""

LOG_SCALE_PRIOR = (-0.5 * (SCALES.log() / 0.6).square()).log_softmax(0)

COST_PROBABILITY = 0.3
"""Probability that a task measures a cost, where nothing is told of it; ours."""

_CATEGORY_START = ((0.45, 0.2, 0.2, 0.03, 0.04), (0.3, 0.03, 0.15, 0.03, 0.5))
_REVERSED_START = (0.08, 0.05)
"""Weights of the categories of mean functions and odds of a reversed sign from which learning starts, given the kind.
Ours, set by eye on NAS-Bench-201 and TransNAS-Bench-101; what is learned moves away from it."""

_MISMATCH_START = -2.0
"""Log weight of a source of the other kind from which learning starts."""


@dataclass(frozen=True)
class Prior:
    """Logarithms of weights; the first index of the first two is a constant and a slope in log(number of points).

    Attributes:
        amplitude: Log weights of the settings in `AMPLITUDES`, float64 ``[2, H]``.
        category: Log weights of each category and sign, given the kind of task, ``[2, 2, 5, 2]``.
        source: Log weight of each source, ``[K]``.
        mismatch: Log weight of a source of the other kind, given the kind of task, ``[2]``.
    """

    amplitude: Tensor
    category: Tensor
    source: Tensor
    mismatch: Tensor

    @classmethod
    def start(cls, num_sources: int) -> Prior:
        """Return the prior from which learning starts."""
        zeros = [torch.zeros(shape, dtype=torch.float64) for shape in _shapes(num_sources).values()]
        return cls(*zeros)

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> Prior:
        """Rebuild the prior from `tensors`.

        Raises:
            PredictorError: If other names are there.
        """
        names = {item.name for item in fields(cls)}
        if tensors.keys() != names:
            raise PredictorError(f"A prior consists of {sorted(names)}; there are {sorted(tensors)}.")
        return cls(**tensors)

    def check_shapes(self, num_sources: int) -> None:
        """Raise `PredictorError` if this is not a prior over so many sources, in float64."""
        for name, shape in _shapes(num_sources).items():
            if getattr(self, name).dtype != torch.float64:
                raise PredictorError(f"{name} of a prior is float64, not {getattr(self, name).dtype}.")
            if tuple(getattr(self, name).shape) != shape:
                raise PredictorError(
                    f"This is no prior over {num_sources} sources: {name} has shape "
                    f"{list(getattr(self, name).shape)}, expected {list(shape)}."
                )

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def log_weights(self, candidates: Candidates, num_points: int, cost_probability: float) -> tuple[Tensor, Tensor]:
        """Compute log probabilities of the amplitudes ``[H]``, and of mean function and sign ``[C, 2]``.

        Args:
            candidates: The mean functions.
            num_points: Number of measurements.
            cost_probability: Probability that the task measures a cost. Before the first measurement, which could tell,
                the likelier kind is taken.
        """
        amplitude = self.amplitude[0] + _slope(num_points) * self.amplitude[1]
        probability = cost_probability if num_points else float(cost_probability > 0.5)
        if probability in (0.0, 1.0):
            log_weight = self._of_kind(candidates, num_points, int(probability))
        else:
            quality, cost = (self._of_kind(candidates, num_points, kind) for kind in (0, 1))
            log_weight = torch.logaddexp(quality + math.log1p(-probability), cost + math.log(probability))
        return amplitude.log_softmax(0), log_weight

    def _of_kind(self, candidates: Candidates, num_points: int, kind: int) -> Tensor:
        """Compute log probabilities of mean function and sign ``[C, 2]``.

        Each category shares its weight among those of its mean functions that may be used.
        """
        signs = torch.tensor([1 - _REVERSED_START[kind], _REVERSED_START[kind]], dtype=torch.float64)
        start = torch.tensor(_CATEGORY_START[kind], dtype=torch.float64)[:, None] * signs
        category = start.log() + self.category[0, kind] + _slope(num_points) * self.category[1, kind]
        if candidates.dear_is_good and kind == 0:
            category = torch.where(torch.arange(NUM_CATEGORIES)[:, None] == PRICES, category.flip(1), category)
        has_source = candidates.source >= 0
        source = torch.where(has_source, self.source[candidates.source.clamp(min=0)], 0.0)
        other_kind = (candidates.kind >= 0) & (candidates.kind != kind)
        members = torch.bincount(candidates.category[candidates.there], minlength=NUM_CATEGORIES).clamp(min=1)
        shared = source - members.log()[candidates.category] + other_kind * (self.mismatch[kind] + _MISMATCH_START)
        log_weight = category[candidates.category] + shared[:, None]
        log_weight = torch.where(candidates.there[:, None], log_weight, -torch.inf)
        return log_weight - log_weight.logsumexp((0, 1))

    def penalty(self) -> Tensor:
        """Compute the squared distance from where learning started."""
        return torch.stack([tensor.square().sum() for tensor in self.tensors().values()]).sum()


def _slope(num_points: int) -> float:
    return math.log((num_points + 3) / 10)


def _shapes(num_sources: int) -> dict[str, tuple[int, ...]]:
    return {
        "amplitude": (2, len(AMPLITUDES)),
        "category": (2, 2, NUM_CATEGORIES, 2),
        "source": (num_sources,),
        "mismatch": (2,),
    }
