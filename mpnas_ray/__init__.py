"""The method: search spaces, graph predictors and their meta-learning. Nothing here knows of Ray."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpnas_ray.catalogue import load_predictor, make_predictor
    from mpnas_ray.errors import MPNASError
    from mpnas_ray.explaining import Explanation, explain
    from mpnas_ray.spaces import Architecture, Architectures, SearchSpace, get_space
    from mpnas_ray.tables import TableTask, load_tasks

    __version__: str

__all__ = [
    "Architecture",
    "Architectures",
    "Explanation",
    "MPNASError",
    "SearchSpace",
    "TableTask",
    "__version__",
    "explain",
    "get_space",
    "load_predictor",
    "load_tasks",
    "make_predictor",
]

_MODULES = {
    "Architecture": "mpnas_ray.spaces",
    "Architectures": "mpnas_ray.spaces",
    "Explanation": "mpnas_ray.explaining",
    "MPNASError": "mpnas_ray.errors",
    "SearchSpace": "mpnas_ray.spaces",
    "TableTask": "mpnas_ray.tables",
    "explain": "mpnas_ray.explaining",
    "get_space": "mpnas_ray.spaces",
    "load_predictor": "mpnas_ray.catalogue",
    "load_tasks": "mpnas_ray.tables",
    "make_predictor": "mpnas_ray.catalogue",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: only predictors need torch, and only tables need pyarrow."""
    if name == "__version__":
        return import_module("mpnas_ray.version").version()
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
