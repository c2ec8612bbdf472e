"""Predictions of the cells in which some slots of an architecture hold other values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.explaining.shapley import game_of_grid
from mpnas_ray.spaces import Architecture, Architectures
from mpnas_ray.spaces.space import Slot, all_codes

__all__ = ["Completed", "Predict", "codes_of", "completed", "predicted_by"]

Floats = NDArray[np.float64]
Predict = Callable[[Architectures], Floats]
"""Predicts scores ``[N]`` of N architectures."""

_MOST_COMBINATIONS = 20_000
"""Number of combinations of values up to which all of them are predicted."""

_NUM_RANDOM = 64
"""Number of random combinations over which coalitions are averaged where there are more; the same for all coalitions,
so that Shapley values still sum to what they must."""

_AT_ONCE = 1_000
"""Number of architectures in one call: of longer lists, the mixture predictor keeps the kernels."""


@dataclass(frozen=True, eq=False)
class Completed:
    """Mean predictions of the cells of one topology, with some slots held.

    Attributes:
        slots: The n slots.
        held: Value that the architecture holds in each, an index into its values.
        game: Worth of each coalition of slots, see `mpnas_ray.explaining.shapley`, ``[2] * n``.
        effects: Partial dependence: for each slot the mean prediction with each of its values there and everything else
            random, minus the mean over its values.
        exact: True if all combinations were predicted, False if means are over 64 random ones.
    """

    slots: tuple[Slot, ...]
    held: tuple[int, ...]
    game: Floats
    effects: tuple[Floats, ...]
    exact: bool


def codes_of(arch: Architecture) -> NDArray[np.int8]:
    """Return the codes of an architecture as an array, ``[code_length]``."""
    return np.asarray(arch.codes, dtype=np.int8)


def predicted_by(predict: Predict) -> Predict:
    """Predict long lists piece by piece."""

    def pieces(archs: Architectures) -> Floats:
        parts = [predict(archs[start : start + _AT_ONCE]) for start in range(0, len(archs), _AT_ONCE)]
        return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])

    return pieces


def completed(predict: Predict, arch: Architecture) -> Completed:
    """Predict the cells with the architecture's slots held or replaced: all of them, or 64 random ones a coalition."""
    space, codes = arch.space, codes_of(arch)
    slots = space.slots(codes)
    places, sizes = [slot.place for slot in slots], tuple(len(slot.values) for slot in slots)
    held = tuple(int(codes[place]) for place in places)
    if not slots:
        return Completed((), (), predict(Architectures(space, codes[None]))[0].reshape(()), (), exact=True)

    def filled(values: NDArray[np.int8]) -> Floats:
        """Predict the cells whose slots hold ``values [..., n]``."""
        different, which = np.unique(values.reshape(-1, len(slots)), axis=0, return_inverse=True)
        rows = np.repeat(codes[None], len(different), axis=0)
        rows[:, places] = different
        return predict(Architectures(space, rows))[which].reshape(values.shape[:-1])

    if prod(sizes) <= _MOST_COMBINATIONS:
        grid = filled(all_codes(sizes)).reshape(sizes)
        others = [tuple(axis for axis in range(len(slots)) if axis != own) for own in range(len(slots))]
        means = [grid.mean(axis=axes) for axes in others]
        return Completed(slots, held, game_of_grid(grid, held), tuple(mean - mean.mean() for mean in means), exact=True)
    random = np.random.default_rng(0).integers(sizes, size=(_NUM_RANDOM, len(slots)), dtype=np.int8)
    inside = all_codes((2,) * len(slots))[:, None, :] > 0
    game = filled(np.where(inside, np.array(held, dtype=np.int8), random)).mean(axis=1).reshape((2,) * len(slots))
    means = []
    for own, size in enumerate(sizes):
        replaced = np.repeat(random[None], size, axis=0)
        replaced[..., own] = np.arange(size)[:, None]
        means.append(filled(replaced).mean(axis=1))
    return Completed(slots, held, game, tuple(mean - mean.mean() for mean in means), exact=False)
