"""Sampled candidates, the best by a score first: scored once, beside the trials."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from mpnas_ray.checks import require_callable, require_count
from mpnas_ray.spaces import Architecture
from searchers.background import BackgroundWorker
from searchers.core.candidates import Candidates
from searchers.core.proposals import Proposals
from searchers.core.state import Arrays, value_of
from searchers.core.zero_cost import Score
from searchers.model_based.ranking.base import Ranking, RankingRequest
from searchers.model_based.ranking.by_score import ScoreRanker

__all__ = ["ScoredSamples"]

logger = logging.getLogger(__name__)


class ScoredSamples:
    """Samples of candidates that are scored and then given out best first, one sample at a time.

    Attributes:
        num_scored: Number of candidates in a sample.
        num_samples: Number of samples that were scored so far.
    """

    def __init__(self, score: Score, num_scored: int) -> None:
        """Keep the score; nothing is scored yet.

        Raises:
            SettingError: If the score cannot be called, or ``num_scored`` is not a whole number of at least 1.
        """
        require_callable("score", score, "N architectures -> a number for each")
        self.num_scored = require_count("num_scored", num_scored)
        self.num_samples = 0
        self._score = score
        self._ranking: Ranking | None = None
        self._position = 0
        self._worker: BackgroundWorker[RankingRequest, Ranking] | None = None

    def score_anew(self, proposals: Proposals) -> dict[str, Any] | None:
        """Score a new sample of what was not proposed. Waits for nothing.

        Returns:
            An event for telemetry; None while the sample is being scored: ask again.

        Raises:
            Exception: Error that the score raised; the next call scores a new sample.
        """
        if self._worker is None:
            self._worker = BackgroundWorker(ScoreRanker(proposals.candidates, self._score, self.num_scored).rank)
        if self._worker.under_way is not None:
            ranking = self._worker.poll()
        else:
            # Differs between samples, and is the same again when a restored searcher repeats one that was cut off.
            seed = int(np.random.SeedSequence([proposals.seed, self.num_samples]).generate_state(1)[0])
            request = RankingRequest([], np.empty(0), proposals.seen_keys(), seed)
            ranking = self._worker.start(request)
        if ranking is None:
            return None
        self._worker = None  # its actor ends: it may be long until it is needed again, if ever
        self._ranking, self._position, self.num_samples = ranking, 0, self.num_samples + 1
        if ranking.num_unusable:
            logger.warning(
                "%d of %d architectures have no usable score: they rank last.", ranking.num_unusable, len(ranking)
            )
        return {
            "event": "scored",
            "candidates": len(ranking),
            "unusable_scores": ranking.num_unusable,
            "seconds": ranking.seconds,
        }

    def take(self, proposals: Proposals, most: int | None = None) -> Architecture | None:
        """Take the best that was neither taken nor proposed; None where there is no more.

        Args:
            proposals: The search that the sample is for.
            most: Number of candidates of the sample that may be taken at all; None for all.
        """
        ranking = self._ranking
        while ranking is not None and self._position < len(ranking.codes[:most]):
            row = self._position
            self._position += 1
            if int(ranking.keys[row]) not in proposals.seen:
                return proposals.candidates.space.architecture(ranking.codes[row])
        return None

    def explain(self, key: int) -> dict[str, Any]:
        """Return score and rank of the candidate just taken, whose key this is; nothing of another one."""
        row = self._position - 1
        if self._ranking is None or row < 0 or int(self._ranking.keys[row]) != key:
            return {}
        score = float(self._ranking.predicted[row])
        return {"score": score if np.isfinite(score) else None, "rank": row + 1}

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return plain values and arrays for a state file; the score is not part of them."""
        plain: dict[str, Any] = {
            "num_scored": self.num_scored,
            "num_samples": self.num_samples,
            "position": self._position,
            "seconds": None if self._ranking is None else self._ranking.seconds,
        }
        return plain, {} if self._ranking is None else self._ranking.arrays()

    def restored(self, plain: dict[str, Any], arrays: Arrays, candidates: Candidates) -> ScoredSamples:
        """Return samples of these candidates by the same score that go on from a `state`.

        Raises:
            SearcherStateError: If it is damaged.
        """
        restored = ScoredSamples(self._score, value_of(plain, "num_scored", int, least=1))
        restored.num_samples = value_of(plain, "num_samples", int, least=0)
        restored._position = value_of(plain, "position", int, least=0)
        if plain["seconds"] is not None:
            restored._ranking = Ranking.from_arrays(
                arrays, candidates, num_points=0, seconds=value_of(plain, "seconds", float)
            )
        return restored
