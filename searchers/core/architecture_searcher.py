"""What every searcher of architectures shares: all that Tune asks of a searcher but the choice itself.

Life of a searcher: Tune calls `set_search_properties` once, then in its single control thread `suggest` for each
trial, and `on_trial_result` and `on_trial_complete` as results come in; now and then it calls `save`. A subclass only
says which architecture comes next (`_propose`) and what of its own is worth saving.

Since an exception in any of these calls ends the whole experiment, and a slow one stops all trials, a subclass may
raise in `_propose` (it is logged, counted and answered by a random architecture) but must not wait there.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from ray.tune.search import UNDEFINED_METRIC_MODE, Searcher
from ray.tune.search.sample import Categorical

from mpnas_ray.checks import require_bool, require_callable, require_count, require_one_of, require_seed, require_text
from mpnas_ray.errors import MPNASError, SearcherStateError, SearchSpaceError, SettingError
from mpnas_ray.metric_values import find_metric, metric_value
from mpnas_ray.spaces import Architecture, Architectures, SearchSpace, get_space
from searchers.core.candidates import Candidates, Constraint, chosen_architectures, keys
from searchers.core.hyperparameters.draws import HyperparameterDraws
from searchers.core.hyperparameters.space import Hyperparameters, SamplerFactory, tpe_sampler
from searchers.core.observations import Observations, TrialRecord
from searchers.core.plain_values import is_plain
from searchers.core.starting_points import Evaluated, Measured, StartingPoints, config_of, iteration_of, plain_config
from searchers.core.state import Arrays, array_of, read_state, value_of, write_state
from searchers.core.tune_run import properties_of_run

__all__ = ["ArchitectureSearcher"]

logger = logging.getLogger(__name__)

_MOST_REFUSED = 100
"""Proposals in a row that may not be made; then the next is a random one that may."""


class ArchitectureSearcher(Searcher):
    """Base of the searchers; `suggest` gives ``{"arch": "<space>:<cell>"}``.

    No two proposals are the same network, whatever became of the first. Everything that happened is in
    ``observations``; ``events`` lists proposals and refits for a run's telemetry; ``num_failures`` counts what went
    wrong inside the searcher and was answered otherwise.
    """

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
        twins: bool = False,
        hyperparameter_sampler: SamplerFactory = tpe_sampler,
    ) -> None:
        """See `MPNASSearch` for the arguments."""
        _require_objective(metric, mode)
        if max_concurrent is not None:
            require_count("max_concurrent", max_concurrent)
        if seed is not None:
            require_seed("seed", seed)
        if constraint is not None:
            require_callable("constraint", constraint, "N architectures -> N booleans")
        require_bool("twins", twins)
        require_callable("hyperparameter_sampler", hyperparameter_sampler, "seed -> Optuna sampler")
        for name, given in (("points_to_evaluate", points_to_evaluate), ("evaluated_rewards", evaluated_rewards)):
            if isinstance(given, str | Mapping):
                raise SettingError(f"{name} must be a list, not {given!r}.")
        super().__init__(metric=metric, mode=mode)
        self._candidates = Candidates(
            space.name if isinstance(space, SearchSpace) else get_space(space).name, twins, constraint
        )
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
        self._max_concurrent = None if max_concurrent is None else int(max_concurrent)
        self._tunes_limit: int | None = None
        self._hyperparameters = HyperparameterDraws(hyperparameter_sampler)
        self._live: set[str] = set()
        self._seen: set[int] = set()
        self._draws = 0
        self.observations = Observations()
        self.events: list[dict[str, Any]] = []
        self.num_failures = 0
        self._logged: Counter[str] = Counter()  # what was said in the log already
        self._starting = StartingPoints.of(
            self.space,
            [] if points_to_evaluate is None else points_to_evaluate,
            [] if evaluated_rewards is None else evaluated_rewards,
            evaluated,
        )
        if metric is not None:
            self._starting.check_metric(metric)
        self._candidates.check()  # lists those of a small space here rather than in Tune's control loop

    # What a subclass says.

    @abstractmethod
    def _propose(self) -> Architecture | Literal["FINISHED"] | None:
        """The next architecture, not yet seen; None to be asked again later; ``FINISHED`` if there are no more."""

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        """What the subclass wants saved."""
        return {}, {}

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        """Inverse of `_own_state`."""

    def _on_label(self) -> None:
        """Take note that a trial was completed and holds a label."""

    def _on_new_objective(self) -> None:
        """Forget what was learned from labels, which were of another metric or mode."""

    # What Tune calls.

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return self._candidates.space

    @property
    def _space_name(self) -> str:
        return self._candidates.space_name

    @property
    def _twins(self) -> bool:
        return self._candidates.twins

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take metric and mode from ``TuneConfig`` and look at ``param_space``.

        With ``"arch": tune.choice([...])`` only these architectures are proposed. Constants reach the trials by
        themselves; what else is open is drawn by an Optuna sampler for each architecture, given all results.

        Raises:
            SearchSpaceError: If ``param_space`` holds a grid search, a domain that depends on other entries or that
                holds no value, or anything but a choice of strings for the architecture; or if results that were given
                in ``evaluated`` have other metrics. The searcher is then as it was before.
            ValueError: If the mode is neither ``min`` nor ``max``.
        """
        _require_objective(metric, mode)
        open_entries = dict(config)
        arch, chosen = open_entries.pop("arch", None), None
        if isinstance(arch, Categorical):
            chosen = chosen_architectures(self.space, arch.categories)
        elif arch is not None:
            raise SearchSpaceError(
                f'param_space gives "arch" as something else than a choice of architectures: take it out, and '
                f"{type(self).__name__} proposes any of {self._space_name}."
            )
        hyperparameters = Hyperparameters.of(open_entries)
        candidates = self._candidates
        if chosen != candidates.chosen:
            candidates = replace(candidates, chosen=chosen)
            candidates.check()
        metric, mode = metric or self._metric, mode or self._mode
        if metric is not None:
            self._starting.check_metric(metric)
        # Nothing is refused from here on.
        self._candidates = candidates
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

    def suggest(self, trial_id: str) -> Any:
        """Return the next architecture as ``{"arch": ...}``, None for later, ``FINISHED`` for never.

        Raises:
            RuntimeError: If metric or mode were given neither here nor in ``TuneConfig``.
            SearchSpaceError: If ``param_space`` had objects or functions in it that a restored experiment lacks.
        """
        self._require_properties()
        self._take_in_results()
        if any(limit is not None and len(self._live) >= limit for limit in (self._max_concurrent, self._tunes_limit)):
            return None
        point = self._next_point()
        proposal = self.space.parse(point["arch"]) if point else self._propose_safely()
        if proposal is None or isinstance(proposal, str):
            return proposal
        self._live.add(trial_id)
        self._seen.add(self._key(proposal))
        config = self._complete({name: value for name, value in (point or {}).items() if name != "arch"})
        if trial_id in self.observations.trials:  # of an earlier experiment: its result is kept under another id
            self.observations.trials[self.observations.new_id()] = self.observations.trials.pop(trial_id)
        event = {"event": "proposal", "trial_id": trial_id, "arch": str(proposal), **self._explain(proposal)}
        self.observations.trials[trial_id] = TrialRecord(str(proposal), predicted=event.get("predicted"), config=config)
        self.events.append({**event, "hyperparameters": config} if config else event)
        return {"arch": str(proposal), **config}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Remember the newest value: a trial that is stopped while paused completes without one."""
        if self._know(trial_id, result) and self.observations.trials[trial_id].status == "pending":
            self._live.add(trial_id)  # after a restore this is how a trial under way makes itself known
            self._note(trial_id, result)

    def on_pause(self, trial_id: str) -> None:
        """Count a trial that `HyperBandForBOHB` has paused as not under way."""
        self._live.discard(trial_id)

    def on_unpause(self, trial_id: str) -> None:
        """Count a trial that `HyperBandForBOHB` goes on with as under way."""
        if trial_id in self.observations.trials and self.observations.trials[trial_id].status == "pending":
            self._live.add(trial_id)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The trial ended; its label is the last value it reported. A second completion changes nothing."""
        self._live.discard(trial_id)
        if not self._know(trial_id, result or {}):
            return
        if result and self.observations.trials[trial_id].status == "pending":
            self._note(trial_id, result)
        if self.observations.finish(trial_id, failed=error):
            try:
                self._on_label()
            except Exception:
                self._count_failure("could not take in a result")

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
            value: Its metric; what is not a finite number counts as a failure.
            error: Whether it failed: then it is only not proposed.
            pruned: Whether it was stopped early, after as many iterations as there are intermediate values.
            intermediate_values: Earlier values of the metric.

        Raises:
            SearchSpaceError: If the architecture is none of the space.
        """
        plain = {name: each for name, each in parameters.items() if name == "arch" or is_plain(each)}
        config = plain_config(self.space, plain)
        iteration = len(intermediate_values or []) or 1 if pruned else None
        self._starting.measured.append(
            Measured(config, metric_value(value), failed=error, iteration=iteration, stopped_early=pruned)
        )
        self._seen.add(self._key(self.space.parse(config["arch"])))
        if self._metric and self._mode:
            self._take_in_results()

    def enqueue(self, trial_id: str, config: Mapping[str, Any]) -> None:
        """Propose a config before all others, and forget the trial of it that Tune has lost.

        Args:
            trial_id: Of the lost trial; it need not be known.
            config: With ``arch``, and if it is to be the same again what was drawn beside it.

        Raises:
            SearchSpaceError: If the architecture is none of the space.
        """
        plain = plain_config(self.space, {n: value for n, value in config.items() if n == "arch" or is_plain(value)})
        lost = self.observations.trials.get(trial_id)
        if lost is not None and lost.status == "pending":
            del self.observations.trials[trial_id]
            self._live.discard(trial_id)
        self._seen.discard(self._key(self.space.parse(plain["arch"])))
        self._starting.queue.append(plain)

    def save(self, checkpoint_path: str) -> None:
        """Write the whole state to one file of plain values and arrays."""
        plain, arrays = self._own_state()
        state = {
            "searcher": type(self).__name__,
            "space": self._space_name,
            "metric": self._metric,
            "mode": self._mode,
            "seed": self._seed,
            "draws": self._draws,
            "twins": self._twins,
            "max_concurrent": self._max_concurrent,
            "num_failures": self.num_failures,
            "chosen": self._candidates.chosen,
            "hyperparameters": self._hyperparameters.space.to_plain(),
            "starting_points": self._starting.to_plain(),
            "trials": self.observations.to_plain(),
            "own": plain,
        }
        write_state(checkpoint_path, state, {"seen": np.array(sorted(self._seen), dtype=np.uint64), **arrays})

    def restore(self, checkpoint_path: str) -> None:
        """Continue from a file that `save` wrote; settings of this instance give way to those saved.

        Entries of a ``param_space`` that this instance was given stay open as they are.

        Raises:
            SearcherStateError: If the file is damaged, or of another searcher or search space. The searcher is then as
                it was before.
        """
        plain, arrays = read_state(checkpoint_path)
        for name, mine in (("searcher", type(self).__name__), ("space", self._space_name)):
            if plain.get(name) != mine:
                raise SearcherStateError(
                    f"{checkpoint_path} is the state of {name} {plain.get(name)!r}, not {mine!r}: restore it into a "
                    f"{plain.get('searcher')}({plain.get('space')!r})."
                )
        restored = copy(self)
        try:
            restored._set_state(plain, arrays)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError) as error:
            raise SearcherStateError(
                f"{checkpoint_path} is damaged, or lacks what a {type(self).__name__} needs: {error}"
            ) from error
        self.__dict__.update(restored.__dict__)

    def _set_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        """Take over a state, without changing any object that this searcher holds: it may be a copy."""
        for name in ("metric", "mode", "max_concurrent"):
            if plain[name] is not None:
                value_of(plain, name, int if name == "max_concurrent" else str)
        if plain["mode"] not in (None, "min", "max"):
            raise SearcherStateError(f"mode is {plain['mode']!r}")
        self._metric, self._mode, self._max_concurrent = plain["metric"], plain["mode"], plain["max_concurrent"]
        self._seed, self._draws = value_of(plain, "seed", int, least=0), value_of(plain, "draws", int, least=0)
        self.num_failures = value_of(plain, "num_failures", int, least=0)
        chosen = None if plain["chosen"] is None else chosen_architectures(self.space, plain["chosen"])
        self._candidates = replace(self._candidates, twins=value_of(plain, "twins", bool), chosen=chosen)
        self._starting = StartingPoints.from_plain(plain["starting_points"])
        for config in [*self._starting.queue, *(measured.config for measured in self._starting.measured)]:
            self.space.parse(config["arch"])
        if "hyperparameters" in plain:
            self._hyperparameters = self._hyperparameters.restored(Hyperparameters.from_plain(plain["hyperparameters"]))
        self.observations = Observations.from_plain(value_of(plain, "trials", list))
        for record in self.observations.trials.values():
            self.space.parse(record.arch)
        self._seen = set(array_of(arrays, "seen", np.uint64, 1).tolist())
        self._live = set()  # trials that Tune continues will be heard from; others would block for ever
        self._set_own_state(value_of(plain, "own", dict), arrays)

    # What the parts above share.

    def _require_properties(self) -> None:
        """Find out metric and mode where Tune has not said them; refuse to go on where something needed is missing."""
        if not (self._metric and self._mode) and (found := properties_of_run()):
            self.set_search_properties(found["metric"], found["mode"], {}, num_samples=found["num_samples"])
        if not (self._metric and self._mode):
            name = type(self).__name__
            raise RuntimeError(
                f"{UNDEFINED_METRIC_MODE.format(cls=name, metric=self._metric, mode=self._mode)} Or give them to "
                f"{name}(..., metric=..., mode=...): Tune may pass on those of TuneConfig only with a param_space."
            )
        if lost := self._hyperparameters.space.lost:
            raise SearchSpaceError(
                f"A saved experiment does not hold the objects and functions in its param_space "
                f"({', '.join(lost)}), which new trials need: give them again, by "
                f"Tuner.restore(path, trainable, param_space=...) with the param_space that it began with."
            )

    def _complete(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what a trial gets beside its architecture: what is given, and the rest as Optuna draws it."""
        if not len(self._hyperparameters.space):
            return given
        return self._hyperparameters.complete(given, self.observations, self._next_rng(), self._count_failure)

    def _next_point(self) -> dict[str, Any] | None:
        while self._starting.queue:
            config = self._starting.queue.pop(0)
            if self._key(self.space.parse(config["arch"])) not in self._seen:
                return config
        return None

    def _propose_safely(self) -> Architecture | Literal["FINISHED"] | None:
        try:
            for _ in range(_MOST_REFUSED):
                proposal = self._propose()
                if proposal is None or isinstance(proposal, str) or self._candidates.allow(proposal):
                    return proposal
                self._seen.add(self._key(proposal))
        except Exception:
            self._count_failure("could not propose, so the next architecture is a random one")
        return self._random_unseen() or "FINISHED"

    def _random_unseen(self) -> Architecture | None:
        """A random architecture that was not proposed yet, None if there are no more."""
        rng, listed = self._next_rng(), self._candidates.listed
        if listed is not None:
            unseen = ~np.isin(self._candidates.listed_keys, np.fromiter(self._seen, dtype=np.uint64))
            return listed[int(rng.choice(np.flatnonzero(unseen)))] if unseen.any() else None
        for size in (16, 256, 4_096):
            for arch in self._candidates.sample(size, rng):
                if self._key(arch) not in self._seen:
                    return arch
        return None

    def _key(self, arch: Architecture) -> int:
        """Equal for architectures that count as the same, see `searchers.core.candidates.keys`."""
        return int(keys(Architectures.of([arch]), self._twins)[0]) if self._twins else arch.canonical

    def _next_rng(self) -> np.random.Generator:
        """A generator of its own for each draw, so that a restored searcher continues as if it had not stopped."""
        self._draws += 1
        return np.random.default_rng([self._seed, self._draws])

    def _explain(self, arch: Architecture) -> dict[str, Any]:
        """What a subclass can say of why it proposes this one."""
        return {}

    def _count_failure(self, what: str) -> None:
        """Count a failure inside, and log it: the first of a kind with its traceback, others as a line."""
        self.num_failures += 1
        self._logged[what] += 1
        logger.error("%s %s.", type(self).__name__, what, exc_info=self._logged[what] == 1)

    def _note(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Remember the value in a result, if it has the metric."""
        missing = object()
        if self._metric is None or (value := find_metric(result, self._metric, missing)) is missing:
            return  # None is a value, of a training that failed
        score = metric_value(value) * (-1 if self._mode == "min" else 1)
        iteration = iteration_of(result)
        if iteration is None:
            iteration = self.observations.trials[trial_id].iteration or 1
        self.observations.report(trial_id, score, iteration)

    def _know(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Take note of the architecture in a result's config, and tell whether the trial's is known.

        Tune resets failed trials under new ids that were never suggested, and a scheduler may give a trial the config
        of another one: the value belongs to the architecture of the config.
        """
        record, config = self.observations.trials.get(trial_id), config_of(result)
        text = config.pop("arch", None)
        if record is not None and (text is None or text == record.arch or record.status != "pending"):
            return True
        try:
            arch = self.space.parse(text) if isinstance(text, str) else None
        except MPNASError:
            arch = None
        if arch is None:
            return record is not None
        if record is None or str(arch) != record.arch:
            self._seen.add(self._key(arch))
            self.observations.trials[trial_id] = TrialRecord(str(arch), config=config)
        return True

    def _take_in_results(self) -> None:
        """Make evaluated points of results that were there beforehand, now that metric and mode are known."""
        while self._starting.measured:
            measured = self._starting.measured.pop(0)
            arch, trial_id = self.space.parse(measured.config["arch"]), self.observations.new_id()
            self._seen.add(self._key(arch))
            self.observations.trials[trial_id] = TrialRecord(
                str(arch),
                score=measured.score(str(self._metric), str(self._mode)),
                iteration=measured.iteration,
                stopped_early=measured.stopped_early,
                config={name: value for name, value in measured.config.items() if name != "arch"},
            )
            if self.observations.finish(trial_id, failed=measured.failed):
                self._on_label()


def _require_objective(metric: Any, mode: Any) -> None:
    """Refuse what is not the name of one metric and ``min`` or ``max``; both may be left out."""
    if metric is not None:
        require_text("metric", metric)
    if mode is not None:
        require_one_of("mode", mode, ("min", "max"))
