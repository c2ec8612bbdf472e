"""Assisted regularised evolution (Mellor et al. 2021, "Neural Architecture Search without Training")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mpnas_ray.spaces import Architecture, SearchSpace
from searchers.baselines.evolution import RegularizedEvolution
from searchers.core.proposals import Proposal
from searchers.core.shared_arguments import SharedArguments
from searchers.core.state import Arrays, value_of
from searchers.core.zero_cost import Score
from searchers.zero_cost.scored_samples import ScoredSamples

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AREASearch"]


class AREASearch(RegularizedEvolution):
    """Evolves from the better half, by a zero-cost score, of twice as many random architectures as are alive.

    This is Algorithm 2 of Mellor et al. (2021). The half is proposed best first; from then on the score plays no part,
    and the search is `RegularizedEvolution`. Scores are computed in a Ray actor beside the trials; until they are there
    nothing is proposed. If the score fails, the first population is random.

    Args:
        score: N architectures -> a number for each ``[N]``, higher is better; NaN ranks last. It is not part of the
            saved state.
        population_size: Number of architectures that are alive; twice as many are scored.

    Raises:
        SettingError: If the score cannot be called, or a number is not a whole one of at least 1.

    Example:
        >>> from searchers import AREASearch
        >>> def count_convolutions(archs):
        ...     return (archs.codes == 3).sum(axis=1)
        >>> searcher = AREASearch("transnasbench101", "accuracy", "max", score=count_convolutions, seed=0)
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
        population_size: int = 20,
        sample_size: int = 20,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(space, metric, mode, population_size=population_size, sample_size=sample_size, **shared)
        self._samples = ScoredSamples(score, 2 * population_size)
        self._score_failed = False

    def _first(self) -> Proposal:
        if not self._samples.num_samples and not self._score_failed:
            try:
                event = self._samples.score_anew(self._proposals)
            except Exception:
                self._score_failed = True
                raise
            if event is None:
                return None
            self.events.append(event)
        return self._samples.take(self._proposals, most=self._population_size) or super()._first()

    def _explain(self, arch: Architecture) -> dict[str, Any]:
        return self._samples.explain(self._proposals.candidates.key(arch))

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        plain, arrays = self._samples.state()
        return {**super()._own_state()[0], "samples": plain, "score_failed": self._score_failed}, arrays

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        super()._set_own_state(plain, arrays)
        self._samples = self._samples.restored(value_of(plain, "samples", dict), arrays, self._proposals.candidates)
        self._score_failed = value_of(plain, "score_failed", bool)
