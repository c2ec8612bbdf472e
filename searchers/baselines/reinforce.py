"""REINFORCE (Williams 1992), as NAS-Bench-201 and NATS-Bench compare with (Dong and Yang 2020, Dong et al. 2021).

At the authors' learning rate a policy has hardly moved after 100 trials; they let it run for some hundred cheap ones.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.optimizers import Adam
from mpnas_ray.tables import clip_outliers
from searchers.baselines.categorical_search import CategoricalSearch

__all__ = ["REINFORCESearch"]

LEARNING_RATE = 0.01
"""Step size of Adam, as the authors call their script on NATS-Bench."""

BASELINE_MOMENTUM = 0.9
"""Momentum of the moving average of rewards (ibid.)."""


_GREATEST = 1e150
"""Greatest reward, whose square is finite. Fewer than three results do not say what an outlier is."""


class REINFORCESearch(CategoricalSearch):
    """Draws each code from a categorical policy of its own, which moves towards what was better than average.

    The policy follows from the results in the order of their proposal. One that comes in late, or labels that a
    scheduler's early stops change, make the searcher learn again from there; so does a restore, which takes 0.2 ms
    a trial. A reward that is an outlier among all is clipped (`mpnas_ray.tables.clip_outliers`): its gradient would
    otherwise be all that Adam remembers.

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
        """Leave out the policies, which follow from the observations."""
        return {**self.__dict__, "_learnt": (), "_policies": ()}

    def _draw(self, rng: Generator) -> NDArray[np.int8]:
        drawn = self._policy().draw(rng)
        return np.array([values[number] for values, number in zip(self._choices, drawn, strict=True)], dtype=np.int8)

    def _policy(self) -> Policy:
        """Return the policy after all results."""
        archs, labels = self.observations.labels()
        rewards = np.clip(clip_outliers(labels), -_GREATEST, _GREATEST)
        results = tuple(zip(archs, rewards.tolist(), strict=True))
        policies = list(self._policies) or [Policy.uniform([len(values) for values in self._choices])]
        known = 0
        while known < min(len(results), len(self._learnt)) and results[known] == self._learnt[known]:
            known += 1
        del policies[known + 1 :]
        for arch, reward in results[known:]:
            chosen = self._chosen(arch)
            policies.append(policies[-1] if chosen is None else policies[-1].learn(chosen, reward))
        self._learnt, self._policies = results, tuple(policies)
        return policies[-1]


@dataclass(frozen=True)
class Policy:
    """A categorical distribution for each code, with the state of Adam and of the reward's moving average.

    Attributes:
        logits: Logits of the choices, float64 ``[codes, choices]``; minus infinity where a code has fewer choices.
        adam: State of the optimizer after the last step; None before the first.
        baseline: Exponentially weighted sum of the rewards.
        weight: Sum of those weights.
    """

    logits: Tensor
    adam: dict[str, Any] | None = None
    baseline: float = 0.0
    weight: float = 0.0

    @classmethod
    def uniform(cls, num_choices: list[int]) -> Policy:
        """Return the policy that takes all choices of a code alike."""
        there = torch.arange(max(num_choices)) < torch.tensor(num_choices)[:, None]
        return cls(torch.zeros(there.shape, dtype=torch.float64).masked_fill(~there, -torch.inf))

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probability of each choice of each code, ``[codes, choices]``."""
        return self.logits.softmax(dim=1).numpy()

    def draw(self, rng: Generator) -> NDArray[np.intp]:
        """Draw a choice for each code, ``[codes]``."""
        cumulative = self.probabilities.cumsum(axis=1)
        points = rng.random((len(cumulative), 1)) * cumulative[:, -1:]
        drawn: NDArray[np.intp] = (cumulative > points).argmax(axis=1)
        return drawn

    def learn(self, chosen: NDArray[np.intp], reward: float) -> Policy:
        """Take one step of Adam up the gradient of ``log p(chosen) * (reward - baseline)``."""
        baseline = BASELINE_MOMENTUM * self.baseline + (1 - BASELINE_MOMENTUM) * reward
        weight = BASELINE_MOMENTUM * self.weight + (1 - BASELINE_MOMENTUM)
        logits = self.logits.clone().requires_grad_()
        adam = Adam([logits], lr=LEARNING_RATE, maximize=True)
        if self.adam is not None:
            adam.load_state_dict(deepcopy(self.adam))  # else the step would change the tensors of this policy
        likelihood = logits.log_softmax(dim=1).gather(1, torch.from_numpy(chosen)[:, None]).sum()
        (likelihood * (reward - baseline / weight)).backward()  # type: ignore[no-untyped-call]
        adam.step()
        return Policy(logits.detach(), adam.state_dict(), baseline, weight)
