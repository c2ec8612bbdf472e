"""Candidates in the order in which a searcher proposes them, made by a predictor."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mpnas_ray.checks import require_count, require_one_of
from mpnas_ray.errors import PredictorError, SearcherStateError
from mpnas_ray.predictors import GCNPredictor, MetaLearned, Predictor
from mpnas_ray.predictors.support import thinned_points
from mpnas_ray.spaces import Architectures
from searchers.acquisition import ACQUISITIONS, Acquisition, Uncertain, acquire, best_first
from searchers.candidates import Candidates, keys
from searchers.state import Arrays, array_of
from searchers.transfer_check import TransferCheck, check_transfer
from searchers.zero_cost import NUM_SCORED, PriorScore, Score, scores_of

__all__ = ["Ranker", "Ranking", "RankingRequest", "random_ranking", "score_ranking"]

_GUARDED_FROM = 4
"""Results from which a predictor without transfer has every second proposal. Of the shares tried in replays (none, a
third, a half, two thirds, by cross-validation, by what proposals came to; five to seven runs on nine tables), a half
was the best over all: with none, NinaPro and Darcy flow took about twice the queries."""


@dataclass(frozen=True)
class RankingRequest:
    """What a ranking follows from, beside what is always the same.

    Attributes:
        archs: Measured architectures, as strings, in the order of their proposal.
        labels: Their labels ``[N]``, higher is better. With none, the predictor ranks zero-shot.
        seen: Keys of what was proposed already, uint64 ``[M]``: it is left out of the ranking.
        seed: Of sampled candidates, of the order of equals, of Thompson sampling and of a GCN from scratch.
        check: Whether to ask the results if what was learned on other tasks helps.
        transfer_hurts: What an earlier check found.
    """

    archs: list[str]
    labels: NDArray[np.float64]
    seen: NDArray[np.uint64]
    seed: int
    check: bool = False
    transfer_hurts: bool = False

    def thinned(self) -> RankingRequest:
        """With no more points than a predictor can learn from."""
        kept = thinned_points(self.labels)
        return replace(self, archs=[self.archs[row] for row in kept], labels=self.labels[kept])


@dataclass(frozen=True)
class Ranking:
    """Candidates, best first, none twice.

    Attributes:
        codes: int8 ``[N, code_length]``.
        keys: Of `searchers.candidates.keys`, uint64 ``[N]``.
        predicted: Predicted scores, float64 ``[N]``; empty for an order that no predictor made.
        num_points: Number of labels behind it.
        seconds: What it took.
        transfer: What the results say of what was learned on other tasks, if that was asked.
        num_unusable: Candidates that have no finite zero-cost score, of those that were scored.
    """

    codes: NDArray[np.int8]
    keys: NDArray[np.uint64]
    predicted: NDArray[np.float64]
    num_points: int
    seconds: float
    transfer: TransferCheck | None = None
    num_unusable: int = 0

    def __len__(self) -> int:
        return len(self.codes)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Those of its arguments that are arrays, by name."""
        return {"codes": self.codes, "keys": self.keys, "predicted": self.predicted}

    @classmethod
    def of_arrays(cls, arrays: Arrays, candidates: Candidates, *, num_points: int, seconds: float) -> Ranking:
        """Make a ranking of these candidates of what `arrays` returned, perhaps from a file.

        Raises:
            SearcherStateError: If an array is missing or of another type or length, or the keys are of other
                architectures.
            IndexError: If a code stands for no operation of the space.
        """
        codes = array_of(arrays, "codes", np.int8, 2)
        known, predicted = array_of(arrays, "keys", np.uint64, 1), array_of(arrays, "predicted", np.floating, 1)
        if len(known) != len(codes) or len(predicted) not in (0, len(codes)):
            raise SearcherStateError(
                f"a ranking has {len(codes)} candidates, {len(known)} keys and {len(predicted)} predictions"
            )
        if len(codes) and not np.array_equal(keys(Architectures(candidates.space, codes), candidates.twins), known):
            raise SearcherStateError("the keys of a ranking are not those of its candidates")
        return cls(codes, known, predicted, num_points, seconds)


