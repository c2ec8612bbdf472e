"""Random search without repetition: the yardstick of every other searcher."""

from __future__ import annotations

from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.core.proposals import Proposal

__all__ = ["RandomSearch"]


class RandomSearch(ArchitectureSearcher):
    """Proposes architectures as the space draws them, no canonical form twice.

    Example:
        >>> from searchers import RandomSearch
        >>> searcher = RandomSearch("transnasbench101", "accuracy", "max", seed=0)
        >>> config = searcher.suggest("trial-1")
        >>> searcher.on_trial_complete("trial-1", {"accuracy": 0.5})
        >>> searcher.suggest("trial-2") == config
        False
    """

    def _propose(self) -> Proposal:
        return self._proposals.random_unseen() or "FINISHED"
