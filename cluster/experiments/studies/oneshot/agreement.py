"""Agreement of one-shot scores with measured ones, and their worth beside a meta-learned predictor."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.experiments.studies.oneshot.cells import Truth
from cluster.experiments.studies.oneshot.skip_conv import all_cells
from cluster.experiments.studies.oneshot.supernets import (
    SupernetPlan,
    as_ranked,
    scores_by_norm,
    train_supernet,
)
from cluster.work.items import WorkItem
from mpnas_ray.catalogue import load_predictor
from mpnas_ray.predictors import MetaLearned
from mpnas_ray.spaces import Architectures
from mpnas_ray.stats import kendall
from mpnas_ray.tables import BUNDLED_TABLE, LearningCurves, read_curves
from searchers.model_based.ranking.prior_score import fused, prior_weight

__all__ = [
    "COUNTS",
    "PREDICTOR",
    "RANKINGS",
    "MeasuredArchs",
    "agreement_of",
    "cells_measured",
    "scoring_item",
    "table_measured",
    "worth_item",
]

PREDICTOR = "mpnas-3"
"""The bundled predictor that has learned nothing of our own table."""

COUNTS = (0, 5, 10, 20)
"""Numbers of measured architectures that a predictor sees."""

RANKINGS = ("predictor", "score alone", "score as prior", "score as mean function")

_NUM_DRAWS = 10


@dataclass(frozen=True, eq=False)
class MeasuredArchs:
    """Architectures that were trained on one task.

    Attributes:
        name: Name for the page.
        archs: The architectures.
        truth: Measured scores ``[N]``, higher is better; those whose loss was not finite are below all others.
        parameters: Numbers of parameters ``[N]``.
        ceiling: Kendall's tau between two trainings of the same architectures.
        settings: Settings of the trainings.
    """

    name: str
    archs: Architectures
    truth: NDArray[np.float64]
    parameters: NDArray[np.int64]
    ceiling: float
    settings: Mapping[str, Any]


def table_measured(task: str) -> MeasuredArchs:
    """Read a task of our own table: the first training of each architecture, and the second of some."""
    curves: LearningCurves = read_curves(BUNDLED_TABLE)[task]
    sign = 1.0 if curves.mode == "max" else -1.0
    last = as_ranked((sign * curves.scores[:, -1]).tolist())
    first, second = (np.flatnonzero(curves.seeds == seed) for seed in (0, 1))
    row_of = {str(curves.archs[row]): row for row in first.tolist()}
    pairs = [(row_of[str(curves.archs[row])], row) for row in second.tolist() if str(curves.archs[row]) in row_of]
    one, other = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    return MeasuredArchs(
        task,
        curves.archs[first],
        last[first],
        curves.parameters[first],
        kendall(last[one], last[other]),
        curves.settings,
    )


def cells_measured(truth: Truth, settings: Mapping[str, Any]) -> MeasuredArchs:
    """Take the 64 cells, whose truth is a mean over several trainings."""
    pairs = [(one, other) for one in range(len(truth.test)) for other in range(one)]
    ceiling = float(np.mean([kendall(truth.test[one], truth.test[other]) for one, other in pairs]))
    return MeasuredArchs("64 cells", all_cells(), truth.mean_test, truth.parameters, ceiling, settings)


def scoring_item(task: str, seed: int, settings: Mapping[str, Any], changed: Mapping[str, Any]) -> WorkItem:
    """Describe a supernet of the mixed space that scores all architectures of a task of our own table.

    Args:
        task: Name of the task.
        seed: Seed of the supernet.
        settings: Settings of the table's trainings: ``num_train`` and ``preset`` are the supernet's, too.
        changed: Settings in place of those of the short protocol.
    """
    own = {**changed, "num_samples": 1}  # nothing is chosen
    plan = SupernetPlan("rsps", seed, "mixed", task, None, settings["num_train"], settings["preset"], own)
    return WorkItem(f"tau/{task}.{seed}", plan.identity, partial(score_table, plan))


def score_table(plan: SupernetPlan) -> dict[str, Any]:
    """Train a supernet and score the architectures of the table."""
    trained = train_supernet(plan)
    start = time.process_time()
    scores = scores_by_norm(trained.search, table_measured(plan.task).archs)
    return {
        "scores": scores,
        "cpu_seconds": trained.cpu_seconds,
        "scoring_seconds": time.process_time() - start,
        "epochs": len(trained.epochs),
    }


def agreement_of(measured: MeasuredArchs, scores: Sequence[float | None]) -> float:
    """Correlate scores with the truth (Kendall's tau); architectures without a score rank last."""
    return kendall(as_ranked(scores), measured.truth)


def worth_item(measured: MeasuredArchs, scores: Sequence[float | None], seed: int) -> WorkItem:
    """Describe the rankings of the architectures by a predictor with and without a score."""
    texts = [str(arch) for arch in measured.archs]
    identity = {"archs": texts, "truth": measured.truth.tolist(), "scores": list(scores), "seed": seed}
    compute = partial(rankings_with_score, texts, measured.truth.tolist(), list(scores), seed)
    return WorkItem(f"worth/{measured.name.replace(' ', '-')}.{seed}", identity, compute)


def rankings_with_score(
    texts: Sequence[str], truth: Sequence[float], scores: Sequence[float | None], seed: int
) -> dict[str, Any]:
    """Correlate rankings of unmeasured architectures with the truth (Kendall's tau), for draws of measured ones.

    As a prior, the score is fused with the predictor's ranking as `MPNASSearch` does. As a mean function, it is fitted
    to the measured scores by ridge regression, and the predictor learns what that leaves.

    Returns:
        Ranking -> for each of `COUNTS` the correlation of each draw; None where there is no such ranking.
    """
    archs, values, score = Architectures.of(texts), np.array(truth), as_ranked(scores)
    predictor = load_predictor(PREDICTOR)
    assert isinstance(predictor, MetaLearned)
    rng = np.random.default_rng(seed)
    found: dict[str, list[list[float] | None]] = {name: [] for name in RANKINGS}
    for count in COUNTS:
        draws: dict[str, list[float]] = {name: [] for name in RANKINGS}
        for _ in range(_NUM_DRAWS if count else 1):
            order = rng.permutation(len(archs))
            seen, rest = order[:count], order[count:]
            adapted = predictor.adapt(archs[seen], values[seen]) if count else predictor
            predicted = adapted.predict(archs[rest])
            ranked = {
                "predictor": predicted,
                "score alone": score[rest],
                "score as prior": fused(predicted, score[rest], prior_weight(count, meta_learned=True)),
            }
            if count:
                ranked["score as mean function"] = _with_mean_function(predictor, archs, values, score, seen, rest)
            for name, ranking in ranked.items():
                draws[name].append(kendall(ranking, values[rest]))
        for name in RANKINGS:
            found[name].append(draws[name] or None)
    return found


def _with_mean_function(
    predictor: MetaLearned,
    archs: Architectures,
    values: NDArray[np.float64],
    score: NDArray[np.float64],
    seen: NDArray[np.intp],
    rest: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Predict by the score, and by a predictor that learned the rest; both in standard deviations of the measured."""
    spread = float(values[seen].std()) or 1.0
    wanted = (values[seen] - values[seen].mean()) / spread
    known = (score - score[seen].mean()) / (float(score.std()) or 1.0)
    slope = float(known[seen] @ wanted / (known[seen] @ known[seen] + 1.0))
    left = wanted - slope * known[seen]
    predicted = predictor.adapt(archs[seen], left).predict(archs[rest])
    scale = float(left.std()) / (float(predicted.std()) or 1.0)
    result: NDArray[np.float64] = slope * known[rest] + scale * (predicted - predicted.mean())
    return result
