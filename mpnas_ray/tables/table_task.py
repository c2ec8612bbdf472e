"""One task of a table: N measured architectures and where the numbers come from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import TableError
from mpnas_ray.spaces import Architecture, Architectures

__all__ = ["Kind", "Mode", "TableTask"]

Mode = Literal["min", "max"]

Kind = Literal["quality", "cost"]
"""Kind of measurement: how good an architecture is, or how dear."""

_CHUNK = 50_000


@dataclass(frozen=True, eq=False)
class TableTask:
    """Measurements of one (space, data set, metric).

    Attributes:
        name: ``<space>/<task>``, e.g. ``nasbench201/darcy``; a variant (other budget, other split) adds ``@<variant>``.
        archs: The N architectures, each text once.
        raw: Measured values, float64 ``[N]``, finite, in ``unit`` as the table has them; read-only.
        metric: Name of what was measured, e.g. ``test_accuracy``.
        mode: ``max`` if ``raw`` is better high, ``min`` if it is better low.
        unit: Unit of ``raw``: ``%``, ``fraction``, ``ms`` or empty.
        datasets: Names of the data sets that the values depend on; none for a latency.
        devices: Names of the devices that the values depend on, and of families of devices (``xeon``) of which one says
            much about another; none for an accuracy.
        columns: ``<file>:<column>`` of each column read.
        source: Name of who measured, or published, the values.
        licence: Licence of that source; None if it states none.
        scores: Higher is better: ``raw``, or ``-raw`` where the mode is ``min``; float64 ``[N]``, read-only.

    Raises:
        TableError: If numbers do not match, or a value is not finite.
    """

    name: str
    archs: Architectures
    raw: NDArray[np.float64]
    metric: str
    mode: Mode
    unit: str = ""
    datasets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    source: str = ""
    licence: str | None = None
    scores: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise TableError(f"The mode of {self.name} is {self.mode!r}; it is 'min' or 'max'.")
        raw = np.array(self.raw, dtype=np.float64)
        if raw.shape != (len(self.archs),):
            raise TableError(f"{self.name} has {len(self.archs)} architectures but values of shape {list(raw.shape)}.")
        if not np.isfinite(raw).all():
            row = int(np.flatnonzero(~np.isfinite(raw))[0])
            raise TableError(
                f"{self.name} has the value {raw[row]} (row {row}): leave out rows that were not measured."
            )
        scores = raw.copy() if self.mode == "max" else -raw
        for name, values in (("raw", raw), ("scores", scores)):
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.archs)

    def __getitem__(self, rows: slice | NDArray[np.integer] | NDArray[np.bool_]) -> TableTask:
        """Return the same task on some of its architectures, by slice, index array or mask."""
        return replace(self, archs=self.archs[rows], raw=self.raw[rows])

    @property
    def kind(self) -> Kind:
        """``cost`` for a value that depends on a device, ``quality`` for all others."""
        return "cost" if self.devices else "quality"

    def value_of(self, arch: Architecture | str) -> float:
        """Look up the raw value of one architecture, by its text.

        Raises:
            TableError: If it was not measured.
            SearchSpaceError: If it is no architecture of the space.
        """
        if isinstance(arch, str):
            arch = self.archs.space.parse(arch)
        row = self._row_of.get(arch.codes) if arch.space.name == self.archs.space.name else None
        if row is None:
            raise TableError(f"{self.name} has not measured {arch}.")
        return float(self.raw[row])

    @cached_property
    def _row_of(self) -> dict[tuple[int, ...], int]:
        """Row of each architecture by its codes."""
        return {tuple(codes): row for row, codes in enumerate(self.archs.codes.tolist())}

    @cached_property
    def canonical_keys(self) -> NDArray[np.uint64]:
        """Key of the canonical form of each architecture, ``[N]``; isomorphic ones have equal keys."""
        # In pieces: all 423,624 graphs of NAS-Bench-101 at once would take more than a gigabyte.
        pieces = [self.archs[start : start + _CHUNK].canonical_keys() for start in range(0, len(self), _CHUNK)]
        keys: NDArray[np.uint64] = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.uint64)
        keys.flags.writeable = False
        return keys
