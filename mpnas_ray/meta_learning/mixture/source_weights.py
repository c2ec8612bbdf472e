"""Weights of the sources in a mixture predictor's belief, and their parts in a prediction.

A prediction is a sum over the mean functions, each times its expected sign and scale, and over the kernels with the
measured architectures (`Posterior.mean`). So the part of every source is exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mpnas_ray.meta_learning.mixture.knowledge import NOTHING, PRICES, Candidates, Source
from mpnas_ray.predictors.base import SourceWeight

__all__ = ["MEASURED", "named_weights"]

MEASURED = "the results alone"
"""Name of the hypotheses that use no other task; what measured architectures add is their contribution."""

_POOLS = ("mean of known qualities of this space", "mean of known qualities of other spaces", "mean of known costs")
_PRICES = "prices of operations"


def named_weights(
    listed: Candidates, sources: Sequence[Source], probabilities: Tensor, parts: Tensor, measured: float
) -> list[SourceWeight]:
    """Sum up the mean functions of each source, the most probable first.

    Args:
        listed: The C mean functions.
        sources: The K sources.
        probabilities: Probability of each with its sign as it is, and turned round, ``[C, 2]``.
        parts: Part of each in the prediction, ``[C]``.
        measured: Part of the measured architectures.
    """
    names = _names(listed, sources)
    found = []
    for name in dict.fromkeys(names):
        rows = torch.tensor([name == each for each in names])
        of_name, turned = probabilities[rows].sum(), probabilities[rows, 1].sum()
        part = float(parts[rows].sum()) + (measured if name == MEASURED else 0.0)
        found.append(SourceWeight(name, float(of_name), float(turned), part))
    return sorted(found, key=lambda source: -source.probability)


def _names(listed: Candidates, sources: Sequence[Source]) -> list[str]:
    """Name the source of each mean function; ranks and values of a task are one source."""
    names, pools = [], 0
    for category, source in zip(listed.category.tolist(), listed.source.tolist(), strict=True):
        if source >= 0:
            names.append(sources[source].name)
        elif category in (NOTHING, PRICES):
            names.append(MEASURED if category == NOTHING else _PRICES)
        else:
            names.append(_POOLS[pools % len(_POOLS)])
            pools += 1
    return names
