"""Base of the rivals that go down lists of architectures that other tasks of the space found good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mpnas_ray.spaces import Architecture, SearchSpace
from mpnas_ray.tables import TableTask
from searchers.baselines.transfer.sources import Sources
from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.core.settings import SearcherSettings
from searchers.core.state import Arrays

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["TransferSearch"]


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
        self._sources = Sources.of(sources, self.space, self._twins)

    def _first_unseen(self, rows: Iterable[int]) -> Architecture | None:
        """The first of these rows of the sources that was not proposed yet."""
        for row in rows:
            if int(self._sources.keys[row]) not in self._seen:
                return self.space.architecture(self._sources.codes[row])
        return None

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        return {"sources": self._sources.fingerprint}, {}

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        self._sources.refuse_others(plain["sources"], type(self).__name__)
