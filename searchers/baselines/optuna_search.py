"""The base of the searchers that let a sampler of Optuna's choose each code of an architecture."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from searchers.baselines.categorical_search import CategoricalSearch
from searchers.core.hyperparameters.optuna_study import Choice, OptunaStudy
from searchers.core.state import Arrays

__all__ = ["STARTUP", "OptunaSamplerSearch"]

STARTUP = 10
"""Random trials before a sampler has a model (Optuna's default)."""


class OptunaSamplerSearch(CategoricalSearch):
    """Hands Optuna one categorical parameter for each code; a base."""

    _num_random = STARTUP
    _study: OptunaStudy | None = None

    @abstractmethod
    def _sampler(self, seed: int) -> BaseSampler:
        """Make a sampler for one draw; all that it needs beyond the trials follows from the seed, of 32 bits."""

    def _draw(self, rng: Generator) -> NDArray[np.int8]:
        self._study = OptunaStudy.in_step(self._study, self._distributions, self.observations, self._parameters)
        drawn = self._study.ask(self._sampler(int(rng.integers(2**32))))
        chosen = [drawn[name] for name in self._distributions]
        return np.array([values[number] for values, number in zip(self._choices, chosen, strict=True)], dtype=np.int8)

    @cached_property
    def _distributions(self) -> dict[str, BaseDistribution]:
        return {f"code{number}": Choice(tuple(range(len(values)))) for number, values in enumerate(self._choices)}

    def _parameters(self, trial_id: str) -> dict[str, int] | None:
        """Return the parameters of a trial: the number of each code of its architecture among the choices."""
        chosen = self._chosen(self.observations.trials[trial_id].arch)
        return None if chosen is None else dict(zip(self._distributions, chosen.tolist(), strict=True))

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        self._study = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the study, which follows from the observations."""
        return {**self.__dict__, "_study": None}
