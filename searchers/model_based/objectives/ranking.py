"""Ranking of candidates for several objectives, by predictors that are fitted to the results."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mpnas_ray.checks import require_count
from mpnas_ray.predictors import Predictor, Uncertain
from mpnas_ray.spaces import Architectures
from searchers.core.candidates import Candidates
from searchers.model_based.objectives.believed import BelievedCosts
from searchers.model_based.objectives.choosing import Belief, best_for_front
from searchers.model_based.objectives.costs import Costs
from searchers.model_based.objectives.directions import Scale, even_weights, losses, promise
from searchers.model_based.ranking.acquisition import best_first
from searchers.model_based.ranking.base import Ranking, RankingRequest
from searchers.model_based.ranking.climbing import climb
from searchers.model_based.ranking.fitting import fitted, predicted_scores, results_differ, transfer_check

__all__ = ["FrontRanker"]

Floats = NDArray[np.float64]

_MOST_PROMISING, _MORE = 800, 200
"""Numbers of unseen candidates, the most promising and random ones, whose uncertainty is asked for; see
`searchers.model_based.ranking.acquisition.improve_shortlist`."""


@dataclass(frozen=True)
class FrontRanker:
    """Fits predictors of quality and costs to the results, and ranks candidates by how much they improve the front.

    Attributes:
        candidates: The architectures that may be proposed.
        predictor: Predictor of the quality; None for a GCN from scratch. Each ranking has its own copy.
        costs: The costs and their limits.
        cost_predictor: Predictor of each cost that is not known beforehand; each has its own copy.
        num_candidates: Number of candidates to sample where there are too many to list.
    """

    candidates: Candidates
    predictor: Predictor | None
    costs: Costs
    cost_predictor: Predictor
    num_candidates: int

    def __post_init__(self) -> None:
        require_count("num_candidates", self.num_candidates)

    def rank(self, request: RankingRequest) -> Ranking:
        """Fit the predictors, and rank all candidates if they are few, else a fresh sample.

        Raises:
            PredictorError: If a predictor gives something else than a finite number for each candidate.
        """
        torch.set_num_threads(1)  # trials run beside this
        start = time.perf_counter()
        rng = np.random.default_rng(request.seed)
        points = request.thinned()
        assert points.costs is not None, "a request of a search with costs has them"
        measured = Architectures.of(points.archs, self.candidates.space)
        predictor = fitted(self.predictor, measured, points)
        believed = BelievedCosts.fitted(self.costs, self.cost_predictor, measured, points.costs)
        minimised = len(self.costs.minimised)

        def objectives_of(archs: Architectures) -> Floats:
            return np.column_stack([predicted_scores(predictor, archs), -believed.expected(archs)[:, :minimised]])

        archs, found, objectives, promised = self._candidates(objectives_of, rng, climbs=len(measured) > 0)
        unseen = np.flatnonzero(~np.isin(found, request.seen))
        ties = rng.permutation(len(archs))
        by_promise = unseen[best_first(promised[unseen], ties[unseen])]
        others = by_promise[_MOST_PROMISING:]
        short = np.concatenate([by_promise[:_MOST_PROMISING], rng.permutation(others)[:_MORE]])
        chance, excess = believed.chance_within(archs[short], rng)
        if len(measured) > 1 and not results_differ(points):
            order = unseen[np.argsort(ties[unseen])]  # what was believed to be best came out the same: look elsewhere
        else:
            belief = _belief(predictor, archs[short], -objectives[short, 1:], is_fitted=len(measured) > 0)
            front = self._front(predictor, believed, measured, points)
            first, value = best_for_front(belief, front, self._reachable(objectives, believed), chance, rng)
            order = _joined(short, first, value, excess, ties, by_promise)
        return Ranking(
            archs.codes[order],
            found[order],
            objectives[order, 0],
            num_points=len(request.archs),
            seconds=time.perf_counter() - start,
            transfer=transfer_check(predictor, points),
            least_excess=float(excess.min(initial=np.inf)) if len(excess) else 0.0,
        )

    def _reachable(self, objectives: Floats, believed: BelievedCosts) -> Floats:
        """Keep the expected objectives that are within the limits on them, or all if none is."""
        limits = np.array(
            [
                self.costs.limits.get(name, np.inf) if believed.has_unit(name) else np.inf
                for name in self.costs.minimised
            ]
        )
        within = (-objectives[:, 1:] <= limits).all(axis=1)
        return objectives[within] if within.any() else objectives

    def _candidates(
        self, objectives_of: Callable[[Architectures], Floats], rng: np.random.Generator, climbs: bool
    ) -> tuple[Architectures, NDArray[np.uint64], Floats, Floats]:
        """Return candidates ``[N]``, their keys, expected objectives ``[N, 1 + C]`` and promise ``[N]``."""
        listed = self.candidates.listed
        if listed is None:
            archs = self.candidates.sample(self.num_candidates, rng)
            found = self.candidates.keys(archs)
        else:
            archs, found = listed, self.candidates.listed_keys
        objectives = objectives_of(archs)
        if not len(archs):
            return archs, found, objectives, np.empty(0)
        scale, weights = Scale.of(objectives), even_weights(objectives.shape[1], rng)
        lowest = np.array([losses(scale(objectives), weight).min() for weight in weights])

        def promise_of(archs: Architectures) -> Floats:
            return promise(scale(objectives_of(archs)), weights, lowest)

        promised = promise(scale(objectives), weights, lowest)
        if climbs and listed is None:
            archs, found, promised = climb(self.candidates, archs, found, promised, promise_of)
            objectives = np.concatenate([objectives, objectives_of(archs[len(objectives) :])])
        return archs, found, objectives, promised

    def _front(
        self, predictor: Predictor, believed: BelievedCosts, measured: Architectures, points: RankingRequest
    ) -> Belief:
        """Return what was measured, did not fail and keeps the limits."""
        assert points.failed is not None, "a request of a search with costs says it"
        names = self.costs.names
        limits = np.array([self.costs.limits.get(n, np.inf) if believed.has_unit(n) else np.inf for n in names])
        within = (believed.measured <= limits).all(axis=1) & ~points.failed
        rows = np.flatnonzero(within)
        costs = believed.measured[rows, : len(self.costs.minimised)]
        mean = predicted_scores(predictor, measured[rows]) if len(rows) else np.empty(0)
        return Belief(mean, np.zeros(len(rows)), costs)


def _belief(predictor: Predictor, archs: Architectures, costs: Floats, *, is_fitted: bool) -> Belief:
    if is_fitted and isinstance(predictor, Uncertain) and len(archs):
        return Belief(*predictor.predict_with_std(archs), costs)
    mean = predicted_scores(predictor, archs)
    return Belief(mean, np.zeros(len(mean)), costs)


def _joined(
    short: NDArray[np.intp],
    first: NDArray[np.intp],
    value: Floats,
    excess: Floats,
    ties: NDArray[np.int64],
    by_promise: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Join the order: what was chosen, then by value, of no value by how little it exceeds the limits, then the rest.

    Args:
        short: Rows of the candidates that were valued, ``[S]``.
        first: Places in ``short`` of those that were chosen.
        value: Value of each in ``short``, ``[S]``.
        excess: Excess over the limits of each in ``short``, ``[S]``.
        ties: Order of equally good candidates.
        by_promise: Rows of all unseen candidates, the most promising first.
    """
    by_value = np.lexsort((ties[short], np.maximum(excess, 0.0), -value))
    chosen = short[np.concatenate([first, by_value[~np.isin(by_value, first)]])]
    return np.concatenate([chosen, by_promise[~np.isin(by_promise, chosen)]])
