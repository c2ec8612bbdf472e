"""Find metric, mode and number of samples of the Tune run that is asking a searcher.

Tune hands them to a searcher by `set_search_properties`, but calls that only where ``param_space`` is not empty
(`ray.tune.tune.run`: ``if config and not ...``). An experiment that searches architectures alone has none, and says in
``TuneConfig`` what is to be optimised all the same. Everything that Tune asks of a searcher it asks from within that
function, whose arguments are read here. Where they cannot be found, a searcher asks for metric and mode itself.

This is the one module of the searchers that reaches into Ray; tests/cluster/ray/test_contracts.py checks what it relies
on.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

__all__ = ["properties_of_run"]


def properties_of_run() -> dict[str, Any]:
    """Return ``metric``, ``mode`` and ``num_samples`` as the calling `ray.tune.tune.run` was given them.

    Empty where nothing of the kind is calling.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == "ray.tune.tune":
            return {name: frame.f_locals.get(name) for name in ("metric", "mode", "num_samples")}
        frame = frame.f_back
    return {}
