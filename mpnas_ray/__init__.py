"""MP-NAS: search spaces, graph predictors and their meta-learning. Nothing here knows of Ray."""

from __future__ import annotations

from mpnas_ray.errors import MPNASError
from mpnas_ray.spaces import Architecture, Architectures, SearchSpace, get_space
from mpnas_ray.version import version

__all__ = ["Architecture", "Architectures", "MPNASError", "SearchSpace", "get_space"]

__version__ = version()
