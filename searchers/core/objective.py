"""The objective of a search: the name of one metric, and whether it is to be low or high."""

from __future__ import annotations

from typing import Any

from ray.tune.search import UNDEFINED_METRIC_MODE

from mpnas_ray.checks import require_one_of, require_text
from mpnas_ray.errors import SearcherStateError
from searchers.core.state import value_of

__all__ = ["objective_from_plain", "require_objective", "undefined_objective"]

MODES = ("min", "max")


def require_objective(metric: Any, mode: Any) -> None:
    """Refuse what is not the name of one metric and ``min`` or ``max``; both may be left out."""
    if metric is not None:
        require_text("metric", metric)
    if mode is not None:
        require_one_of("mode", mode, MODES)


def undefined_objective(searcher: str, metric: str | None, mode: str | None) -> RuntimeError:
    """Return the error of a searcher that was asked for a trial before it knew what to search for."""
    return RuntimeError(
        f"{UNDEFINED_METRIC_MODE.format(cls=searcher, metric=metric, mode=mode)} Or give them to "
        f"{searcher}(..., metric=..., mode=...): Tune may pass on those of TuneConfig only with a param_space."
    )


def objective_from_plain(plain: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return metric and mode of a saved state.

    Raises:
        SearcherStateError: If they are something else.
        KeyError: If they are missing.
    """
    for name in ("metric", "mode"):
        if plain[name] is not None:
            value_of(plain, name, str)
    if plain["mode"] not in (None, *MODES):
        raise SearcherStateError(f"mode is {plain['mode']!r}")
    return plain["metric"], plain["mode"]
