"""One open entry of a ``param_space``: a domain of Tune, the distribution of Optuna that it is drawn from, and between
the two the value that a trial receives.

Domains that Optuna lacks (normal, quantised, logarithmic and rounded) are drawn from a distribution that it has, and
turned into what Tune would draw (`ray.tune.search.sample`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from ray.tune.search.sample import Categorical, Domain, Float, Integer, LogUniform, Normal, Quantized, Uniform

from searchers.core.json_values import from_plain, to_plain

__all__ = ["distribution_of", "domain_from_plain", "domain_to_plain", "inner_value", "received_value", "why_unusable"]

_EDGE = 1e-6
"""Normal values are drawn between this quantile and its mirror image."""


def why_unusable(domain: Domain) -> str | None:
    """Return what is wrong with a domain, to follow its entry's name; None if it can be drawn from on its own."""
    if not isinstance(domain, Float | Integer | Categorical):
        return f"is open as a domain of type {type(domain).__name__}, which is not drawn independently"
    if domain.is_grid():  # type: ignore[no-untyped-call]
        return "is open as a grid search, which is not drawn independently"
    sampler, _ = _sampler(domain)
    if not isinstance(sampler, Uniform | LogUniform | Normal):
        return f"is open with a sampler of type {type(sampler).__name__}, which is not drawn independently"
    try:
        distribution_of(domain)
    except (ValueError, AssertionError, ArithmeticError, TypeError) as error:
        return f"is open as {domain.domain_str}, which nothing can be drawn from ({error})"
    return None


def distribution_of(domain: Domain) -> BaseDistribution:
    """Return what Optuna draws from in place of a domain.

    Raises:
        ValueError: If the domain is empty or has no bounds.
    """
    sampler, step = _sampler(domain)
    if isinstance(domain, Categorical):
        return CategoricalDistribution(tuple(range(len(domain.categories))))
    if isinstance(sampler, Normal):
        return FloatDistribution(_EDGE, 1 - _EDGE)
    if isinstance(domain, Integer):
        low, high = _multiples(domain)
        if low > high:
            raise ValueError("it holds no value")
        if isinstance(sampler, LogUniform):  # Tune rounds down; the upper edge is that of the highest value
            return FloatDistribution(low, high + 1, log=True)
        return IntDistribution(low, high)
    assert isinstance(domain, Float)
    if not (math.isfinite(domain.lower) and math.isfinite(domain.upper)):
        raise ValueError("it has no bounds")
    return FloatDistribution(*_float_bounds(domain, step), log=isinstance(sampler, LogUniform))


def received_value(domain: Domain, inner: Any) -> Any:
    """Return what a trial receives for a value that was drawn from `distribution_of`; of a choice, the category."""
    sampler, step = _sampler(domain)
    if isinstance(domain, Categorical):
        return domain.categories[int(inner)]
    if isinstance(domain, Integer):
        low, high = _multiples(domain)
        return int(min(max(math.floor(inner), low), high) * (step or 1))
    if isinstance(sampler, Normal):
        from scipy.stats import norm  # takes a second to import

        inner = float(norm.ppf(inner, sampler.mean, sampler.sd))
    return float(inner if step is None else round(inner / step) * step)


def inner_value(domain: Domain, value: Any) -> Any:
    """Return what would have been drawn for a value that a trial received, up to rounding; None if it is outside."""
    sampler, step = _sampler(domain)
    if isinstance(domain, Categorical):
        return _position(domain.categories, value)
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return None
    if isinstance(domain, Integer):
        inner = float(value) / (step or 1)
        if inner != int(inner):
            return None
        inner = int(inner) + 0.5 if isinstance(sampler, LogUniform) else int(inner)
    elif isinstance(sampler, Normal):
        from scipy.stats import norm

        return float(np.clip(norm.cdf(float(value), sampler.mean, sampler.sd), _EDGE, 1 - _EDGE))
    else:
        inner = float(value)
    return inner if distribution_of(domain)._contains(inner) else None


def domain_to_plain(domain: Domain, other: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Return a domain as JSON can hold it; ``other`` is that of `to_plain`, for objects among the categories."""
    if isinstance(domain, Categorical):
        return {"choice": to_plain(list(domain.categories), other)}
    sampler, step = _sampler(domain)
    assert isinstance(domain, Float | Integer)
    content = {
        "integer": isinstance(domain, Integer),
        "log": isinstance(sampler, LogUniform),
        "bounds": None if isinstance(sampler, Normal) else [domain.lower, domain.upper],
        "normal": [sampler.mean, sampler.sd] if isinstance(sampler, Normal) else None,
        "step": step,
    }
    return {"number": to_plain(content)}


def domain_from_plain(plain: dict[str, Any], other: Callable[[dict[str, Any]], Any]) -> Domain:
    """Return the domain that `domain_to_plain` was given.

    Raises:
        KeyError, TypeError, ValueError, AssertionError: If it is nothing that `domain_to_plain` returns.
    """
    if "choice" in plain:
        choice: Domain = Categorical(from_plain(plain["choice"], other)).uniform()  # type: ignore[no-untyped-call]
        return choice
    content = from_plain(plain["number"])
    lower, upper = content["bounds"] or (None, None)
    domain: Any = Integer(lower, upper) if content["integer"] else Float(lower, upper)  # type: ignore[no-untyped-call]
    if content["normal"] is not None:
        domain = domain.normal(*content["normal"])
    else:
        domain = domain.loguniform() if content["log"] else domain.uniform()
    if content["step"] is not None:
        domain = domain.quantized(content["step"])
    assert isinstance(domain, Domain)
    return domain


def _sampler(domain: Domain) -> tuple[Any, float | None]:
    """Return how Tune draws from a domain, and the step it rounds to."""
    sampler = domain.get_sampler()  # type: ignore[no-untyped-call]
    return (sampler.sampler, sampler.q) if isinstance(sampler, Quantized) else (sampler, None)


def _multiples(domain: Integer) -> tuple[int, int]:
    """Return the lowest and the highest multiple of the step that Tune draws.

    The upper bound is exclusive, except where Tune rounds to more than 1.
    """
    _, step = _sampler(domain)
    step = step or 1
    return math.ceil(domain.lower / step), math.floor(domain.upper / step) - (step == 1)


def _float_bounds(domain: Float, step: float | None) -> tuple[float, float]:
    """Return the bounds, moved inwards to multiples of the step."""
    if step is None:
        return domain.lower, domain.upper
    # Tune refuses bounds that are not multiples, so that rounding only mends what division does to them.
    return round(domain.lower / step) * step, round(domain.upper / step) * step


def _position(categories: list[Any], value: Any) -> int | None:
    """Return where a value stands among categories, one of the same type before one that is only equal."""
    equal = [position for position, category in enumerate(categories) if _equal(category, value)]
    same_type = [position for position in equal if type(categories[position]) is type(value)]
    return next(iter([*same_type, *equal]), None)


def _equal(one: Any, other: Any) -> bool:
    """Compare without regard to the difference between tuples and lists, which files do not keep."""
    if one is other:
        return True
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    try:
        return bool(one == other)
    except Exception:  # arrays and objects of the user's compare as they please
        return False
