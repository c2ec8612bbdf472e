"""Assisted regularised evolution (Mellor et al. 2021, "Neural Architecture Search without Training")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from mpnas_ray.spaces import Architecture, SearchSpace
from searchers.baselines.evolution import RegularizedEvolution
from searchers.core.settings import SearcherSettings
from searchers.core.state import Arrays, value_of
from searchers.core.zero_cost import Score
from searchers.zero_cost.scored_samples import ScoredSamples

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AREASearch"]


class AREASearch(RegularizedEvolution):
    """Regularised evolution whose first population is the better half, by a zero-cost score, of twice as many random
    architectures (Mellor et al. 2021, Algorithm 2).

    The half is proposed best first; from then on the score plays no part. Scores are computed in a Ray actor beside the
    trials; until they are there nothing is proposed. If the score fails, the first population is random.
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
        **settings: Unpack[SearcherSettings],
    ) -> None:
        """Nothing is scored yet.

        Args:
            space: A search space or its name.
            metric: Metric of the trials' results; may be left to ``TuneConfig``.
            mode: ``min`` or ``max``; may be left to ``TuneConfig``.
            score: N architectures -> a number for each ``[N]``, higher is better; NaN ranks last. It is not part of the
                saved state.
            population_size: How many architectures are alive; twice as many are scored.
            sample_size: See `RegularizedEvolution`.
            settings: Those that all searchers share, see `MPNASSearch`.

        Raises:
            SettingError: If the score cannot be called, or a number is not a whole one of at least 1.
        """
        super().__init__(space, metric, mode, population_size=population_size, sample_size=sample_size, **settings)
        self._samples = ScoredSamples(score, 2 * population_size)
        self._score_failed = False

    def _first(self) -> Architecture | Literal["FINISHED"] | None:
        if not self._samples.num_samples and not self._score_failed:
            try:
                event = self._samples.score_anew(self._candidates, self._seen, self._seed)
            except Exception:
                self._score_failed = True
                raise
            if event is None:
                return None
            self.events.append(event)
        return self._samples.take(self._candidates, self._seen, most=self._population_size) or super()._first()

    def _explain(self, arch: Architecture) -> dict[str, Any]:
        return self._samples.explain(self._key(arch))

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        plain, arrays = self._samples.state()
        return {**super()._own_state()[0], "samples": plain, "score_failed": self._score_failed}, arrays

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        super()._set_own_state(plain, arrays)
        self._samples = self._samples.restored(value_of(plain, "samples", dict), arrays, self._candidates)
        self._score_failed = value_of(plain, "score_failed", bool)
