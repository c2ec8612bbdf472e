"""The open domains of a ``param_space`` beside the architecture: drawn by an Optuna sampler, given what was measured.

Each of Tune's domains becomes a distribution of Optuna, in which trials are told and kept, and a function from its
value to what the trial receives. Domains that Optuna lacks (normal, or logarithmic and rounded) are drawn from one that
it has, and turned into what Tune would draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, TPESampler
from ray.tune.search.sample import Categorical, Domain, Float, Integer, LogUniform, Normal, Quantized, Uniform
from ray.tune.search.variant_generator import parse_spec_vars

from mpnas_ray.errors import SearchSpaceError

__all__ = ["Hyperparameters", "SamplerFactory", "tpe_sampler"]

SamplerFactory = Callable[[int], BaseSampler]
"""Seed -> sampler; one is made for each proposal, so that none has to be saved."""

_EDGE = 1e-6
"""Normal values are drawn between this quantile and its mirror image."""


def tpe_sampler(seed: int) -> BaseSampler:
    """Optuna's default."""
    return TPESampler(seed=seed, multivariate=True, constant_liar=True)


@dataclass(frozen=True)
class Hyperparameters:
    """The open entries of a ``param_space``.

    Attributes:
        paths: Name, ``a/b`` for an entry b of a, -> keys on the way to it.
        domains: Name -> Tune's domain.
    """

    paths: Mapping[str, tuple[str, ...]]
    domains: Mapping[str, Domain]

    @classmethod
    def of(cls, param_space: dict[str, Any]) -> Hyperparameters:
        """Find the open entries.

        Raises:
            SearchSpaceError: If one is a grid search, or not drawn independently of all else; by name.
        """
        _, domains, grids = parse_spec_vars(param_space)
        for path, domain in [*domains, *grids]:
            if (path, domain) in grids or not isinstance(domain, Float | Integer | Categorical):
                what = "a grid search" if (path, domain) in grids else f"a domain of type {type(domain).__name__}"
                raise SearchSpaceError(
                    f"param_space leaves {'/'.join(map(str, path))} open as {what}, which is not drawn independently: "
                    f"give a constant, or tune.uniform, loguniform, randint, choice and the like."
                )
        named = {"/".join(map(str, path)): (path, domain) for path, domain in domains}
        return cls(
            {name: tuple(path) for name, (path, _) in named.items()}, {name: d for name, (_, d) in named.items()}
        )

    def __len__(self) -> int:
        return len(self.domains)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Name -> what Optuna draws from."""
        return {name: _distribution(domain) for name, domain in self.domains.items()}

    def config(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Drawn values as what a trial receives, nested as in the ``param_space``."""
        config: dict[str, Any] = {}
        for name, value in drawn.items():
            *way, last = self.paths[name]
            place = config
            for key in way:
                place = place.setdefault(key, {})
            place[last] = _received(self.domains[name], value)
        return config

    def drawn(self, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """What would have been drawn for a config, up to rounding; None if it lacks an entry or has one outside."""
        found = {}
        for name, path in self.paths.items():
            value: Any = config
            for key in path:
                if not isinstance(value, Mapping) or key not in value:
                    return None
                value = value[key]
            inner = _drawn(self.domains[name], value)
            if inner is None or not _distribution(self.domains[name])._contains(inner):
                return None
            found[name] = inner
        return found


def _sampler(domain: Domain) -> tuple[Any, float | None]:
    """How Tune draws from a domain, and the step it rounds to."""
    sampler = domain.get_sampler()  # type: ignore[no-untyped-call]
    return (sampler.sampler, sampler.q) if isinstance(sampler, Quantized) else (sampler, None)


def _distribution(domain: Domain) -> BaseDistribution:
    sampler, step = _sampler(domain)
    if isinstance(domain, Categorical):
        return CategoricalDistribution(tuple(range(len(domain.categories))))
    if isinstance(sampler, Normal):
        return FloatDistribution(_EDGE, 1 - _EDGE)
    if isinstance(domain, Integer):
        # Tune's upper bound is exclusive, except where it rounds.
        return IntDistribution(domain.lower, domain.upper - (step is None), log=isinstance(sampler, LogUniform))
    assert isinstance(domain, Float)
    assert isinstance(sampler, Uniform | LogUniform)
    return FloatDistribution(domain.lower, domain.upper, log=isinstance(sampler, LogUniform))


def _received(domain: Domain, value: Any) -> Any:
    sampler, step = _sampler(domain)
    if isinstance(domain, Categorical):
        return domain.categories[int(value)]
    if isinstance(sampler, Normal):
        from scipy.stats import norm  # takes a second to import

        value = float(norm.ppf(value, sampler.mean, sampler.sd))
    if step is not None:
        value = round(value / step) * step
        if not isinstance(sampler, Normal):
            value = min(max(value, domain.lower), domain.upper)  # type: ignore[attr-defined]
    return int(value) if isinstance(domain, Integer) else float(value)


def _drawn(domain: Domain, value: Any) -> Any:
    sampler, _ = _sampler(domain)
    if isinstance(domain, Categorical):
        return next((place for place, category in enumerate(domain.categories) if category == value), None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(sampler, Normal):
        from scipy.stats import norm

        return float(norm.cdf(value, sampler.mean, sampler.sd))
    return int(value) if isinstance(domain, Integer) else float(value)
