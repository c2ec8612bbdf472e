"""REINFORCE (Williams 1992), as a baseline in NAS-Bench-201 and NATS-Bench (Dong and Yang 2020, Dong et al. 2021).

At the authors' learning rate a policy has hardly moved after 100 trials; they let it run for some hundred cheap ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.tables import clip_outliers
from searchers.baselines.categorical_search import CategoricalSearch

__all__ = ["REINFORCESearch"]

LEARNING_RATE = 0.01
"""Of Adam, as the authors call their script on NATS-Bench."""

BASELINE_MOMENTUM = 0.9
"""Of the moving average of rewards (ibid.)."""


_GREATEST = 1e150
"""Of a reward: its square is finite. Fewer than three results do not say what an outlier is."""


class REINFORCESearch(CategoricalSearch):
    """Draws each code from a categorical policy of its own, which moves towards what was better than average.

    The policy follows from the results in the order of their proposal. One that comes
    in late, or labels that a scheduler's early stops change, make the searcher learn again from there; so does a
    restore, which takes 0.1 to 0.5 ms a trial. A reward that is an outlier among all is clipped
    (`mpnas_ray.tables.clip_outliers`): its gradient would otherwise be all that Adam remembers.

    Example:
        >>> from searchers import REINFORCESearch
        >>> searcher = REINFORCESearch("transnasbench101", "accuracy", "max", seed=0)
        >>> for trial_id in "abc":
        ...     config = searcher.suggest(trial_id)
        ...     searcher.on_trial_complete(trial_id, {"accuracy": config["arch"].count("3") / 10})
        >>> len(searcher.observations.completed)
        3
    """

    _learnt: tuple[tuple[str, float], ...] = ()
    _policies: tuple[Policy, ...] = ()  # before the first result, after the first, ...

    def __getstate__(self) -> dict[str, Any]:
        """Without the policies, which follow from the observations."""
        return {**self.__dict__, "_learnt": (), "_policies": ()}

    def _draw(self, rng: Generator) -> NDArray[np.int8]:
        drawn = self._policy().draw(rng)
        return np.array([values[place] for values, place in zip(self._choices, drawn, strict=True)], dtype=np.int8)

    def _policy(self) -> Policy:
        """The policy after all results."""
        archs, labels = self.observations.labels()
        rewards = np.clip(clip_outliers(labels), -_GREATEST, _GREATEST)
        results = tuple(zip(archs, rewards.tolist(), strict=True))
        policies = list(self._policies) or [Policy.uniform([len(values) for values in self._choices])]
        known = 0
        while known < min(len(results), len(self._learnt)) and results[known] == self._learnt[known]:
            known += 1
        del policies[known + 1 :]
        for arch, reward in results[known:]:
            places = self._chosen(arch)
            policies.append(policies[-1] if places is None else policies[-1].learn(places, reward))
        self._learnt, self._policies = results, tuple(policies)
        return policies[-1]


@dataclass(frozen=True)
class Policy:
    """A categorical distribution for each code, with the state of Adam and of the baseline.

    Attributes:
        logits: ``[codes, choices]``; minus infinity where a code has fewer choices.
        mean: Adam's mean of the gradient, in the shape of the logits.
        square: Adam's mean of its square.
        steps: Number of rewards learnt from.
        baseline: Exponentially weighted sum of the rewards.
        weight: Sum of those weights.
    """

    logits: NDArray[np.float64]
    mean: NDArray[np.float64]
    square: NDArray[np.float64]
    steps: int = 0
    baseline: float = 0.0
    weight: float = 0.0

    @classmethod
    def uniform(cls, num_choices: list[int]) -> Policy:
        """All choices of a code alike."""
        there = np.arange(max(num_choices)) < np.array(num_choices)[:, None]
        return cls(np.where(there, 0.0, -np.inf), np.zeros(there.shape), np.zeros(there.shape))

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """``[codes, choices]``."""
        powers = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        chances: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return chances

    def draw(self, rng: Generator) -> NDArray[np.intp]:
        """A choice for each code, ``[codes]``."""
        cumulative = self.probabilities.cumsum(axis=1)
        points = rng.random((len(cumulative), 1)) * cumulative[:, -1:]
        drawn: NDArray[np.intp] = (cumulative > points).argmax(axis=1)
        return drawn

    def learn(self, places: NDArray[np.intp], reward: float) -> Policy:
        """One step of Adam up the gradient of ``log p(places) * (reward - baseline)``."""
        baseline = BASELINE_MOMENTUM * self.baseline + (1 - BASELINE_MOMENTUM) * reward
        weight = BASELINE_MOMENTUM * self.weight + (1 - BASELINE_MOMENTUM)
        gradient = -self.probabilities
        gradient[np.arange(len(places)), places] += 1
        gradient *= reward - baseline / weight
        mean = 0.9 * self.mean + 0.1 * gradient  # Adam's usual 0.9, 0.999 and 1e-8
        square = 0.999 * self.square + 0.001 * gradient**2
        steps = self.steps + 1
        step = mean / (1 - 0.9**steps) / (np.sqrt(square / (1 - 0.999**steps)) + 1e-8)
        return Policy(self.logits + LEARNING_RATE * step, mean, square, steps, baseline, weight)
