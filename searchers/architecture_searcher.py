"""What every searcher of architectures shares: all that Tune asks of a searcher but the choice itself.

Life of a searcher: Tune calls `set_search_properties` once, then in its single control thread `suggest` for each
trial, and `on_trial_result` and `on_trial_complete` as results come in; now and then it calls `save`. A subclass only
says which architecture comes next (`_propose`) and what of its own is worth saving.

Since an exception in any of these calls ends the whole experiment, and a slow one stops all trials, a subclass may
raise in `_propose` (it is logged, counted and answered by a random architecture) but must not wait there.
"""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from optuna.samplers import RandomSampler
from ray.tune.search import UNDEFINED_METRIC_MODE, Searcher
from ray.tune.search.sample import Categorical

from mpnas_ray.errors import MPNASError, SearcherStateError, SearchSpaceError
from mpnas_ray.spaces import Architecture, Architectures, SearchSpace, get_space
from searchers.candidates import Candidates, Constraint, chosen_architectures, keys
from searchers.hyperparameters import Hyperparameters, SamplerFactory, tpe_sampler
from searchers.observations import EVALUATED, Observations, TrialRecord
from searchers.starting_points import Evaluated, StartingPoints, plain_config
from searchers.state import Arrays, read_state, write_state
from searchers.told_study import ToldStudy

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
        if mode is not None and mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', not {mode!r}.")
        if metric is not None and not isinstance(metric, str):
            raise ValueError(f"metric must be the name of one metric, not {metric!r}.")
        if max_concurrent is not None and max_concurrent < 1:
            raise ValueError(f"max_concurrent must be at least 1, not {max_concurrent}.")
        super().__init__(metric=metric, mode=mode)
        self._candidates = Candidates(
            space.name if isinstance(space, SearchSpace) else get_space(space).name, twins, constraint
        )
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
        self._max_concurrent = max_concurrent
        self._tunes_limit: int | None = None
        self._hyperparameter_sampler = hyperparameter_sampler
        self._hyperparameters = Hyperparameters({}, {})
        self._study: ToldStudy | None = None  # of the hyperparameters; follows from the observations
        self._live: set[str] = set()
        self._seen: set[int] = set()
        self._draws = 0
        self.observations = Observations()
        self.events: list[dict[str, Any]] = []
        self.num_failures = 0
        self._starting = StartingPoints.of(self.space, points_to_evaluate or [], evaluated_rewards or [], evaluated)
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
        """A trial was completed and holds a label."""

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
            SearchSpaceError: If ``param_space`` holds a grid search, a domain that depends on other entries, or one for
                the architecture that is not a choice of strings.
        """
        open_entries = dict(config)
        if isinstance(config.get("arch"), Categorical):
            chosen = chosen_architectures(self.space, open_entries.pop("arch").categories)
            self._candidates = replace(self._candidates, chosen=chosen)
            self._candidates.check()
        self._hyperparameters, self._study = Hyperparameters.of(open_entries), None
        if "arch" in self._hyperparameters.domains:
            raise SearchSpaceError(
                f'param_space leaves "arch" open as something else than a choice of architectures: '
                f"take it out, and {type(self).__name__} proposes any of {self._space_name}."
            )
        if mode is not None and mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', not {mode!r}.")
        self._metric, self._mode = metric or self._metric, mode or self._mode
        return True

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Limit the trials under way; done here, since Tune's own limiter hangs after some restores.

        May be called again during a run, as a cluster grows or shrinks.
        """
        self._tunes_limit = max_concurrent
        return True

    def suggest(self, trial_id: str) -> Any:
        """The next architecture as ``{"arch": ...}``, None for later, ``FINISHED`` for never.

        Raises:
            RuntimeError: If metric or mode were given neither here nor in ``TuneConfig``.
        """
        if not self._metric or not self._mode:
            raise RuntimeError(
                UNDEFINED_METRIC_MODE.format(cls=type(self).__name__, metric=self._metric, mode=self._mode)
            )
        self._take_in_results()
        if any(limit is not None and len(self._live) >= limit for limit in (self._max_concurrent, self._tunes_limit)):
            return None
        given = self._next_point()
        proposal = self.space.parse(given["arch"]) if given else self._propose_safely()
        if proposal is None or isinstance(proposal, str):
            return proposal
        self._live.add(trial_id)
        self._seen.add(self._key(proposal))
        drawn = self._draw_hyperparameters(given)
        record = self.observations.trials.setdefault(trial_id, TrialRecord(str(proposal)))
        event = {"event": "proposal", "trial_id": trial_id, "arch": str(proposal), **self._explain(proposal)}
        record.predicted, record.drawn = event.get("predicted"), drawn
        config = self._hyperparameters.config(drawn or {})
        self.events.append({**event, "hyperparameters": config} if config else event)
        return {"arch": str(proposal), **config}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Remember the newest value: a trial that is stopped while paused completes without one."""
        if self._know(trial_id, result) and self.observations.trials[trial_id].status == "pending":
            self._live.add(trial_id)  # after a restore this is how a trial under way makes itself known
            self._note(trial_id, result)

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

        Args:
            parameters: A config with ``arch``.
            value: Its metric.
            error: Whether it failed: then it is only not proposed.
            pruned: Whether it was stopped early, after as many iterations as there are intermediate values.
            intermediate_values: Earlier values of the metric.
        """
        if not self._mode:
            raise RuntimeError(
                UNDEFINED_METRIC_MODE.format(cls=type(self).__name__, metric=self._metric, mode=self._mode)
            )
        arch = self.space.parse(plain_config(self.space, {"arch": parameters.get("arch")})["arch"])
        trial_id = f"{EVALUATED}{len(self.observations)}"
        iteration = len(intermediate_values or []) or 1 if pruned else None
        score = self._to_score(value)
        self._seen.add(self._key(arch))
        drawn = self._hyperparameters.drawn(parameters)
        self.observations.trials[trial_id] = TrialRecord(str(arch), score=score, iteration=iteration, drawn=drawn)
        if self.observations.finish(trial_id, failed=error):
            self._on_label()

    def enqueue(self, trial_id: str, config: Mapping[str, Any]) -> None:
        """Propose a config before all others, and forget the trial of it that Tune has lost.

        Args:
            trial_id: Of the lost trial; it need not be known.
            config: With ``arch``, and if it is to be the same again what was drawn beside it.
        """
        plain = plain_config(self.space, config)
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
            "starting_points": self._starting.to_plain(),
            "trials": self.observations.to_plain(),
            "own": plain,
        }
        write_state(checkpoint_path, state, {"seen": np.array(sorted(self._seen), dtype=np.uint64), **arrays})

    def restore(self, checkpoint_path: str) -> None:
        """Continue from a file that `save` wrote; settings of this instance give way to those saved.

        Raises:
            SearcherStateError: If the file is damaged, or of another searcher or search space.
        """
        plain, arrays = read_state(checkpoint_path)
        for name, mine in (("searcher", type(self).__name__), ("space", self._space_name)):
            if plain.get(name) != mine:
                raise SearcherStateError(
                    f"{checkpoint_path} is the state of {name} {plain.get(name)!r}, not {mine!r}: restore it into a "
                    f"{plain.get('searcher')}({plain.get('space')!r})."
                )
        try:
            self._metric, self._mode, self._seed = plain["metric"], plain["mode"], plain["seed"]
            self._draws, self._max_concurrent = plain["draws"], plain["max_concurrent"]
            self.num_failures = plain["num_failures"]
            chosen = None if plain["chosen"] is None else tuple(plain["chosen"])
            self._candidates = replace(self._candidates, twins=plain["twins"], chosen=chosen)
            self._starting, self._study = StartingPoints.from_plain(plain["starting_points"]), None
            self.observations = Observations.from_plain(plain["trials"])
            self._seen = {int(key) for key in arrays["seen"]}
            self._live = set()  # trials that Tune continues will be heard from; others would block for ever
            self._set_own_state(plain["own"], arrays)
        except (KeyError, TypeError) as error:
            raise SearcherStateError(f"{checkpoint_path} lacks what a {type(self).__name__} needs: {error}") from error

    def __getstate__(self) -> dict[str, Any]:
        """Without the study, which is made anew from the observations."""
        return {**self.__dict__, "_study": None}

    # What the parts above share.

    def _draw_hyperparameters(self, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """What the trial of an architecture shall have, as it came with the point to evaluate or as Optuna draws it."""
        if not len(self._hyperparameters):
            return None
        drawn = None if given is None else self._hyperparameters.drawn(given)
        if drawn is not None:
            return drawn
        seed = int(self._next_rng().integers(2**32))
        try:
            distributions = self._hyperparameters.distributions()
            self._study = ToldStudy.in_step(
                self._study, distributions, self.observations, lambda trial_id: self.observations.trials[trial_id].drawn
            )
            return self._study.ask(self._hyperparameter_sampler(seed))
        except Exception:
            self._study = None
            self._count_failure("could not ask its sampler, so the hyperparameters are random ones")
            return ToldStudy(self._hyperparameters.distributions()).ask(RandomSampler(seed))

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
        """Equal for architectures that count as the same, see `searchers.sameness`."""
        return int(keys(Architectures.of([arch]), self._twins)[0]) if self._twins else arch.canonical

    def _next_rng(self) -> np.random.Generator:
        """A generator of its own for each draw, so that a restored searcher continues as if it had not stopped."""
        self._draws += 1
        return np.random.default_rng([self._seed, self._draws])

    def _explain(self, arch: Architecture) -> dict[str, Any]:
        """What a subclass can say of why it proposes this one."""
        return {}

    def _count_failure(self, what: str) -> None:
        self.num_failures += 1
        logger.exception("%s %s.", type(self).__name__, what)

    def _to_score(self, value: Any) -> float:
        """A metric's value as a score, higher is better; NaN for what is not a number."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            return math.nan
        return -number if self._mode == "min" else number

    def _note(self, trial_id: str, result: Mapping[str, Any]) -> None:
        if self._metric is not None and self._metric in result:
            iteration = int(result.get("training_iteration", 1))
            self.observations.report(trial_id, self._to_score(result[self._metric]), iteration)

    def _know(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Whether this trial's architecture is known.

        Tune resets failed trials under new ids that were never suggested; their results say the architecture.
        """
        if trial_id in self.observations.trials:
            return True
        config = result.get("config")
        text = result.get("config/arch", config.get("arch") if isinstance(config, Mapping) else None)
        try:
            arch = self.space.parse(text) if isinstance(text, str) else None
        except MPNASError:
            arch = None
        if arch is None:
            return False
        self._seen.add(self._key(arch))
        self.observations.trials[trial_id] = TrialRecord(
            str(arch), drawn=self._hyperparameters.drawn(config) if isinstance(config, Mapping) else None
        )
        return True

    def _take_in_results(self) -> None:
        """Results that were there beforehand become evaluated points, now that metric and mode are known."""
        while self._starting.measured:
            measured = self._starting.measured.pop(0)
            value = measured.value(str(self._metric), str(self._mode))
            self.add_evaluated_point(measured.config, value, error=measured.failed)
