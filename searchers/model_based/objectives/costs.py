"""The costs of a search: their names, limits on them, and functions for those that are known beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpnas_ray.checks import require_callable, require_number, require_text
from mpnas_ray.errors import PredictorError, SearcherStateError, SettingError
from mpnas_ray.metric_values import find_metric, metric_value
from mpnas_ray.spaces import Architectures
from searchers.core.candidates import Constraint
from searchers.core.state import value_of

__all__ = ["CostOf", "Costs", "WithinLimits", "known_costs"]

CostOf = Callable[[Architectures], ArrayLike]
"""N architectures -> a cost for each ``[N]``: finite and at least 0, lower is better."""

_MISSING = object()


@dataclass(frozen=True)
class Costs:
    """The costs that a search looks at; none is a search for quality alone.

    Attributes:
        minimised: Names of the costs that are to be low.
        limits: Name -> highest cost that a network may have; the name need not be minimised.
        known: Name -> function, of costs that are known beforehand. It is not part of the saved state. The other costs
            are metrics that trials report.
    """

    minimised: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    known: Mapping[str, CostOf] = field(default_factory=dict)

    @classmethod
    def of(
        cls, costs: Sequence[str] | Mapping[str, CostOf | None] | None, limits: Mapping[str, float] | None = None
    ) -> Costs:
        """Read the arguments of a searcher.

        Raises:
            SettingError: If a name is none or there twice, a function is none, or a limit is no number of at least 0.
        """
        if isinstance(costs, str) or not isinstance(costs or (), Sequence | Mapping):
            raise SettingError(f'costs is a list of names, such as ["parameters"], or a mapping, not {costs!r}.')
        names = list(costs or ())
        for name in names:
            require_text("A name in costs", name)
            if names.count(name) > 1:
                raise SettingError(f"costs names {name!r} twice.")
        known = {name: function for name, function in costs.items() if function} if isinstance(costs, Mapping) else {}
        for name, function in known.items():
            require_callable(f"costs[{name!r}]", function, "N architectures -> N numbers")
        if limits is not None and not isinstance(limits, Mapping):
            raise SettingError(f'limits is a mapping, such as {{"latency_ms": 5}}, not {limits!r}.')
        for name in limits or {}:
            require_text("A name in limits", name)
        checked = {name: require_number(f"limits[{name!r}]", most, at_least=0) for name, most in (limits or {}).items()}
        return cls(tuple(names), checked, known)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all costs: those to be low, then those that are only limited."""
        return (*self.minimised, *(name for name in self.limits if name not in self.minimised))

    def check_metric(self, metric: str | None) -> None:
        """Refuse a cost that is the searched metric.

        Raises:
            SettingError: If it is one.
        """
        if metric in self.names:
            raise SettingError(f"{metric} is the metric of the search already: leave it out of its costs and limits.")

    def read(self, result: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
        """Read the costs in the result of a trial.

        Returns:
            Name -> cost of those that are finite and at least 0, and a sentence for each value that is none.
        """
        found, problems = {}, []
        for name in self.names:
            value = find_metric(result, name, _MISSING)
            if value is _MISSING:
                continue
            number = metric_value(value)
            if math.isfinite(number) and number >= 0:
                found[name] = number
            else:
                problems.append(f"reported {name} {value!r}, which is no cost: it is not learned from")
        return found, problems

    def constrained(self, constraint: Constraint | None) -> Constraint | None:
        """Add the limits on costs that are known beforehand to a constraint."""
        limited = {name: most for name, most in self.limits.items() if name in self.known}
        if not limited:
            return constraint
        return WithinLimits(limited, {name: self.known[name] for name in limited}, constraint)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for a state file, without the functions."""
        return {"minimised": list(self.minimised), "limits": dict(self.limits)}

    def restored(self, plain: Mapping[str, Any]) -> Costs:
        """Return costs of the names and limits that `to_plain` gave, with the functions of these.

        Raises:
            SearcherStateError: If it is nothing that `to_plain` returns.
        """
        names = value_of(plain, "minimised", list)
        try:
            saved = Costs.of(names, value_of(plain, "limits", dict))
        except SettingError as error:
            raise SearcherStateError(str(error)) from error
        return replace(saved, known={name: each for name, each in self.known.items() if name in saved.names})


@dataclass(frozen=True)
class WithinLimits:
    """A constraint for a searcher: the networks whose known costs keep the limits.

    Attributes:
        limits: Name -> highest cost.
        known: Name -> function of the cost.
        constraint: A further constraint; None for none.
    """

    limits: Mapping[str, float]
    known: Mapping[str, CostOf]
    constraint: Constraint | None = None

    def __call__(self, archs: Architectures) -> NDArray[np.bool_]:
        """Say which of N architectures keep the limits, bool ``[N]``."""
        keeps = np.ones(len(archs), dtype=np.bool_)
        if self.constraint is not None:
            keeps &= np.asarray(self.constraint(archs))
        for name, most in self.limits.items():
            keeps &= known_costs(name, self.known[name], archs) <= most
        return keeps


def known_costs(name: str, function: CostOf, archs: Architectures) -> NDArray[np.float64]:
    """Return the costs of N architectures that are known beforehand, ``[N]``.

    Raises:
        PredictorError: If the function gives something else than N finite numbers of at least 0.
    """
    values = np.asarray(function(archs), dtype=np.float64)
    if values.shape != (len(archs),) or not np.isfinite(values).all() or (values < 0).any():
        raise PredictorError(
            f"The function of the cost {name} gives a finite number of at least 0 for each architecture; for "
            f"{len(archs)} it gave shape {list(values.shape)} with {int(np.sum(np.isfinite(values) & (values >= 0)))} "
            f"such numbers."
        )
    return values
