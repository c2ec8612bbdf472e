"""Deal samples out to train, validation and test: by a seed, class by class, and groups as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import TaskError

__all__ = ["PARTS", "deal_out", "equal_samples"]

PARTS = ("train", "validation", "test")


def deal_out(
    labels: NDArray[np.int64],
    units: NDArray[np.int64],
    shares: Mapping[int, float],
    seed: int,
    *,
    mixed: bool,
    names: Sequence[str],
    unit_name: str,
) -> NDArray[np.int64]:
    """Deal samples out; each class comes into every part by the part's share, to the nearest unit and at least one.

    Args:
        labels: int ``[N]``, the class of each sample; all 0 where there are no classes.
        units: int ``[N]``: samples of one number come into the same part.
        shares: Number of each part to be filled (1 or 2) -> its share of the samples; the rest is part 0.
        seed: Seed of the draw.
        mixed: Whether units may hold several classes. If one does, classes are not looked at; if not, a unit is of the
            class of its first sample.
        names: Names of the classes, for messages.
        unit_name: Name of a unit in messages, in the plural.

    Returns:
        int64 ``[N]``, the number of each sample's part.

    Raises:
        TaskError: If a class has fewer units than there are parts.
    """
    _, first, unit, sizes = np.unique(units, return_index=True, return_inverse=True, return_counts=True)
    unit_labels = labels[first]
    by_class = len(names) > 0 and not (mixed and (unit_labels[unit] != labels).any())
    if not by_class:
        unit_labels = np.zeros_like(unit_labels)
    rng = np.random.default_rng(seed)
    parts = np.zeros(len(first), dtype=np.int64)
    for label in np.unique(unit_labels):
        members = rng.permutation(np.flatnonzero(unit_labels == label))
        if len(members) <= len(shares):
            what = f"The class {names[label]!r} has" if by_class else "There are"
            filled = [PARTS[part] for part in (0, *sorted(shares))]
            raise TaskError(
                f"{what} too few {unit_name}, {len(members)}: each of {', '.join(filled)} needs at least one of them."
            )
        start, total = 0, sizes[members].sum()
        for filled_before, (part, share) in enumerate(shares.items()):
            size = sizes[members[start:]]
            count = int(np.searchsorted(size.cumsum() - size / 2, share * total, side="right"))
            count = min(max(count, 1), len(size) - (len(shares) - filled_before))
            parts[members[start : start + count]] = part
            start += count
    return parts[unit]


def equal_samples(inputs: Iterable[NDArray[np.float32]]) -> NDArray[np.int64]:
    """Number samples so that equal ones have one number: in two parts, they would give the answer away."""
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(hash(sample.tobytes()), len(numbers)) for sample in inputs], dtype=np.int64)
