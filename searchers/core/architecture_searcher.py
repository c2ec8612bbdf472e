"""The base of all searchers: everything that Tune asks of a searcher but the choice of the next architecture.

Life of a searcher: Tune calls `set_search_properties` once, then in its single control thread `suggest` for each
trial, and `on_trial_result` and `on_trial_complete` as results come in; now and then it calls `save`. A subclass only
says which architecture comes next (`_propose`) and which state of its own is worth saving.

Since an exception in any of these calls ends the whole experiment, and a slow one stops all trials, a subclass may
raise in `_propose` (it is logged, counted and answered by a random architecture) but must not wait there.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from ray.tune.search import Searcher

from mpnas_ray.checks import require_count
from mpnas_ray.errors import SearcherStateError
from mpnas_ray.metric_values import metric_value
from mpnas_ray.spaces import Architecture, SearchSpace, get_space
from searchers.core.candidates import Candidates, Constraint
from searchers.core.hyperparameters.draws import HyperparameterDraws
from searchers.core.hyperparameters.space import Hyperparameters, SamplerFactory, tpe_sampler
from searchers.core.json_values import is_plain
from searchers.core.objective import objective_from_plain, require_objective, undefined_objective
from searchers.core.param_space import open_entries
from searchers.core.proposals import Proposal, Proposals
from searchers.core.shared_arguments import complete_docstring
from searchers.core.state import Arrays, read_state, value_of, write_state
from searchers.core.trials.observations import Observations, TrialRecord
from searchers.core.trials.starting_points import Evaluated, Measured, StartingPoints, plain_config
from searchers.core.trials.tune_results import iteration_of, recognise, score_of
from searchers.core.tune_run import properties_of_run, show_in_table

__all__ = ["ArchitectureSearcher"]

logger = logging.getLogger(__name__)


class ArchitectureSearcher(Searcher):
    """Proposes architectures to Ray Tune, as ``{"arch": "<space>:<cell>"}``; the base of all searchers.

    No two proposals are the same network, whatever became of the first. Everything that happened is in
    ``observations``; ``events`` lists proposals and refits for a run's telemetry; ``num_failures`` counts failures
    inside the searcher, each of which was answered in another way.

    Args:
        space: A search space or its name.
        metric: Metric of the trials' results; may be left to ``TuneConfig``.
        mode: ``min`` or ``max``; may be left to ``TuneConfig``.
        points_to_evaluate: Architectures to begin with, as strings or as configs with ``arch``.
        evaluated_rewards: Metric values of the first of these points, which are then not run.
        evaluated: Results of an earlier experiment (what ``tuner.fit()`` gave), of a NAS table of the same metric,
            or pairs of an architecture and its metric: they are learned from and not run again.
        seed: Seed of everything that the searcher draws; None for one that differs each time.
        max_concurrent: Most trials under way at a time; ``TuneConfig(max_concurrent_trials=...)`` does the same.
        constraint: N architectures (`mpnas_ray.spaces.Architectures`) -> whether each may be proposed, bool ``[N]``.
            Asked for all candidates where they are ranked, beside the trials; points to evaluate are exempt. It is not
            part of the saved state.
        allow_isomorphic: Propose architectures that are isomorphic to an earlier one: the same network in another
            text. For replays of tables, which measured isomorphic cells apart.
        hyperparameter_sampler: Makes, from a seed, the Optuna sampler that draws what ``param_space`` leaves open
            beside the architecture; TPE by default.

    Raises:
        SettingError: If an argument is of the wrong kind or out of its range.
        SearchSpaceError: If there is no such space, or an architecture is none of it.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Document the arguments that a subclass shares with its base."""
        super().__init_subclass__(**arguments)
        complete_docstring(cls)

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        points_to_evaluate: Sequence[str | Mapping[str, Any]] | None = None,
        evaluated_rewards: Sequence[float] | None = None,
        evaluated: Evaluated | None = None,
        seed: int | None = None,
        max_concurrent: int | None = None,
        constraint: Constraint | None = None,
        allow_isomorphic: bool = False,
        hyperparameter_sampler: SamplerFactory = tpe_sampler,
    ) -> None:
        require_objective(metric, mode)
        super().__init__(metric=metric, mode=mode)
        space = space if isinstance(space, SearchSpace) else get_space(space)
        self._proposals = Proposals.begin(Candidates(space.name, allow_isomorphic, constraint), seed)
        self._hyperparameters = HyperparameterDraws(hyperparameter_sampler)
        self._starting = StartingPoints.from_arguments(space, points_to_evaluate, evaluated_rewards, evaluated)
        self._starting.check_metric(metric)
        self._max_concurrent = None if max_concurrent is None else require_count("max_concurrent", max_concurrent)
        self._tunes_limit: int | None = None
        self._live: set[str] = set()
        self._logged: Counter[str] = Counter()  # messages that are in the log already
        self.observations = Observations()
        self.events: list[dict[str, Any]] = []
        self.num_failures = 0

    # For subclasses.

    @abstractmethod
    def _propose(self) -> Proposal:
        """Choose the next architecture, not yet seen."""

    def _explain(self, arch: Architecture) -> dict[str, Any]:
        """Return why this one is proposed, for the event of the proposal."""
        return {}

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        """Return the plain values and arrays that a subclass wants saved."""
        return {}, {}

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        """Take over what `_own_state` returned."""

    def _on_label(self) -> None:
        """Take note that a trial was completed and holds a label."""

    def _costs_in(self, result: Mapping[str, Any]) -> dict[str, float]:
        """Return name -> value of the costs in a result that a subclass wants remembered."""
        return {}

    def _on_new_objective(self) -> None:
        """Forget what was learned from labels, which were of another metric or mode."""

    def _count_failure(self, what: str) -> None:
        """Count a failure inside, and log it: the first of a kind with its traceback, others as a line."""
        self.num_failures += 1
        self._logged[what] += 1
        logger.error("%s %s.", type(self).__name__, what, exc_info=self._logged[what] == 1)

    # Before the first trial.

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return self._proposals.candidates.space

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take metric and mode from ``TuneConfig`` and look at ``param_space``.

        With ``"arch": tune.choice([...])`` only these architectures are proposed. Constants reach the trials by
        themselves; every other open entry is drawn by an Optuna sampler for each architecture, given all results.

        Raises:
            SearchSpaceError: If ``param_space`` holds a grid search, a domain that depends on other entries or that
                holds no value, or anything but a choice of strings for the architecture; or if results that were given
                in ``evaluated`` have other metrics. The searcher is then as it was before.
            ValueError: If the mode is neither ``min`` nor ``max``.
        """
        require_objective(metric, mode)
        candidates, hyperparameters = open_entries(config, self._proposals.candidates)
        metric, mode = metric or self._metric, mode or self._mode
        self._starting.check_metric(metric)
        # Nothing is refused from here on.
        self._proposals.candidates = candidates
        self._hyperparameters.give(hyperparameters)
        if (metric, mode) != (self._metric, self._mode):
            if self._metric and self._mode and (labels := self.observations.set_labels_aside()):
                logger.warning(
                    "%s was given the objective %s %s: its %d results of %s %s are not learned from any more.",
                    *(type(self).__name__, mode, metric, labels, self._mode, self._metric),
                )
            self._metric, self._mode = metric, mode
            self._on_new_objective()
        return True

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Limit the trials under way; done here, since Tune's own limiter hangs after some restores.

        May be called again during a run, as a cluster grows or shrinks.
        """
        self._tunes_limit = max_concurrent
        return True

    def add_evaluated_point(
        self,
        parameters: dict[str, Any],
        value: float,
        error: bool = False,
        pruned: bool = False,
        intermediate_values: list[float] | None = None,
    ) -> None:
        """Learn from an architecture measured elsewhere; it will not be proposed.

        May be called before metric and mode are known: the value counts as one of the metric that Tune names then.

        Args:
            parameters: A config with ``arch``.
            value: Metric of the trial; a value that is not a finite number counts as a failure.
            error: Whether it failed: then it is only not proposed.
            pruned: Whether it was stopped early, after as many iterations as there are intermediate values.
            intermediate_values: Earlier values of the metric.

        Raises:
            SearchSpaceError: If the architecture is none of the space.
        """
        config = self._plain_config(parameters)
        iteration = len(intermediate_values or []) or 1 if pruned else None
        self._starting.measured.append(
            Measured(config, metric_value(value), failed=error, iteration=iteration, stopped_early=pruned)
        )
        self._proposals.add(self.space.parse(config["arch"]))
        if self._metric and self._mode:
            self._take_in_results()

    def enqueue(self, trial_id: str, config: Mapping[str, Any]) -> None:
        """Propose a config before all others, and forget the trial of it that Tune has lost.

        Args:
            trial_id: Id of the lost trial; it need not be known.
            config: A config with ``arch``, and with what was drawn beside it if that is to be the same again.

        Raises:
            SearchSpaceError: If the architecture is none of the space.
        """
        plain = self._plain_config(config)
        if self.observations.is_pending(trial_id):
            del self.observations.trials[trial_id]
            self._live.discard(trial_id)
        self._proposals.discard(self.space.parse(plain["arch"]))
        self._starting.queue.append(plain)

    def _plain_config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the architecture of a config and those of its other entries that are plain values."""
        return plain_config(self.space, {n: value for n, value in config.items() if n == "arch" or is_plain(value)})

    def _take_in_results(self) -> None:
        """Make evaluated points of results that were there beforehand, now that metric and mode are known."""
        while self._starting.measured:
            measured = self._starting.measured.pop(0)
            self._proposals.add(self.space.parse(measured.config["arch"]))
            trial_id = self.observations.new_id()
            record = self.observations.trials[trial_id] = measured.record(str(self._metric), str(self._mode))
            record.costs.update(self._costs_in(measured.value) if isinstance(measured.value, dict) else {})
            if self.observations.finish(trial_id, failed=measured.failed):
                self._on_label()

    # Proposals.

    def suggest(self, trial_id: str) -> Any:
        """Return the next architecture as ``{"arch": ...}``, None for later, ``FINISHED`` for never.

        Raises:
            RuntimeError: If metric or mode were given neither here nor in ``TuneConfig``.
            SearchSpaceError: If ``param_space`` had objects or functions in it that a restored experiment lacks.
        """
        self._require_properties()
        show_in_table("arch")
        self._take_in_results()
        if any(limit is not None and len(self._live) >= limit for limit in (self._max_concurrent, self._tunes_limit)):
            return None
        point = self._next_point()
        proposal = self.space.parse(point["arch"]) if point else self._propose_safely()
        if proposal is None or isinstance(proposal, str):
            return proposal
        self._live.add(trial_id)
        self._proposals.add(proposal)
        config = self._completed({name: value for name, value in (point or {}).items() if name != "arch"})
        event = {"event": "proposal", "trial_id": trial_id, "arch": str(proposal), **self._explain(proposal)}
        self.observations.begin(trial_id, TrialRecord(str(proposal), predicted=event.get("predicted"), config=config))
        self.events.append({**event, "hyperparameters": config} if config else event)
        return {"arch": str(proposal), **config}

    def _require_properties(self) -> None:
        """Find out metric and mode where Tune has not said them; refuse to go on where something needed is missing."""
        if not (self._metric and self._mode) and (found := properties_of_run()):
            self.set_search_properties(found["metric"], found["mode"], {}, num_samples=found["num_samples"])
        if not (self._metric and self._mode):
            raise undefined_objective(type(self).__name__, self._metric, self._mode)
        self._hyperparameters.space.require_complete()

    def _next_point(self) -> dict[str, Any] | None:
        """Take the next starting point that was not proposed yet; None if there is none."""
        while self._starting.queue:
            config = self._starting.queue.pop(0)
            if self.space.parse(config["arch"]) not in self._proposals:
                return config
        return None

    def _propose_safely(self) -> Proposal:
        """Choose the next architecture that may be proposed; a random one if the subclass fails."""
        try:
            return self._proposals.next_allowed(self._propose)
        except Exception:
            self._count_failure("could not propose, so the next architecture is a random one")
        return self._proposals.random_unseen() or "FINISHED"

    def _completed(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what a trial gets beside its architecture: what is given, and the rest as Optuna draws it."""
        if not len(self._hyperparameters.space):
            return given
        return self._hyperparameters.complete(given, self.observations, self._proposals.next_rng(), self._count_failure)

    # Results.

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Remember the newest value: a trial that is stopped while paused completes without one."""
        recognise(self.observations, self._proposals, trial_id, result)
        if self.observations.is_pending(trial_id):
            self._live.add(trial_id)  # after a restore this is how a trial under way makes itself known
            self._note(trial_id, result)

    def on_pause(self, trial_id: str) -> None:
        """Count a trial that `HyperBandForBOHB` has paused as not under way."""
        self._live.discard(trial_id)

    def on_unpause(self, trial_id: str) -> None:
        """Count a trial that `HyperBandForBOHB` goes on with as under way."""
        if self.observations.is_pending(trial_id):
            self._live.add(trial_id)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """End a trial; its label is the last value it reported. A second completion changes nothing."""
        self._live.discard(trial_id)
        recognise(self.observations, self._proposals, trial_id, result or {})
        if not self.observations.is_pending(trial_id):
            return
        if result:
            self._note(trial_id, result)
        if self.observations.finish(trial_id, failed=error):
            try:
                self._on_label()
            except Exception:
                self._count_failure("could not take in a result")

    def _note(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Remember the costs in a result, and the value if it has the metric."""
        self.observations.trials[trial_id].costs.update(self._costs_in(result))
        score = score_of(result, self._metric, self._mode)
        if score is not None:
            self.observations.report(trial_id, score, iteration_of(result))

    # State.

    def save(self, checkpoint_path: str) -> None:
        """Write the whole state to one file of plain values and arrays."""
        proposals, seen = self._proposals.to_plain()
        own, arrays = self._own_state()
        state = {
            "searcher": type(self).__name__,
            "space": self.space.name,
            "metric": self._metric,
            "mode": self._mode,
            "max_concurrent": self._max_concurrent,
            "num_failures": self.num_failures,
            "proposals": proposals,
            "hyperparameters": self._hyperparameters.space.to_plain(),
            "starting_points": self._starting.to_plain(),
            "trials": self.observations.to_plain(),
            "own": own,
        }
        write_state(checkpoint_path, state, {**seen, **arrays})

    def restore(self, checkpoint_path: str) -> None:
        """Continue from a file that `save` wrote; settings of this instance give way to those saved.

        Entries of a ``param_space`` that this instance was given stay open as they are.

        Raises:
            SearcherStateError: If the file is damaged, or of another version, searcher or search space. The searcher is
                then as it was before.
        """
        plain, arrays = read_state(checkpoint_path, searcher=type(self).__name__, space=self.space.name)
        restored = copy(self)
        try:
            restored._set_state(plain, arrays)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError) as error:
            raise SearcherStateError(
                f"{checkpoint_path} is damaged, or lacks what a {type(self).__name__} needs: {error}"
            ) from error
        self.__dict__.update(restored.__dict__)
        show_in_table("arch")

    def _set_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        """Take over a state, without changing any object that this searcher holds: it may be a copy."""
        self._metric, self._mode = objective_from_plain(plain)
        self._max_concurrent = None if plain["max_concurrent"] is None else value_of(plain, "max_concurrent", int)
        self.num_failures = value_of(plain, "num_failures", int, least=0)
        self._proposals = self._proposals.restored(value_of(plain, "proposals", dict), arrays)
        self._hyperparameters = self._hyperparameters.restored(Hyperparameters.from_plain(plain["hyperparameters"]))
        self._starting = StartingPoints.from_plain(plain["starting_points"])
        self.observations = Observations.from_plain(value_of(plain, "trials", list))
        points = [*self._starting.queue, *(measured.config for measured in self._starting.measured)]
        for text in [*(point["arch"] for point in points), *(t.arch for t in self.observations.trials.values())]:
            self.space.parse(text)
        self._live = set()  # trials that Tune continues will be heard from; others would block for ever
        self._set_own_state(value_of(plain, "own", dict), arrays)
