"""Tables of other tasks of a space, joined by its architectures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from mpnas_ray.checks import require_instance
from mpnas_ray.errors import SearcherStateError, SearchSpaceError, SettingError
from mpnas_ray.tables import TableTask
from searchers.core.candidates import Candidates

__all__ = ["SourceTables"]


@dataclass(frozen=True, eq=False)
class SourceTables:
    """Holds the quantiles by S source tasks of each of the N architectures that any of them measured.

    Attributes:
        names: Names of the tasks.
        fingerprint: Hash of names, architectures and scores.
        codes: Codes of the architectures, int8 ``[N, code_length]``.
        keys: Keys of the architectures by `searchers.core.candidates.Candidates.keys`, ascending, uint64 ``[N]``.
        quantiles: Rank of an architecture among those of a task, over their number: 1 is best, ``[S, N]``. NaN where
            the task did not measure it; the mean where it measured several that count as the same.
        by_mean: Rows by their mean quantile over the tasks that measured them, best first, ``[N]``.
        by_source: Rows that each task measured, best first.
    """

    names: tuple[str, ...]
    fingerprint: str
    codes: NDArray[np.int8]
    keys: NDArray[np.uint64]
    quantiles: NDArray[np.float64]
    by_mean: NDArray[np.intp]
    by_source: list[NDArray[np.intp]]

    @classmethod
    def joined(cls, tasks: Mapping[str, TableTask], candidates: Candidates) -> SourceTables:
        """Join the tables of one space.

        Args:
            tasks: Name -> task of the space, at least one.
            candidates: The space that is searched, and which of its architectures count as the same.

        Raises:
            SearchSpaceError: If a source is of another space.
            SettingError: If there is no source, or one is not a TableTask.
        """
        if not isinstance(tasks, Mapping) or not tasks:
            raise SettingError("sources must hold at least one source task, as a dict of name -> task.")
        for name, task in tasks.items():
            require_instance(f"The source {name}", task, TableTask)
            if task.archs.space.name != candidates.space_name:
                raise SearchSpaceError(
                    f"The source {name} is of {task.archs.space.name}, not of {candidates.space_name}: leave it out."
                )
        # A task's own canonical keys are made in pieces and kept: NAS-Bench-101 has 423,624.
        isomorphic = candidates.allow_isomorphic
        found = [candidates.keys(task.archs) if isomorphic else task.canonical_keys for task in tasks.values()]
        joined, first = np.unique(np.concatenate(found), return_index=True)
        quantiles = np.full((len(tasks), len(joined)), np.nan)
        digest = hashlib.sha256()
        for number, (name, task) in enumerate(tasks.items()):
            rows = np.searchsorted(joined, found[number])
            times = np.bincount(rows, minlength=len(joined))
            total = np.bincount(rows, weights=rankdata(task.scores) / len(task), minlength=len(joined))
            np.divide(total, times, out=quantiles[number], where=times > 0)
            for part in (name.encode(), found[number].tobytes(), task.scores.tobytes()):
                digest.update(hashlib.sha256(part).digest())
        by_source = []
        for of_task in quantiles:
            measured = np.flatnonzero(~np.isnan(of_task))
            by_source.append(measured[np.argsort(-of_task[measured], kind="stable")])
        return cls(
            names=tuple(tasks),
            fingerprint=digest.hexdigest(),
            codes=np.concatenate([task.archs.codes for task in tasks.values()])[first],
            keys=joined,
            quantiles=quantiles,
            by_mean=np.argsort(-np.nanmean(quantiles, axis=0), kind="stable"),
            by_source=by_source,
        )

    def refuse_others(self, fingerprint: str, searcher: str) -> None:
        """Refuse a saved state of a searcher that knew other sources.

        Args:
            fingerprint: Fingerprint of the sources of the saved searcher.
            searcher: Name of its class, for the message.

        Raises:
            SearcherStateError: If it is not the fingerprint of these.
        """
        if fingerprint != self.fingerprint:
            raise SearcherStateError(
                f"The searcher that was saved had other sources than {', '.join(self.names)}, or other values, or "
                f"another allow_isomorphic: restore it into a {searcher} with the same ones."
            )
