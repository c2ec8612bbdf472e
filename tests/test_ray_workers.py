"""Workers of the tests' Ray are copies of a process that has imported Ray; see ray_templates.py."""

from __future__ import annotations

import os

import pytest
import ray
from ray._raylet import UniqueID


def draw() -> tuple[int, str, bool]:
    return os.getppid(), UniqueID.from_random().hex(), os.getpgrp() == os.getpid()


@pytest.mark.ray
def test_copies_do_not_draw_the_same_names(ray_cluster: None) -> None:
    """Two that start at the same time would name their first objects alike, and one of them would end."""
    drawn = [
        ray.get(ray.remote(draw).options(runtime_env={"env_vars": {"ITS_OWN": str(number)}}).remote())
        for number in range(2)  # one after the other, or one of them might end
    ]
    parents, names, lead_a_group = zip(*drawn, strict=True)
    assert len(set(parents)) == 1
    assert len(set(names)) == 2
    assert all(lead_a_group), "or Ray would end the tests with a worker whose driver was killed"
