"""Read from the Tune run that is asking a searcher what Tune does not pass on, and add to what it prints.

Tune hands metric, mode and number of samples to a searcher by `set_search_properties`, but calls that only where
``param_space`` is not empty (`ray.tune.tune.run`: ``if config and not ...``). An experiment that searches architectures
alone has none, and says in ``TuneConfig`` what is to be optimised all the same. For the same reason the table of trials
that Tune prints has a column for each domain of ``param_space``, and none for what a searcher suggests beside them.

Everything that Tune asks of a searcher it asks from within that function, whose variables are read here. Where they
cannot be found, a searcher asks for metric and mode itself, and the table stays as it is.

This is the one module of the searchers that reaches into Ray; tests/cluster/ray/test_contracts.py checks what it relies
on.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

__all__ = ["properties_of_run", "show_in_table"]


def properties_of_run() -> dict[str, Any]:
    """Return ``metric``, ``mode`` and ``num_samples`` as the calling `ray.tune.tune.run` was given them.

    Empty where nothing of the kind is calling.
    """
    variables = _variables_of_run()
    return {name: variables.get(name) for name in ("metric", "mode", "num_samples")} if variables else {}


def show_in_table(parameter: str) -> None:
    """Make an entry of the trials' configs the first column of the table that the calling `ray.tune.tune.run` prints.

    Tune shortens long values to their last 17 characters. Its older output, which notebooks and
    ``RAY_AIR_NEW_OUTPUT=0`` have, shows by itself all that a searcher suggests.
    """
    for callback in _variables_of_run().get("callbacks") or ():
        columns = getattr(callback, "_inferred_params", None)
        if isinstance(columns, list) and parameter not in columns:
            columns.insert(0, parameter)


def _variables_of_run() -> Mapping[str, Any]:
    """Return the variables of the calling `ray.tune.tune.run`; none where nothing of the kind is calling."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == "ray.tune.tune":
            return frame.f_locals
        frame = frame.f_back
    return {}