@dataclass(frozen=True)
class Ranker:
    """Makes rankings; what stays the same from one to the next.

    Attributes:
        candidates: What may be proposed.
        predictor: Is not changed: each ranking has its own copy, or what ``adapt`` gives. None for a GCN from scratch.
        acquisition: What to try next, given what the predictor believes.
        guard: For a meta-learned predictor: one without it, whose proposals alternate with its own, and replace them
            where transfer hurts. None for no guard.
        num_candidates: How many to sample where the candidates are too many to list.
        prior_score: A zero-cost score to fuse the predictor's order with; None for none.
    """

    candidates: Candidates
    predictor: Predictor | None
    acquisition: Acquisition
    num_candidates: int
    guard: Predictor | None = None
    prior_score: PriorScore | None = None

    def __post_init__(self) -> None:
        require_one_of("acquisition", self.acquisition, ACQUISITIONS)
        require_count("num_candidates", self.num_candidates)

    def rank(self, request: RankingRequest) -> Ranking:
        """Fit the predictor, and rank all candidates if they are few, else a fresh sample.

        Raises:
            PredictorError: If the predictor gives something else than a finite number for each candidate.
        """
        meta_learned = isinstance(self.predictor, MetaLearned)
        if self.prior_score is not None and not request.archs and not meta_learned:
            return replace(score_ranking(self.candidates, self.prior_score, NUM_SCORED, request), predicted=np.empty(0))
        torch.set_num_threads(1)  # trials run beside this
        start = time.perf_counter()
        rng = np.random.default_rng(request.seed)
        archs, found = self._drawn(rng)
        ties = rng.permutation(len(archs))  # one for both orders, so that who agree about equals do so here too
        points = request.thinned()
        measured = Architectures.of(points.archs, self.candidates.space)
        predictor = self._fitted(measured, points)
        predicted, order = _order(predictor, self.acquisition, archs, measured, points, rng, ties)
        unseen = ~np.isin(found, request.seen)
        order = order[unseen[order]]  # first of all: what was seen would otherwise spoil the turns of a guard
        check, num_unusable = None, 0
        if self.prior_score is not None:
            order, num_unusable = self.prior_score.reorder(order, archs, len(request.archs), meta_learned=meta_learned)
        if isinstance(self.predictor, MetaLearned) and self.guard is not None and len(measured) >= _GUARDED_FROM:
            if request.check:
                check = check_transfer(self.predictor, self.guard, measured, points.labels, request.seed)
            hurts = request.transfer_hurts if check is None else check.verdict == "hurts"
            guard = deepcopy(self.guard)
            guard.fit(measured, points.labels)
            _, of_guard = _order(guard, "ei", archs, measured, points, rng, ties)
            of_guard = of_guard[unseen[of_guard]]
            order = of_guard if hurts else alternating(order, of_guard, first=len(request.archs) % 2)
        return Ranking(
            archs.codes[order],
            found[order],
            predicted[order],
            num_points=len(request.archs),
            seconds=time.perf_counter() - start,
            transfer=check,
            num_unusable=num_unusable,
        )

    def _drawn(self, rng: np.random.Generator) -> tuple[Architectures, NDArray[np.uint64]]:
        if self.candidates.listed is not None:
            return self.candidates.listed, self.candidates.listed_keys
        archs = self.candidates.sample(self.num_candidates, rng)
        return archs, keys(archs, self.candidates.twins)

    def _fitted(self, measured: Architectures, points: RankingRequest) -> Predictor:
        if isinstance(self.predictor, MetaLearned):  # without points it ranks zero-shot
            return self.predictor.adapt(measured, points.labels) if points.archs else self.predictor
        predictor = GCNPredictor(seed=points.seed) if self.predictor is None else deepcopy(self.predictor)
        predictor.fit(measured, points.labels)
        return predictor


def _order(
    predictor: Predictor,
    acquisition: Acquisition,
    archs: Architectures,
    measured: Architectures,
    points: RankingRequest,
    rng: np.random.Generator,
    ties: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Predicted scores ``[N]``, and the order in which to try the candidates ``[N]``."""
    if acquisition != "mean" and isinstance(predictor, Uncertain) and len(measured) and np.ptp(points.labels) > 0:
        predicted, order = acquire(predictor, acquisition, archs, measured, rng, ties)
        _check_finite(predictor, predicted, len(archs))
        return predicted, order
    predicted = np.asarray(predictor.predict(archs), dtype=np.float64)
    _check_finite(predictor, predicted, len(archs))
    return predicted, best_first(predicted, ties)


def _check_finite(predictor: Predictor, predicted: NDArray[np.float64], num: int) -> None:
    if predicted.shape != (num,) or not np.isfinite(predicted).all():
        raise PredictorError(
            f"{type(predictor).__name__} must give a finite score for each of {num} architectures; it gave shape "
            f"{list(predicted.shape)} with {np.isfinite(predicted).sum()} finite values."
        )


def alternating(one: NDArray[np.intp], other: NDArray[np.intp], first: int) -> NDArray[np.intp]:
    """Two orders of the same N places merged: each in turn gives its next that is not yet there.

    Args:
        one: ``[N]``, each place once.
        other: ``[N]``, each place once.
        first: 0 to begin with ``one``, 1 to begin with ``other``.
    """
    both = np.stack([one, other] if first == 0 else [other, one], axis=1).ravel()
    _, places = np.unique(both, return_index=True)
    return both[np.sort(places)]


def random_ranking(candidates: Candidates, num_candidates: int, rng: np.random.Generator) -> Ranking:
    """Candidates in random order, for as long as there is nothing to learn from."""
    start = time.perf_counter()
    archs = candidates.sample(num_candidates, rng)
    return Ranking(archs.codes, keys(archs, candidates.twins), np.empty(0), 0, time.perf_counter() - start)


def score_ranking(candidates: Candidates, score: Score, num_scored: int, request: RankingRequest) -> Ranking:
    """A random sample of the candidates that were not seen, the best by a score first, those without one last.

    Raises:
        Exception: What the score raises.
    """
    torch.set_num_threads(1)  # trials run beside this
    start = time.perf_counter()
    archs = candidates.sample(num_scored + len(request.seen), np.random.default_rng(request.seed))
    found = keys(archs, candidates.twins)
    unseen = np.flatnonzero(~np.isin(found, request.seen))[:num_scored]
    archs, found = archs[unseen], found[unseen]
    scores = scores_of(score, archs) if len(archs) else np.empty(0)
    order = np.argsort(-scores, kind="stable")  # puts NaN last
    return Ranking(
        archs.codes[order],
        found[order],
        scores[order],
        num_points=0,
        seconds=time.perf_counter() - start,
        num_unusable=int(np.isnan(scores).sum()),
    )
