"""Knowledge of a list of architectures that is asked for again, and its kernels with those that were measured.

A search ranks the same candidates after each result. Between two rankings only one row of kernels is new; the others
are kept, in single precision.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.meta_learning.mixture.knowledge import NUM_KERNELS, Knowledge, kernels, mean_functions
from mpnas_ray.spaces import Architectures

__all__ = ["KernelRows"]

_MOST_ROWS = 256
"""Number of rows that are kept: of 15,625 candidates they take 96 MB. A search with more results keeps none."""


class KernelRows:
    """Mean functions of N architectures and their kernels with measured ones."""

    def __init__(self, archs: Architectures, known: Knowledge, kept: Tensor) -> None:
        """Compute the mean functions.

        Args:
            archs: The N architectures.
            known: Knowledge of them.
            kept: Sources in use.
        """
        self.archs = archs
        self.known = known
        self.means = mean_functions(known, kept).float()
        self._kept = kept
        self._rows = torch.empty(0, NUM_KERNELS, len(archs))
        self._place_of: dict[bytes, int] = {}
        keys = archs.text_keys()
        order = np.argsort(keys)
        self._sorted_keys = keys[order], order

    def between(self, measured: Architectures, support: Knowledge, places: Tensor | None = None) -> Tensor:
        """Compute kernels of n measured architectures with all N, or some of them, float32 ``[n, kernels, N]``."""
        if len(measured) > _MOST_ROWS:
            return self._computed(support, self.known if places is None else self.known[places])
        names = [codes.tobytes() for codes in measured.codes]
        missing = [place for place, name in enumerate(names) if name not in self._place_of]
        if len(self._place_of) + len(missing) > _MOST_ROWS:
            self._place_of, missing = {}, list(range(len(names)))
        if missing:
            different = list(dict.fromkeys(names[place] for place in missing))
            self._add(different, support[torch.tensor([names.index(name) for name in different])])
        rows = torch.tensor([self._place_of[name] for name in names], dtype=torch.long)
        if places is not None:
            return self._rows[rows[:, None], :, places].transpose(1, 2)
        in_order = torch.equal(rows, torch.arange(len(rows)))
        return self._rows[: len(rows)] if in_order else self._rows[rows]

    def find(self, archs: Architectures) -> NDArray[np.intp] | None:
        """Find other architectures of the space in this list: their places, or None if one is not there."""
        wanted = archs.text_keys()
        keys, order = self._sorted_keys
        near = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return order[near] if np.array_equal(keys[near], wanted) else None

    def _add(self, names: list[bytes], support: Knowledge) -> None:
        start = len(self._place_of)
        if start + len(names) > len(self._rows):
            larger = torch.empty(min(_MOST_ROWS, 2 * (start + len(names))), NUM_KERNELS, len(self.archs))
            larger[:start] = self._rows[:start]
            self._rows = larger
        self._rows[start : start + len(names)] = self._computed(support, self.known)
        self._place_of.update(zip(names, range(start, start + len(names)), strict=True))

    def _computed(self, support: Knowledge, known: Knowledge) -> Tensor:
        return kernels(support, known, self._kept).float().transpose(0, 1)
