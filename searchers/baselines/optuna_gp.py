"""Optuna's Gaussian process over the choices that make up an architecture."""

from __future__ import annotations

from optuna.samplers import BaseSampler, GPSampler

from searchers.baselines.optuna_search import STARTUP, OptunaSamplerSearch

__all__ = ["OptunaGPSearch"]


class OptunaGPSearch(OptunaSamplerSearch):
    """Searches by Optuna's ``GPSampler``, with one categorical parameter for each code.

    The kernel is a Matern 5/2 with a length scale for each code, on whether codes are equal; a proposal maximises the
    logarithm of expected improvement, jointly with the trials under way (by Monte Carlo).

    A proposal is made in Tune's control loop, and takes about 0.1 s after 100 trials, 0.4 s after 300 and 4 s after
    1,000, on one core: it is meant for comparisons, and for searches of a few hundred trials.

    Example:
        >>> from searchers import OptunaGPSearch
        >>> searcher = OptunaGPSearch("transnasbench101", "accuracy", "max", seed=0)
        >>> for trial in range(11):  # the first ten are random
        ...     config = searcher.suggest(f"trial-{trial}")
        ...     searcher.on_trial_complete(f"trial-{trial}", {"accuracy": config["arch"].count("3") / 10})
        >>> len(searcher.observations.completed)
        11
    """

    def _sampler(self, seed: int) -> BaseSampler:
        return GPSampler(seed=seed, n_startup_trials=STARTUP)
