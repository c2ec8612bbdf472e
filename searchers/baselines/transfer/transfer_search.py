"""The base of the searchers that go down lists of architectures that other tasks of the space found good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mpnas_ray.spaces import Architecture, SearchSpace
from mpnas_ray.tables import TableTask
from searchers.baselines.transfer.source_tables import SourceTables
from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.core.shared_arguments import SharedArguments
from searchers.core.state import Arrays

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["TransferSearch"]


class TransferSearch(ArchitectureSearcher):
    """Goes down a list of architectures that other tasks found good; a base.

    A restored searcher needs an instance with the same sources: its state tells them by a fingerprint alone.

    Args:
        sources: Name -> task of this space. An honest comparison leaves out the target's own data set.

    Raises:
        SearchSpaceError: If a source is of another space.
        SettingError: If there is no source, or one is not a TableTask.
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        sources: Mapping[str, TableTask],
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(space, metric, mode, **shared)
        self._sources = SourceTables.joined(sources, self._proposals.candidates)

    def _first_unseen(self, rows: Iterable[int]) -> Architecture | None:
        """Return the first of these rows of the sources that was not proposed yet."""
        for row in rows:
            if int(self._sources.keys[row]) not in self._proposals.seen:
                return self.space.architecture(self._sources.codes[row])
        return None

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        return {"sources": self._sources.fingerprint}, {}

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        self._sources.refuse_others(plain["sources"], type(self).__name__)
