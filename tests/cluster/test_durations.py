from __future__ import annotations

import pytest

from cluster.durations import duration, time_left


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.4, "00:00"), (65, "01:05"), (3599.6, "1:00:00"), (36_000, "10:00:00")]
)
def test_durations_are_written_in_whole_seconds(seconds: float, written: str) -> None:
    assert duration(seconds) == written


def test_the_time_left_is_in_proportion_to_the_time_taken() -> None:
    assert time_left(30.0, done=3, left=6) == "01:00"
    assert time_left(30.0, done=3, left=0) == "00:00"
