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
from mpnas_ray.predictors import Evidential, GCNPredictor, MetaLearned, Predictor, Uncertain
from mpnas_ray.predictors.support import thinned_points
from mpnas_ray.spaces import Architectures
from searchers.core.candidates import Candidates, keys
from searchers.core.state import Arrays, array_of
from searchers.core.zero_cost import NUM_SCORED, PriorScore, Score, scores_of
from searchers.model_based.acquisition import (
    ACQUISITIONS,
    Acquisition,
    acquire,
    best_first,
    improve_shortlist,
)
from searchers.model_based.climbing import climb
from searchers.model_based.transfer_check import TransferCheck

__all__ = ["Ranker", "Ranking", "RankingRequest", "random_ranking", "score_ranking"]


@dataclass(frozen=True)
class RankingRequest:
    """What a ranking follows from, beside what is always the same.

    Attributes:
        archs: Measured architectures, as strings, in the order of their proposal.
        labels: Their labels ``[N]``, higher is better. With none, the predictor ranks zero-shot.
        seen: Keys of what was proposed already, uint64 ``[M]``: it is left out of the ranking.
        seed: Of sampled candidates, of the order of equals, of Thompson sampling and of a GCN from scratch.
    """

    archs: list[str]
    labels: NDArray[np.float64]
    seen: NDArray[np.uint64]
    seed: int

    def thinned(self) -> RankingRequest:
        """With no more points than a predictor can learn from."""
        kept = thinned_points(self.labels)
        return replace(self, archs=[self.archs[row] for row in kept], labels=self.labels[kept])


@dataclass(frozen=True)
class Ranking:
    """Candidates, best first, none twice.

    Attributes:
        codes: int8 ``[N, code_length]``.
        keys: Of `searchers.core.candidates.keys`, uint64 ``[N]``.
        predicted: Predicted scores, float64 ``[N]``; empty for an order that no predictor made.
        num_points: Number of labels behind it.
        seconds: What it took.
        transfer: What the results say of what was learned on other tasks, if the predictor can tell.
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
        num_candidates: How many to sample where the candidates are too many to list.
        prior_score: A zero-cost score to fuse the predictor's order with; None for none.
        cost_predictor: Takes the place of the predictor where that believes that the task measures a cost; None for
            none.
    """

    candidates: Candidates
    predictor: Predictor | None
    acquisition: Acquisition
    num_candidates: int
    prior_score: PriorScore | None = None
    cost_predictor: Predictor | None = None

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
        points = request.thinned()
        measured = Architectures.of(points.archs, self.candidates.space)
        believed = self._fitted(self.predictor, measured, points)
        predictor, acquisition = believed, self.acquisition
        if isinstance(believed, Evidential) and believed.probability_of_cost() > 0.5:
            acquisition = "mean"  # costs add up over operations, so that there is little to explore
            if self.cost_predictor is not None:
                predictor = self._fitted(self.cost_predictor, measured, points)
        archs, found, predicted = self._predicted(predictor, rng, climbs=len(measured) > 0)
        ties = rng.permutation(len(archs))
        unseen = ~np.isin(found, request.seen)
        if len(measured) > 1 and not _differ(points):
            order = ties  # whatever is believed best is all the same: look elsewhere
        elif acquisition == "mean" or not isinstance(predictor, Uncertain) or not len(measured):
            order = best_first(predicted, ties)
        elif acquisition == "ei" and meta_learned:
            order = improve_shortlist(predictor, predicted, archs, measured, unseen, rng, ties)
        else:
            predicted, order = acquire(predictor, acquisition, archs, measured, rng, ties)
            _check_finite(predictor, predicted, len(archs))
        order = order[unseen[order]]
        num_unusable = 0
        if self.prior_score is not None:
            order, num_unusable = self.prior_score.reorder(order, archs, len(request.archs), meta_learned=meta_learned)
        return Ranking(
            archs.codes[order],
            found[order],
            predicted[order],
            num_points=len(request.archs),
            seconds=time.perf_counter() - start,
            transfer=_checked(believed, points),
            num_unusable=num_unusable,
        )

    def _drawn(self, rng: np.random.Generator) -> tuple[Architectures, NDArray[np.uint64]]:
        if self.candidates.listed is not None:
            return self.candidates.listed, self.candidates.listed_keys
        archs = self.candidates.sample(self.num_candidates, rng)
        return archs, keys(archs, self.candidates.twins)

    def _predicted(
        self, predictor: Predictor, rng: np.random.Generator, climbs: bool
    ) -> tuple[Architectures, NDArray[np.uint64], NDArray[np.float64]]:
        """Candidates ``[N]``, their keys and predicted scores; of a large space with neighbours of the best ones.

        Before the first result there are none: they are all much alike, and so would the first trials be.
        """

        def predict(archs: Architectures) -> NDArray[np.float64]:
            predicted = np.asarray(predictor.predict(archs), dtype=np.float64)
            _check_finite(predictor, predicted, len(archs))
            return predicted

        archs, found = self._drawn(rng)
        predicted = predict(archs)
        if self.candidates.listed is not None or not climbs:
            return archs, found, predicted
        return climb(self.candidates, archs, found, predicted, predict)

    def _fitted(self, predictor: Predictor | None, measured: Architectures, points: RankingRequest) -> Predictor:
        if isinstance(predictor, MetaLearned):  # without points it ranks zero-shot
            return predictor.adapt(measured, points.labels) if points.archs else predictor
        fitted = GCNPredictor(seed=points.seed) if predictor is None else deepcopy(predictor)
        fitted.fit(measured, points.labels)
        return fitted


def _checked(predictor: Predictor, points: RankingRequest) -> TransferCheck | None:
    if not isinstance(predictor, Evidential) or not _differ(points):
        return None
    return TransferCheck(len(points.archs), predictor.transfer_odds())


def _differ(points: RankingRequest) -> bool:
    return len(points.archs) > 0 and bool(np.ptp(points.labels) > 0)


def _check_finite(predictor: Predictor, predicted: NDArray[np.float64], num: int) -> None:
    if predicted.shape != (num,) or not np.isfinite(predicted).all():
        raise PredictorError(
            f"{type(predictor).__name__} must give a finite score for each of {num} architectures; it gave shape "
            f"{list(predicted.shape)} with {np.isfinite(predicted).sum()} finite values."
        )


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
