"""Candidates in the order in which a searcher proposes them: made by a predictor, away from Tune's control loop."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import GCNPredictor, Predictor
from mpnas_ray.spaces import Architectures, get_space
from searchers.sameness import all_architectures, keys

__all__ = ["Ranking", "RankingJob", "RankingRequest", "rank_candidates"]


@dataclass(frozen=True)
class RankingRequest:
    """All that a ranking follows from, as plain values and a predictor.

    Attributes:
        space: Name of the search space.
        archs: Measured architectures, as strings.
        labels: Their labels ``[N]``, higher is better. With none, the predictor ranks zero-shot.
        predictor: Is copied, then fitted; None for a GCN from scratch.
        num_candidates: How many to sample where the space is too large to enumerate.
        seed: Of the sampling and of a GCN from scratch.
        twins: Whether texts of one network count as different, see `searchers.sameness`.
    """

    space: str
    archs: list[str]
    labels: NDArray[np.float64]
    predictor: Predictor | None
    num_candidates: int
    seed: int
    twins: bool = False


@dataclass(frozen=True)
class Ranking:
    """Candidates, best first, none twice.

    Attributes:
        space: Name of the search space.
        codes: int8 ``[N, code_length]``.
        keys: Of `searchers.sameness`, uint64 ``[N]``.
        predicted: Predicted scores, descending, float64 ``[N]``; empty for a random order.
        num_points: Number of labels behind it.
        seconds: What it took.
    """

    space: str
    codes: NDArray[np.int8]
    keys: NDArray[np.uint64]
    predicted: NDArray[np.float64]
    num_points: int
    seconds: float

    def __len__(self) -> int:
        return len(self.codes)


def rank_candidates(request: RankingRequest) -> Ranking:
    """Fit a predictor and rank candidates: the whole space if it is small, else a fresh sample."""
    torch.set_num_threads(1)  # trials run beside this
    start = time.perf_counter()
    space = get_space(request.space)
    rng = np.random.default_rng(request.seed)
    if space.enumerable:
        candidates = all_architectures(space, request.twins)
        found = keys(candidates, request.twins)
    else:
        candidates = space.sample_many(request.num_candidates, rng)
        found, first = np.unique(keys(candidates, request.twins), return_index=True)
        candidates = candidates[first]
    predictor = deepcopy(request.predictor) if request.predictor is not None else GCNPredictor(seed=request.seed)
    if request.archs:  # else it is meta-learned, and ranks zero-shot
        predictor.fit(Architectures.of(request.archs, space), request.labels)
    predicted = np.asarray(predictor.predict(candidates), dtype=np.float64)
    if predicted.shape != (len(candidates),) or not np.isfinite(predicted).all():
        raise PredictorError(
            f"{type(predictor).__name__}.predict must give a finite score for each of {len(candidates)} architectures; "
            f"it gave shape {list(predicted.shape)} with {np.isfinite(predicted).sum()} finite values."
        )
    order = np.argsort(-predicted, kind="stable")
    return Ranking(
        space=space.name,
        codes=candidates.codes[order],
        keys=found[order],
        predicted=predicted[order],
        num_points=len(request.archs),
        seconds=time.perf_counter() - start,
    )


def random_ranking(space_name: str, num_candidates: int, rng: np.random.Generator, twins: bool = False) -> Ranking:
    """Candidates in random order, for as long as there is nothing to learn from."""
    start = time.perf_counter()
    space = get_space(space_name)
    if space.enumerable:
        candidates = all_architectures(space, twins)
        candidates = candidates[rng.permutation(len(candidates))]
    else:
        candidates = space.sample_many(num_candidates, rng)
    found = keys(candidates, twins)
    return Ranking(space_name, candidates.codes, found, np.empty(0), 0, time.perf_counter() - start)


class RankingJob:
    """A ranking in the making: a Ray task where Ray runs, else computed on the spot."""

    def __init__(self, request: RankingRequest) -> None:
        """Start it. The task asks for no CPU of its own, so that it waits for no trial and no trial for it."""
        self._done: Ranking | None = None
        self._reference: Any = None
        if ray.is_initialized():
            self._reference = ray.remote(rank_candidates).options(num_cpus=0, max_retries=3).remote(request)
        else:
            self._done = rank_candidates(request)

    def poll(self) -> Ranking | None:
        """The ranking if it is ready, without waiting. Raises what the predictor raised."""
        if self._done is None:
            ready, _ = ray.wait([self._reference], timeout=0)
            if not ready:
                return None
            self._done = ray.get(self._reference)
        return self._done
