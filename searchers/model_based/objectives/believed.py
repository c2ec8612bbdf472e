"""Costs of candidates: computed where they are known, else predicted from those that trials have measured."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import Predictor, Uncertain
from mpnas_ray.spaces import Architectures
from searchers.model_based.objectives.costs import CostOf, Costs, known_costs

__all__ = ["BelievedCosts"]

Floats = NDArray[np.float64]

_NUM_SAMPLES = 64
"""Number of functions that a standard deviation is estimated from."""


@dataclass(frozen=True, eq=False)
class BelievedCosts:
    """Knowledge of all costs after some measurements.

    Attributes:
        costs: Names, limits and functions.
        models: Name -> predictor of a cost that is not known beforehand.
        in_unit: Names of those of which two differing costs were measured. Before that, only the order of what the
            predictor says means something.
        measured: Costs of the measured architectures, float64 ``[N, C]``, those of ``costs.names`` in their order;
            predicted where a trial reported none.
    """

    costs: Costs
    models: Mapping[str, Predictor]
    in_unit: frozenset[str]
    measured: Floats

    @classmethod
    def fitted(cls, costs: Costs, predictor: Predictor, archs: Architectures, values: Floats) -> BelievedCosts:
        """Learn each cost that is not known beforehand.

        Args:
            costs: Names, limits and functions.
            predictor: Predictor of a cost, copied for each; fitted to minus the costs, it predicts in their unit, as
                `mpnas_ray.predictors.CostPredictor` does.
            archs: N measured architectures.
            values: Reported costs ``[N, C]``, NaN where there is none.
        """
        models: dict[str, Predictor] = {}
        in_unit: set[str] = set()
        columns: list[Floats] = []
        for name, reported in zip(costs.names, values.T, strict=True):
            if name in costs.known:
                columns.append(known_costs(name, costs.known[name], archs))
                continue
            there = np.flatnonzero(np.isfinite(reported))
            model = models[name] = deepcopy(predictor)
            model.fit(archs[there], -reported[there])
            predicted = _expected(name, model, archs)
            if len(there) and np.ptp(reported[there]) > 0:
                in_unit.add(name)
                predicted = np.where(np.isfinite(reported), reported, predicted)
            columns.append(predicted)
        measured = np.stack(columns, axis=1) if columns else np.empty((len(archs), 0))
        return cls(costs, models, frozenset(in_unit), measured)

    def has_unit(self, name: str) -> bool:
        """Say whether expected costs of this name are in the unit of the limits."""
        return name in self.costs.known or name in self.in_unit

    def expected(self, archs: Architectures) -> Floats:
        """Return the expected costs of N architectures, ``[N, C]``.

        Raises:
            PredictorError: If a function or a predictor gives something else than a finite cost for each.
        """
        found = np.empty((len(archs), len(self.costs.names)))
        for column, name in enumerate(self.costs.names):
            known: CostOf | None = self.costs.known.get(name)
            found[:, column] = (
                _expected(name, self.models[name], archs) if known is None else known_costs(name, known, archs)
            )
        return found

    def chance_within(self, archs: Architectures, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return the probability that all limits are kept, and by how much the worst is exceeded.

        Limits on costs that are known beforehand are a constraint on the candidates, and not asked here. A limit on a
        cost of which no two differing values were measured counts as kept: nobody knows its unit.

        Args:
            archs: N architectures.
            rng: Draws functions from which standard deviations are estimated.

        Returns:
            Probabilities ``[N]``; and the expected cost less the limit, as a part of the limit, ``[N]``: above 0 where
            the limit is expected to be exceeded.
        """
        chance, excess = np.ones(len(archs)), np.full(len(archs), -np.inf)
        for name, most in self.costs.limits.items():
            if name not in self.in_unit or not len(archs):
                continue
            model = self.models[name]
            mean, std = _expected(name, model, archs), np.full(len(archs), 1e-12)
            if isinstance(model, Uncertain):
                std = np.maximum(model.sample_scores(archs, _NUM_SAMPLES, rng).std(axis=0), std)
            chance = chance * ndtr((most - mean) / std)
            excess = np.maximum(excess, (mean - most) / max(most, 1e-12))
        return chance, excess


def _expected(name: str, model: Predictor, archs: Architectures) -> Floats:
    predicted = -np.asarray(model.predict(archs), dtype=np.float64)
    if predicted.shape != (len(archs),) or not np.isfinite(predicted).all():
        raise PredictorError(f"The predictor of {name} gave no finite cost for each of {len(archs)} architectures.")
    return predicted
