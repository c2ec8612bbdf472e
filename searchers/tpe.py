"""Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) over the choices that make up an architecture."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import optuna
from numpy.random import Generator
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial

from searchers.choices import ChoiceSearch
from searchers.state import Arrays
from searchers.told_study import Choice, ToldStudy

__all__ = ["TPESearch"]

_STARTUP = 10
"""Random trials before the first density (Optuna's default)."""


class TPESearch(ChoiceSearch):
    """Optuna's TPE, multivariate, with one categorical parameter for each code. Arguments as in `MPNASSearch`.

    Trials under way count as bad ones (constant liar, Optuna's default since 5.0): else all proposals made between
    two results come from the same densities and crowd around one cell.

    A proposal takes about 10 ms after 100 trials and 30 ms after 1,000, on a busy core. After a restore, or where a
    scheduler's early stops change the labels, Optuna has to be told everything again: 60 and 400 ms.
    """

    _num_random = _STARTUP
    _told: ToldStudy | None = None

    def _draw(self, rng: Generator) -> NDArray[np.int8]:
        self._told = ToldStudy.in_step(self._told, self._distributions, self.observations, self._parameters)
        drawn = self._told.ask(_AllParameters(self._distributions, seed=int(rng.integers(2**32))))
        places = [drawn[name] for name in self._distributions]
        return np.array([values[place] for values, place in zip(self._choices, places, strict=True)], dtype=np.int8)

    @cached_property
    def _distributions(self) -> dict[str, BaseDistribution]:
        return {f"code{number}": Choice(tuple(range(len(values)))) for number, values in enumerate(self._choices)}

    def _parameters(self, trial_id: str) -> dict[str, int] | None:
        """The places of a trial's architecture among the choices."""
        places = self._places(self.observations.trials[trial_id].arch)
        return None if places is None else dict(zip(self._distributions, places.tolist(), strict=True))

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        self._told = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the study, which follows from the observations."""
        return {**self.__dict__, "_told": None}


class _AllParameters(TPESampler):
    """TPE that is told the parameters; finding them in all trials takes longer than all the rest."""

    def __init__(self, distributions: dict[str, BaseDistribution], seed: int) -> None:
        super().__init__(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=_STARTUP)
        self._distributions = distributions

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._distributions
