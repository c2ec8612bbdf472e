"""Search without training (Mellor et al. 2021, "Neural Architecture Search without Training")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mpnas_ray.spaces import Architecture, SearchSpace
from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.core.proposals import Proposal
from searchers.core.shared_arguments import SharedArguments
from searchers.core.state import Arrays
from searchers.core.zero_cost import Score
from searchers.zero_cost.scored_samples import ScoredSamples

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["NASWOTSearch"]


class NASWOTSearch(ArchitectureSearcher):
    """Proposes the best of a random sample by a zero-cost score, whatever comes out (Mellor et al. 2021, Algorithm 1).

    With ``num_samples=1`` it is the paper's search: the one network that is trained is its choice. Further proposals
    are the next best of the sample; when that is used up, a new one is scored. Scores are computed in a Ray actor
    beside the trials; until they are there nothing is proposed.

    Args:
        score: N architectures -> a number for each ``[N]``, higher is better; NaN ranks last. It is not part of the
            saved state.
        num_scored: Number of candidates in a sample (the paper: 10, 100 and 1,000).

    Raises:
        SettingError: If the score cannot be called, or ``num_scored`` is not a whole number of at least 1.

    Example:
        >>> from searchers import NASWOTSearch
        >>> def count_convolutions(archs):
        ...     return (archs.codes == 3).sum(axis=1)
        >>> searcher = NASWOTSearch(
        ...     "transnasbench101", "accuracy", "max", score=count_convolutions, num_scored=50, seed=0
        ... )
        >>> config = searcher.suggest("trial-1")
        >>> searcher.on_trial_complete("trial-1", {"accuracy": 0.5})
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        score: Score,
        num_scored: int = 1_000,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(space, metric, mode, **shared)
        self._samples = ScoredSamples(score, num_scored)

    def _propose(self) -> Proposal:
        best = self._samples.take(self._proposals)
        if best is not None:
            return best
        event = self._samples.score_anew(self._proposals)
        if event is None:
            return None
        self.events.append(event)
        return self._samples.take(self._proposals) or self._proposals.random_unseen() or "FINISHED"

    def _explain(self, arch: Architecture) -> dict[str, Any]:
        return self._samples.explain(self._proposals.candidates.key(arch))

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        return self._samples.state()

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        self._samples = self._samples.restored(plain, arrays, self._proposals.candidates)
