"""Measure how well a cost predictor ranks on its own known devices, each in turn as one that it has never seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mpnas_ray.predictors.cost.predictor import CostPredictor
from mpnas_ray.stats import spearman

if TYPE_CHECKING:
    from mpnas_ray.tables import TableTask

__all__ = ["few_shot_correlations"]

_NUM_POINTS, _DRAWS, _MOST_JUDGED = 10, 10, 4_000


def few_shot_correlations(predictor: CostPredictor, tasks: Mapping[str, TableTask]) -> dict[str, float]:
    """Compute Spearman's correlation on each task, given 10 random measurements and nothing of the task's devices.

    Mean over 10 draws; over at most 4,000 of the other architectures, those without a path from input to output left
    out. A task of fewer than 20 is passed over.
    """
    found = {}
    for number, (name, task) in enumerate(tasks.items()):
        known = task[task.archs.graphs().live()[:, -1]]
        if len(known) < 2 * _NUM_POINTS:
            continue
        ignorant, correlations = predictor.leaving_out(task.devices), []
        for draw in range(_DRAWS):
            rows = np.random.default_rng([draw, number]).permutation(len(known))
            measured, asked = rows[:_NUM_POINTS], rows[_NUM_POINTS : _NUM_POINTS + _MOST_JUDGED]
            adapted = ignorant.adapt(known.archs[measured], known.scores[measured])
            correlations.append(spearman(adapted.predict(known.archs[asked]), known.scores[asked]))
        found[name] = float(np.mean(correlations))
    return found
