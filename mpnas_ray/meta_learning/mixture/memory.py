"""Measurements of source tables, cell by cell, that a predictor carries with it.

A network remembers a table only roughly. Where the table has measured the very cell, or an isomorphic one, or the same
cell in another space (all 4,096 cells of TransNAS-Bench-101 are cells of NAS-Bench-201), the measurement itself is
used, in two forms: as it stands, and without its noise (`mpnas_ray.meta_learning.mixture.smoothing`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.errors import PredictorError, SearchSpaceError
from mpnas_ray.meta_learning.mixture.smoothing import smoothed_scores
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables import TableTask
from mpnas_ray.tables.normalization import normal_scores

__all__ = ["Memory", "SpaceMemory"]

Floats = NDArray[np.float64]

_UNIT = 6_000
"""Steps of a standard deviation in which values are kept as int16. They reach as far as 5.4 standard deviations: the
best of 15,625 normal scores is at 4."""

_MISSING = -32_768


@dataclass(frozen=True, eq=False)
class SpaceMemory:
    """Measurements by R source tasks of the N architectures of one space.

    Attributes:
        archs: All architectures of the space, as it lists them.
        sources: Places of the tasks among all sources of the predictor, int64 ``[R]``.
        measured: Normal scores of what was measured, mean 0 and standard deviation 1, higher is better, in `_UNIT`
            steps, int16 ``[N, R]``; `_MISSING` where a task has not measured an architecture.
        smoothed: The same without noise.
    """

    archs: Architectures
    sources: NDArray[np.int64]
    measured: NDArray[np.int16]
    smoothed: NDArray[np.int16]

    @classmethod
    def of(cls, tasks: Mapping[int, TableTask]) -> SpaceMemory:
        """Collect tasks of one space, given by their places among the sources."""
        members = list(tasks.values())
        archs = members[0].archs.space.enumerate()
        rows = [_find(_index(archs), task.archs.text_keys()) for task in members]
        measured = np.full((len(archs), len(members)), _MISSING, dtype=np.int16)
        smoothed = measured.copy()
        alike: dict[bytes, list[int]] = {}
        for column, of_task in enumerate(rows):
            alike.setdefault(np.sort(of_task).tobytes(), []).append(column)
        for columns in alike.values():  # columns of tasks that measured the same architectures
            there = np.sort(rows[columns[0]])
            scores = np.stack([normal_scores(members[c].scores)[np.argsort(rows[c])] for c in columns], axis=1)
            measured[there[:, None], columns] = _steps(_standardised(scores))
            smoothed[there[:, None], columns] = _steps(_standardised(smoothed_scores(archs[there], scores)))
        return cls(archs, np.array(list(tasks), dtype=np.int64), measured, smoothed)

    def recall(self, archs: Architectures) -> tuple[Floats, Floats]:
        """Recall smoothed and measured values of architectures of any space, ``[M, R]`` each, NaN where unknown.

        Those of the very cell if this space has it, else the mean over the isomorphic cells.
        """
        rows = np.full(len(archs), -1)
        if archs.space.name == self.archs.space.name:
            rows = _find(self._text_keys, archs.text_keys())
        own = np.where(rows[:, None] >= 0, self._values[:, rows], np.nan)
        keys, means = self._classes
        alike = _find((keys, np.arange(len(keys))), archs.canonical_keys())
        of_class = np.where(alike[:, None] >= 0, means[:, alike], np.nan)
        found = np.where(np.isnan(own), of_class, own)
        return found[0], found[1]

    @cached_property
    def _values(self) -> Floats:
        """Return the values as numbers, ``[2, N, R]``, NaN where missing."""
        both = np.stack([self.smoothed, self.measured])
        return np.where(both == _MISSING, np.nan, both / _UNIT)

    @cached_property
    def _text_keys(self) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
        return _index(self.archs)

    @cached_property
    def _classes(self) -> tuple[NDArray[np.uint64], Floats]:
        """Average over classes: canonical keys in ascending order ``[G]``, mean values of each class ``[2, G, R]``."""
        keys, of_class = np.unique(self.archs.canonical_keys(), return_inverse=True)
        there = ~np.isnan(self._values)
        total, count = np.zeros((2, len(keys), len(self.sources))), np.zeros((2, len(keys), len(self.sources)))
        for place in range(2):
            np.add.at(total[place], of_class, np.nan_to_num(self._values[place]))
            np.add.at(count[place], of_class, there[place])
        return keys, np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True, eq=False)
class Memory:
    """Measurements that a predictor remembers of its source tasks, space by space; nothing if there are none.

    Attributes:
        num_sources: Number K of all sources of the predictor.
        spaces: One entry for each space of which something is remembered.
    """

    num_sources: int
    spaces: tuple[SpaceMemory, ...] = ()

    @classmethod
    def of(cls, tasks: Mapping[str, TableTask], names: Sequence[str], remembered: Collection[str]) -> Memory:
        """Remember tasks of spaces that can be listed; in others, a search hardly ever meets a measured cell again.

        Args:
            tasks: Name -> task.
            names: Names of the predictor's sources, in its order.
            remembered: Names of those that may be remembered.
        """
        by_space: dict[str, dict[int, TableTask]] = {}
        for place, name in enumerate(names):
            task = tasks[name]
            if name in remembered and task.archs.space.enumerable:
                by_space.setdefault(task.archs.space.name, {})[place] = task
        return cls(len(names), tuple(SpaceMemory.of(members) for members in by_space.values()))

    @property
    def sources(self) -> tuple[int, ...]:
        """Places of the sources that are remembered."""
        return tuple(int(place) for space in self.spaces for place in space.sources)

    def recall(self, archs: Architectures) -> tuple[Floats, Floats]:
        """Recall smoothed and measured values of N architectures in each source, ``[N, K]`` each, NaN where unknown."""
        smoothed = np.full((len(archs), self.num_sources), np.nan)
        measured = smoothed.copy()
        for space in self.spaces:
            smoothed[:, space.sources], measured[:, space.sources] = space.recall(archs)
        return smoothed, measured

    def tensors(self) -> dict[str, Tensor]:
        """Return tensors by name, for a checkpoint."""
        return {
            f"{space.archs.space.name}.{name}": torch.from_numpy(np.array(values))
            for space in self.spaces
            for name, values in (
                ("sources", space.sources),
                ("measured", space.measured),
                ("smoothed", space.smoothed),
            )
        }

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], num_sources: int) -> Memory:
        """Rebuild the memory from `tensors`.

        Raises:
            PredictorError: If names, types or shapes are not those of a memory of so many sources.
        """
        spaces = dict.fromkeys(name.partition(".")[0] for name in tensors)
        try:
            if len(tensors) != 3 * len(spaces):
                raise ValueError(f"there are {sorted(tensors)}")
            return cls(num_sources, tuple(_space_memory(tensors, name, num_sources) for name in spaces))
        except (KeyError, ValueError, TypeError, SearchSpaceError) as error:
            raise PredictorError(f"What this predictor remembers of its sources is damaged: {error}.") from error


def _space_memory(tensors: Mapping[str, Tensor], name: str, num_sources: int) -> SpaceMemory:
    space = get_space(name)
    if not space.enumerable:
        raise ValueError(f"{name} is too large to list")
    archs = space.enumerate()
    sources, measured, smoothed = (
        tensors[f"{name}.{part}"].cpu().numpy() for part in ("sources", "measured", "smoothed")
    )
    shape = (len(archs), len(sources))
    if sources.dtype != np.int64 or sources.ndim != 1 or len(np.unique(sources)) != len(sources):
        raise ValueError(f"its sources are {sources.dtype} of shape {list(sources.shape)}")
    if len(sources) and not (sources.min() >= 0 and sources.max() < num_sources):
        raise ValueError(f"it remembers a source {sources.max()} of {num_sources}")
    for values in (measured, smoothed):
        if values.dtype != np.int16 or values.shape != shape:
            raise ValueError(f"its values are {values.dtype} of shape {list(values.shape)}, expected {list(shape)}")
    return SpaceMemory(archs, sources, measured, smoothed)


def _index(archs: Architectures) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Sort text keys: return them in ascending order, and their places."""
    keys = archs.text_keys()
    order = np.argsort(keys)
    return keys[order], order


def _find(index: tuple[NDArray[np.uint64], NDArray[np.intp]], wanted: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Find the wanted keys, -1 for those that are not there; the index has ascending keys and their places."""
    keys, places = index
    if not len(keys):
        return np.full(len(wanted), -1)
    near = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[near] == wanted, places[near], -1)


def _standardised(values: Floats) -> Floats:
    centred = values - values.mean(axis=0)
    std = centred.std(axis=0)
    standardised: Floats = centred / np.where(std > 1e-9, std, np.inf)
    return standardised


def _steps(values: Floats) -> NDArray[np.int16]:
    return np.clip(np.rint(values * _UNIT), -32_767, 32_767).astype(np.int16)
