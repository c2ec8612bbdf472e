"""Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) over the choices that make up an architecture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import optuna
from numpy.random import Generator
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from searchers.choices import ChoiceSearch
from searchers.state import Arrays

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
    _told: _Told | None = None

    def _draw(self, rng: Generator) -> NDArray[np.int8]:
        places = self._tell().ask(seed=int(rng.integers(2**32)))
        return np.array([values[place] for values, place in zip(self._choices, places, strict=True)], dtype=np.int8)

    def _tell(self) -> _Told:
        """A study that knows all trials: the one at hand if what it was told still holds, else a new one."""
        labels = iter(self.observations.labels()[1].tolist())
        now = {
            trial_id: next(labels) if record.status == "completed" else _UNLABELLED[record.status]
            for trial_id, record in self.observations.trials.items()
        }
        if self._told is None or not self._told.agrees_with(now):
            self._told = _Told([len(values) for values in self._choices])
        for trial_id, state in now.items():
            self._told.tell(trial_id, state, partial(self._places, self.observations.trials[trial_id].arch))
        return self._told

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        self._told = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the study, which follows from the observations."""
        return {**self.__dict__, "_told": None}


_UNLABELLED = {"pending": TrialState.RUNNING, "failed": TrialState.FAIL}


class _Told:
    """A study in memory that is kept in step with a searcher's trials."""

    def __init__(self, num_choices: list[int]) -> None:
        self._distributions: dict[str, BaseDistribution] = {
            f"code{number}": _Choice(tuple(range(size))) for number, size in enumerate(num_choices)
        }
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # else each new study is announced
        self._study = optuna.create_study(direction="maximize")
        optuna.logging.set_verbosity(verbosity)
        self._size = 0  # of the study
        self._numbers: dict[str, int | None] = {}
        self._states: dict[str, float | TrialState] = {}

    def agrees_with(self, states: dict[str, float | TrialState]) -> bool:
        """Whether all that was told still holds, trials under way aside."""
        return all(
            state is TrialState.RUNNING or states.get(trial_id) == state for trial_id, state in self._states.items()
        )

    def tell(self, trial_id: str, state: float | TrialState, places: Callable[[], NDArray[np.intp] | None]) -> None:
        """Take in a trial, new or known.

        Args:
            trial_id: Of the searcher.
            state: Its label, or that it runs or failed.
            places: Gives the places of its architecture among the choices.
        """
        before = self._states.get(trial_id)
        self._states[trial_id] = state
        if before is None:
            chosen = None if state is TrialState.FAIL else places()
            self._numbers[trial_id] = None if chosen is None else self._size
            if chosen is not None:
                self._size += 1
                self._study.add_trial(
                    create_trial(
                        state=TrialState.RUNNING if state is TrialState.RUNNING else TrialState.COMPLETE,
                        value=None if isinstance(state, TrialState) else state,
                        params=dict(zip(self._distributions, chosen.tolist(), strict=True)),
                        distributions=self._distributions,
                    )
                )
        elif before is not state and before is TrialState.RUNNING and (number := self._numbers[trial_id]) is not None:
            if state is TrialState.FAIL:
                self._study.tell(number, state=TrialState.FAIL)
            else:
                self._study.tell(number, state)

    def ask(self, seed: int) -> list[int]:
        """Places among the choices, as a sampler of this seed draws them."""
        self._study.sampler = _AllParameters(self._distributions, seed)
        self._size += 1
        trial = self._study.ask(self._distributions)
        self._study.tell(trial, state=TrialState.FAIL)  # the cell that is proposed may be another, and is told then
        return [trial.params[name] for name in self._distributions]


class _Choice(CategoricalDistribution):
    """One that is not copied and compared choice by choice each time that Optuna takes in a trial."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Choice:
        return self

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    __hash__ = CategoricalDistribution.__hash__


class _AllParameters(TPESampler):
    """TPE that is told the parameters; finding them in all trials takes longer than all the rest."""

    def __init__(self, distributions: dict[str, BaseDistribution], seed: int) -> None:
        super().__init__(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=_STARTUP)
        self._distributions = distributions

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._distributions
