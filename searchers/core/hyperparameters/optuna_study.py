"""An Optuna study in memory that is kept in step with a searcher's trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState, create_trial

from searchers.core.trials.observations import Observations

__all__ = ["Choice", "OptunaStudy"]

_UNLABELLED = {"pending": TrialState.RUNNING}

Parameters = Mapping[str, Any]
"""Name -> value in the study's own terms."""


class OptunaStudy:
    """Tells Optuna each trial once, as long as what it was told holds.

    The study is never saved: it follows from the observations, and is made anew after a restore.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        """Begin without trials.

        Args:
            distributions: Name -> distribution of each parameter.
        """
        self._distributions = dict(distributions)
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # else each new study is announced
        self._study = optuna.create_study(direction="maximize")
        optuna.logging.set_verbosity(verbosity)
        self._size = 0  # number of trials of the study
        self._numbers: dict[str, int | None] = {}
        self._states: dict[str, float | TrialState] = {}

    @classmethod
    def in_step(
        cls,
        study: OptunaStudy | None,
        distributions: Mapping[str, BaseDistribution],
        observations: Observations,
        parameters: Callable[[str], Parameters | None],
    ) -> OptunaStudy:
        """Return a study that knows all trials: the one at hand if what it was told still holds, else a new one.

        Args:
            study: The study at hand, if any.
            distributions: Name -> distribution of each parameter, for a new study.
            observations: The trials.
            parameters: Trial id -> its parameters, or None if it cannot be told. Asked for once a trial.
        """
        labels = iter(observations.labels()[1].tolist())
        states = {
            trial_id: next(labels) if record.status == "completed" else _UNLABELLED.get(record.status, TrialState.FAIL)
            for trial_id, record in observations.trials.items()
        }
        if study is None or not study._agrees_with(states):
            study = cls(distributions)
        for trial_id, state in states.items():
            study._tell(trial_id, state, parameters)
        return study

    def ask(self, sampler: BaseSampler) -> dict[str, Any]:
        """Return the parameters that a sampler draws, given all trials."""
        self._study.sampler = sampler
        self._size += 1
        trial = self._study.ask(self._distributions)
        # The proposal may become another architecture, which is told then.
        self._study.tell(trial, state=TrialState.FAIL)
        return dict(trial.params)

    def _agrees_with(self, states: Mapping[str, float | TrialState]) -> bool:
        """Tell whether all that was told still holds, trials under way aside."""
        return all(
            state is TrialState.RUNNING or states.get(trial_id) == state for trial_id, state in self._states.items()
        )

    def _tell(self, trial_id: str, state: float | TrialState, parameters: Callable[[str], Parameters | None]) -> None:
        """Take in a trial, new or known: its label, or that it runs or failed."""
        before = self._states.get(trial_id)
        self._states[trial_id] = state
        if before is None:
            chosen = None if state is TrialState.FAIL else parameters(trial_id)
            self._numbers[trial_id] = None if chosen is None else self._size
            if chosen is not None:
                self._size += 1
                self._study.add_trial(
                    create_trial(
                        state=TrialState.RUNNING if state is TrialState.RUNNING else TrialState.COMPLETE,
                        value=None if isinstance(state, TrialState) else state,
                        params=dict(chosen),
                        distributions=self._distributions,
                    )
                )
        elif before is not state and before is TrialState.RUNNING and (number := self._numbers[trial_id]) is not None:
            if state is TrialState.FAIL:
                self._study.tell(number, state=TrialState.FAIL)
            else:
                self._study.tell(number, state)


class Choice(CategoricalDistribution):
    """Holds choices that are not copied and compared one by one each time that Optuna takes in a trial."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Choice:
        return self

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    __hash__ = CategoricalDistribution.__hash__
