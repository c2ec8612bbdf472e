"""A ranking, what it is asked from, and the two ways to make one that need no predictor's belief in all candidates."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mpnas_ray.errors import SearcherStateError
from mpnas_ray.predictors.support import thinned_points
from mpnas_ray.spaces import Architectures
from searchers.core.candidates import Candidates
from searchers.core.state import Arrays, array_of
from searchers.model_based.ranking.transfer_check import TransferCheck

__all__ = ["Order", "Rank", "Ranking", "RankingRequest", "random_ranking", "rank_unseen"]


@dataclass(frozen=True)
class RankingRequest:
    """Everything that a ranking follows from and that changes from one to the next.

    Attributes:
        archs: Measured architectures, as strings, in the order of their proposal.
        labels: Labels of the measured architectures ``[N]``, higher is better. With none, the predictor ranks
            zero-shot.
        seen: Keys of what was proposed already, uint64 ``[M]``: it is left out of the ranking.
        seed: Seed of sampled candidates, of the order of equals, of Thompson sampling and of a GCN from scratch.
        costs: Costs that the trials reported, ``[N, C]``, NaN where there is none; None in a search for one objective.
        failed: Whether each trial failed, bool ``[N]``; None in a search for one objective.
    """

    archs: list[str]
    labels: NDArray[np.float64]
    seen: NDArray[np.uint64]
    seed: int
    costs: NDArray[np.float64] | None = None
    failed: NDArray[np.bool_] | None = None

    def thinned(self) -> RankingRequest:
        """Return the request with no more points than a predictor can learn from."""
        kept = thinned_points(self.labels)
        return replace(
            self,
            archs=[self.archs[row] for row in kept],
            labels=self.labels[kept],
            costs=None if self.costs is None else self.costs[kept],
            failed=None if self.failed is None else self.failed[kept],
        )


@dataclass(frozen=True)
class Ranking:
    """Candidates, best first, none twice.

    Attributes:
        codes: Codes of the candidates, int8 ``[N, code_length]``.
        keys: Keys of the candidates by `searchers.core.candidates.Candidates.keys`, uint64 ``[N]``.
        predicted: Predicted scores, float64 ``[N]``; empty for an order that no predictor made.
        num_points: Number of labels behind it.
        seconds: Seconds that it took to make.
        transfer: The evidence for and against what was learned on other tasks, if the predictor can tell.
        num_unusable: Number of scored candidates that have no finite zero-cost score.
        least_excess: Part of a limit on a predicted cost by which even the candidate that comes nearest is expected to
            exceed it; at most 0 where some are expected to keep all limits, or there are none.
    """

    codes: NDArray[np.int8]
    keys: NDArray[np.uint64]
    predicted: NDArray[np.float64]
    num_points: int
    seconds: float
    transfer: TransferCheck | None = None
    num_unusable: int = 0
    least_excess: float = 0.0

    def __len__(self) -> int:
        return len(self.codes)

    def arrays(self) -> Arrays:
        """Return the arrays of the ranking by name, for a state file."""
        return {"codes": self.codes, "keys": self.keys, "predicted": self.predicted}

    @classmethod
    def from_arrays(cls, arrays: Arrays, candidates: Candidates, *, num_points: int, seconds: float) -> Ranking:
        """Make a ranking of these candidates from what `arrays` returned, perhaps read from a file.

        Raises:
            SearcherStateError: If an array is missing or has another type or length, or the keys belong to other
                architectures.
            IndexError: If a code stands for no operation of the space.
        """
        codes = array_of(arrays, "codes", np.int8, 2)
        known, predicted = array_of(arrays, "keys", np.uint64, 1), array_of(arrays, "predicted", np.floating, 1)
        if len(known) != len(codes) or len(predicted) not in (0, len(codes)):
            raise SearcherStateError(
                f"a ranking has {len(codes)} candidates, {len(known)} keys and {len(predicted)} predictions"
            )
        if len(codes) and not np.array_equal(candidates.keys(Architectures(candidates.space, codes)), known):
            raise SearcherStateError("the keys of a ranking are not those of its candidates")
        return cls(codes, known, predicted, num_points, seconds)


Rank = Callable[[RankingRequest], Ranking]
"""The function of a mode of ranking; it can be pickled, since it runs beside the trials."""

Order = Callable[[Architectures, np.random.Generator], tuple[NDArray[np.float64], NDArray[np.intp]]]
"""N architectures -> a number to report for each ``[N]``, and their rows, best first, ``[N]``."""


def rank_unseen(candidates: Candidates, num_candidates: int, request: RankingRequest, order: Order) -> Ranking:
    """Rank only what was not proposed yet: all of a small space, else a fresh sample of it.

    Args:
        candidates: The architectures that may be proposed.
        num_candidates: Size of the sample; a small space is ranked whole.
        request: The results so far.
        order: Puts the candidates in order; not called without any.

    Raises:
        Exception: Error that ``order`` raises.
    """
    torch.set_num_threads(1)  # trials run beside this
    start = time.perf_counter()
    rng = np.random.default_rng(request.seed)
    archs, found = candidates.unseen(num_candidates, request.seen, rng)
    reported, rows = order(archs, rng) if len(archs) else (np.empty(0), np.empty(0, dtype=np.intp))
    return Ranking(
        archs.codes[rows],
        found[rows],
        reported[rows],
        num_points=len(request.archs),
        seconds=time.perf_counter() - start,
    )


def random_ranking(candidates: Candidates, num_candidates: int, rng: np.random.Generator) -> Ranking:
    """Put candidates in random order, for as long as there is nothing to learn from."""
    start = time.perf_counter()
    archs = candidates.sample(num_candidates, rng)
    return Ranking(archs.codes, candidates.keys(archs), np.empty(0), 0, time.perf_counter() - start)
