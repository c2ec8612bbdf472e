"""What can go wrong with a table."""

from __future__ import annotations

from mpnas_ray.errors import MPNASError

__all__ = ["TableError"]


class TableError(MPNASError, ValueError):
    """A table is missing, damaged or not what its name says, or was asked for something it does not have."""
