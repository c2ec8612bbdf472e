"""Completing a trial's config: what a point gives is kept, and the rest is drawn by an Optuna sampler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from numpy.random import Generator
from optuna.samplers import RandomSampler

from mpnas_ray.checks import require_callable
from searchers.core.hyperparameters.optuna_study import OptunaStudy
from searchers.core.hyperparameters.space import Hyperparameters, SamplerFactory
from searchers.core.trials.observations import Observations

__all__ = ["HyperparameterDraws"]

logger = logging.getLogger(__name__)


class HyperparameterDraws:
    """Draws the open entries of a ``param_space``, given all results.

    Attributes:
        space: The open entries.
        is_given: Whether `give` was called, rather than the entries come from a saved state.
    """

    def __init__(self, sampler: SamplerFactory) -> None:
        """Begin without open entries.

        Raises:
            SettingError: If the sampler's factory cannot be called.
        """
        require_callable("hyperparameter_sampler", sampler, "seed -> Optuna sampler")
        self.space = Hyperparameters()
        self.is_given = False
        self._sampler = sampler
        self._study: OptunaStudy | None = None  # follows from the observations
        self._said_outside: frozenset[str] = frozenset()

    def give(self, space: Hyperparameters) -> None:
        """Draw the open entries of a ``param_space`` from here on."""
        self.space, self.is_given, self._study = space, True, None

    def restored(self, saved: Hyperparameters) -> HyperparameterDraws:
        """Return draws of saved entries; of those that were given here, as they are."""
        restored = HyperparameterDraws(self._sampler)
        restored.space = self.space.widened_by(saved) if self.is_given else saved
        restored.is_given = self.is_given
        return restored

    def complete(
        self,
        given: Mapping[str, Any],
        observations: Observations,
        rng: Generator,
        on_failure: Callable[[str], None],
    ) -> dict[str, Any]:
        """Return what a trial gets beside its architecture.

        Args:
            given: Comes as it is, also where it is outside of a domain.
            observations: All trials.
            rng: Gives the sampler its seed, and draws what stands in a chosen category.
            on_failure: Told when the sampler has failed, and was answered by a random one.
        """
        found = self.space.found_in(given)
        for name in set(self.space.outside(given)) - self._said_outside:
            logger.warning("A point to evaluate has %s outside its domain. It is tried as it was given.", name)
            self._said_outside |= {name}
        drawn = found if len(found) == len(self.space) else {**self._draw(observations, rng, on_failure), **found}
        return _overlaid(self.space.config(drawn, rng), given)

    def _draw(self, observations: Observations, rng: Generator, on_failure: Callable[[str], None]) -> dict[str, Any]:
        """Return values for all open entries, as Optuna draws them."""
        seed = int(rng.integers(2**32))
        distributions = self.space.distributions()
        try:
            self._study = OptunaStudy.in_step(
                self._study,
                distributions,
                observations,
                lambda trial_id: self.space.drawn(observations.trials[trial_id].config),
            )
            return self._study.ask(self._sampler(seed))
        except Exception:
            self._study = None
            on_failure("could not ask its sampler, so the hyperparameters are random ones")
            return OptunaStudy(distributions).ask(RandomSampler(seed))

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the study, which is made anew from the observations."""
        return {**self.__dict__, "_study": None}


def _overlaid(config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with the entries of another in place of its own, mapping by mapping."""
    joined = dict(config)
    for name, value in given.items():
        inner = joined.get(name)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            value = _overlaid(inner, value)
        joined[name] = value
    return joined
