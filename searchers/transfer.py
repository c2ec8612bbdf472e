"""Rivals that know the full tables of other tasks of the same space, and no predictor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from mpnas_ray.checks import require_instance
from mpnas_ray.errors import SearcherStateError, SearchSpaceError, SettingError
from mpnas_ray.spaces import Architecture, Architectures, SearchSpace
from mpnas_ray.tables import TableTask
from searchers.architecture_searcher import ArchitectureSearcher
from searchers.candidates import keys
from searchers.settings import SearcherSettings
from searchers.state import Arrays

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["MeanRankSearch", "NearestTaskSearch"]

_RANDOM_POINTS = 5


class TransferSearch(ArchitectureSearcher):
    """Base of the searchers that go down a list of architectures that other tasks found good.

    A restored searcher needs an instance with the same sources: its state tells them by a fingerprint alone.
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        sources: Mapping[str, TableTask],
        **settings: Unpack[SearcherSettings],
    ) -> None:
        """Rank the architectures of every source.

        Args:
            space: A search space or its name.
            metric: Metric of the trials' results; may be left to ``TuneConfig``.
            mode: ``min`` or ``max``; may be left to ``TuneConfig``.
            sources: Name -> task of this space. An honest comparison leaves out the target's own data set.
            settings: Those that all searchers share, see `MPNASSearch`.

        Raises:
            SearchSpaceError: If a source is of another space.
            SettingError: If there is no source, or one is not a TableTask.
        """
        super().__init__(space, metric, mode, **settings)
        if not isinstance(sources, Mapping) or not sources:
            raise SettingError(f"{type(self).__name__} needs at least one source task, as a dict of name -> task.")
        for name, task in sources.items():
            require_instance(f"The source {name}", task, TableTask)
            if task.archs.space.name != self.space.name:
                raise SearchSpaceError(
                    f"The source {name} is of {task.archs.space.name}, not of {self.space.name}: leave it out."
                )
        self._sources = _Sources.of(sources, self._twins)

    def _first_unseen(self, rows: Iterable[int]) -> Architecture | None:
        """The first of these rows of the sources that was not proposed yet."""
        for row in rows:
            if int(self._sources.keys[row]) not in self._seen:
                return self.space.architecture(self._sources.codes[row])
        return None

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        return {"sources": self._sources.fingerprint}, {}

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        if plain["sources"] != self._sources.fingerprint:
            raise SearcherStateError(
                f"The searcher that was saved had other sources than {', '.join(self._sources.names)}, or other values "
                f"or other twins in them: restore it into a {type(self).__name__} with the same ones."
            )


class MeanRankSearch(TransferSearch):
    """Architectures by their mean rank over the source tasks that measured them, best first, whatever comes out."""

    def _propose(self) -> Architecture | Literal["FINISHED"] | None:
        return self._first_unseen(self._sources.by_mean) or self._random_unseen() or "FINISHED"


class NearestTaskSearch(TransferSearch):
    """At random until five results are in, then as the source task ranks that agrees best with all results.

    Agreement is Spearman's correlation over the architectures that both measured; the source is chosen anew for each
    proposal. Of several that agree alike, the first one counts.
    """

    def _propose(self) -> Architecture | Literal["FINISHED"] | None:
        archs, labels = self.observations.labels()
        if len(archs) < _RANDOM_POINTS:
            return self._random_unseen() or "FINISHED"
        nearest = self._sources.nearest(self._rows(archs), labels)
        return self._first_unseen(self._sources.by_source[nearest]) or self._random_unseen() or "FINISHED"

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {}

    def _rows(self, archs: list[str]) -> NDArray[np.intp]:
        """Row of each architecture in the sources, ``[N]``; -1 if no source measured it. Looked up once for each."""
        new = [arch for arch in archs if arch not in self._row_of]
        if new:
            found = keys(Architectures.of(new, self.space), self._twins)
            rows = np.minimum(np.searchsorted(self._sources.keys, found), len(self._sources.keys) - 1)
            rows = np.where(self._sources.keys[rows] == found, rows, -1)
            self._row_of.update(zip(new, rows.tolist(), strict=True))
        return np.array([self._row_of[arch] for arch in archs])


@dataclass(frozen=True, eq=False)
class _Sources:
    """What S source tasks say of each of the N architectures that any of them measured.

    Attributes:
        names: Of the tasks.
        fingerprint: Of names, architectures and scores.
        codes: int8 ``[N, code_length]``.
        keys: Of `searchers.candidates`, ascending, ``[N]``.
        quantiles: Rank of an architecture among those of a task, over their number: 1 is best, ``[S, N]``. NaN where
            the task did not measure it; the mean where it measured several that count as the same.
        by_mean: Rows by their mean quantile over the tasks that measured them, best first, ``[N]``.
        by_source: For each task the rows that it measured, best first.
    """

    names: tuple[str, ...]
    fingerprint: str
    codes: NDArray[np.int8]
    keys: NDArray[np.uint64]
    quantiles: NDArray[np.float64]
    by_mean: NDArray[np.intp]
    by_source: list[NDArray[np.intp]]

    @classmethod
    def of(cls, tasks: Mapping[str, TableTask], twins: bool) -> _Sources:
        """Join the tables of one space."""
        # A task's own canonical keys are made in pieces and kept: NAS-Bench-101 has 423,624.
        found = [keys(task.archs, twins) if twins else task.canonical_keys for task in tasks.values()]
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

    def nearest(self, rows: NDArray[np.intp], labels: NDArray[np.float64]) -> int:
        """The task whose quantiles correlate best with labels, by Spearman over the rows that it measured.

        Args:
            rows: Of the labelled architectures; -1 for one that no task measured.
            labels: Higher is better, in the shape of ``rows``.
        """
        rows, labels = rows[rows >= 0], labels[rows >= 0]
        return int(np.argmax([_spearman(of_task[rows], labels) for of_task in self.quantiles]))


def _spearman(quantiles: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Correlation of ranks where there is a quantile; 0, which speaks neither for nor against, if it is undefined."""
    there = ~np.isnan(quantiles)
    one, other = rankdata(quantiles[there]), rankdata(labels[there])
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
