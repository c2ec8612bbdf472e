from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask, load_tasks


@pytest.fixture(scope="session")
def tasks(tables_folder: Path) -> Mapping[str, TableTask]:
    """All official tasks, variants too."""
    return load_tasks(tables_folder, variants=True)


@pytest.fixture
def small_task() -> TableTask:
    """300 cells of TransNAS-Bench-101, where isomorphic ones are frequent, with made-up errors."""
    rng = np.random.default_rng(0)
    archs = get_space("transnasbench101").enumerate()[rng.permutation(4096)[:300]]
    return TableTask(
        name="transnasbench101/made-up",
        archs=archs,
        raw=rng.gamma(2.0, size=300),
        metric="error",
        mode="min",
        unit="%",
        datasets=("made-up",),
        devices=("abacus",),
        columns=("made-up.parquet:error",),
        source="this test",
        licence=None,
    )
