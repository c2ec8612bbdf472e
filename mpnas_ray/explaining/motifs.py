"""Graph features of an architecture whose value goes with high or low predictions in its space.

The features are those of `mpnas_ray.graphs.graph_features` (GRAF, Kadlecova et al. 2024), which are readable as they
are. A feature speaks for an architecture if random architectures with the same value are predicted to be better than
others. As in NAS-BOWL (Ru et al. 2021), a value counts if ten random architectures or more have it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.graphs.features import feature_names, graph_features
from mpnas_ray.spaces import Architecture, Architectures

__all__ = ["Motif", "motifs"]

Floats = NDArray[np.float64]

_LEAST = 10
_LEAST_STANDARD_ERRORS = 3.0
"""Standard errors between the mean prediction of those with the value and that of all; there are dozens of features."""


@dataclass(frozen=True)
class Motif:
    """A feature of the architecture's graph.

    Attributes:
        feature: Name of the feature.
        value: Value for the architecture, a count or a length.
        share: Share of random architectures that have this value, 0 to 1.
        effect: Mean predicted score of these, minus that of all, in units of the standard deviation over the space.
    """

    feature: str
    value: float
    share: float
    effect: float


def motifs(arch: Architecture, others: Architectures, scores: Floats) -> list[Motif]:
    """List the features that go with the predictions, the largest effect first.

    Of several features that the same random architectures share with this one, the first is taken.

    Args:
        arch: The architecture.
        others: N random architectures of its space.
        scores: Predicted scores of these, mean 0 and standard deviation 1, ``[N]``.
    """
    own = graph_features(Architectures.of([arch]))[0]
    equal = graph_features(others) == own
    found: dict[bytes, Motif] = {}
    for name, value, same in zip(feature_names(arch.space), own, equal.T, strict=True):
        count = int(same.sum())
        if not _LEAST <= count <= len(others) - _LEAST:
            continue
        effect = float(scores[same].mean())
        if abs(effect) * np.sqrt(count) >= _LEAST_STANDARD_ERRORS:
            found.setdefault(same.tobytes(), Motif(name, float(value), count / len(others), effect))
    return sorted(found.values(), key=lambda motif: -abs(motif.effect))
