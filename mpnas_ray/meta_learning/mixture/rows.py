"""Knowledge of a list of architectures that is asked for again, and its kernels with those that were measured.

A search ranks the same candidates after each result. Between two rankings only one row of kernels is new; the others
are kept, in single precision.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.meta_learning.mixture.knowledge import LINEAR, NUM_KERNELS, Knowledge, kernel, mean_functions, views
from mpnas_ray.spaces import Architectures

__all__ = ["KernelRows"]

_MOST_ROWS = 256
"""Number of rows that are kept: of 15,625 candidates they take 96 MB. A search with more results keeps none."""


_BLOCK = 100_000
"""Values of a kernel at once, 0.8 MB: they stay in the processor's cache."""


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
        self._views = [(view, view.square().sum(-1)) for view in views(known, kept)]
        self._rows = torch.empty(0, NUM_KERNELS, len(archs))
        self._place_of: dict[bytes, int] = {}
        keys = archs.text_keys()
        order = np.argsort(keys)
        self._sorted_keys = keys[order], order

    def between(self, measured: Architectures, support: Knowledge, places: Tensor | None = None) -> Tensor:
        """Compute kernels of n measured architectures with all N, or some of them, float32 ``[n, kernels, N]``."""
        if len(measured) > _MOST_ROWS:
            return self._computed(support, places)
        names = [codes.tobytes() for codes in measured.codes]
        missing = [place for place, name in enumerate(names) if name not in self._place_of]
        if len(self._place_of) + len(missing) > _MOST_ROWS:
            self._place_of, missing = {}, list(range(len(names)))
        if missing:
            different = list(dict.fromkeys(names[place] for place in missing))
            self._add(different, support[torch.tensor([names.index(name) for name in different])])
        rows = torch.tensor([self._place_of[name] for name in names], dtype=torch.long)
        in_order = torch.equal(rows, torch.arange(len(rows)))
        found = self._rows[: len(rows)] if in_order else self._rows[rows]
        return found if places is None else found.index_select(2, places)

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
        self._rows[start : start + len(names)] = self._computed(support)
        self._place_of.update(zip(names, range(start, start + len(names)), strict=True))

    def _computed(self, support: Knowledge, places: Tensor | None = None) -> Tensor:
        described = [(v, norms) if places is None else (v[places], norms[places]) for v, norms in self._views]
        rows = torch.empty(len(support), NUM_KERNELS, len(described[0][0]))
        block = max(_BLOCK // max(len(support), 1), 1_024)
        every = zip(views(support, self._kept), described, LINEAR, strict=True)
        for number, (mine, (theirs, norms), linear) in enumerate(every):
            for start in range(0, len(theirs), block):
                part = slice(start, start + block)
                rows[:, number, part] = kernel(mine, theirs[part], linear, norms[part])
        return rows
