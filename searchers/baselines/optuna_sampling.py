"""Base of the searchers that let a sampler of Optuna's choose each code of an architecture."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from searchers.baselines.categorical_codes import ChoiceSearch
from searchers.core.hyperparameters.told_study import Choice, ToldStudy
from searchers.core.state import Arrays

__all__ = ["STARTUP", "OptunaChoiceSearch"]

STARTUP = 10
"""Random trials before a sampler has a model (Optuna's default)."""


class OptunaChoiceSearch(ChoiceSearch):
    """Base of the searchers that hand Optuna one categorical parameter for each code."""

    _num_random = STARTUP
    _told: ToldStudy | None = None

    @abstractmethod
    def _sampler(self, seed: int) -> BaseSampler:
        """A sampler for one draw; what it needs beyond the trials follows from the seed, of 32 bits."""

    def _draw(self, rng: Generator) -> NDArray[np.int8]:
        self._told = ToldStudy.in_step(self._told, self._distributions, self.observations, self._parameters)
        drawn = self._told.ask(self._sampler(int(rng.integers(2**32))))
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
