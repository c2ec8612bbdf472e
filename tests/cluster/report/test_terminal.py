"""Runs on a terminal."""

from __future__ import annotations

import math
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from cluster.report.terminal import Pace, list_of_runs, num_ended, pace, screen, summary
from cluster.report.view import Best, Epoch, RunView, TrialView

ARCH = "nasbench201:|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"


def trial(number: int, state: str, *ends: float) -> TrialView:
    epochs = tuple(Epoch(n, 1.0 / number, end, 2.0) for n, end in enumerate(ends, start=1))
    return TrialView(number, f"t{number}", ARCH, state, epochs, 1_000 * number)  # type: ignore[arg-type]


def running(*trials: TrialView, num_samples: int | None = 10) -> RunView:
    """Make a run that started at 100 s and whose workers were ready at 110 s."""
    return RunView(
        "one",
        "/runs/one",
        "running",
        {"task": "digits", "space": "nasbench201"},
        "loss",
        "min",
        num_samples,
        num_epochs=2,
        trials=trials,
        sessions=((100.0, 200.0),),
    )


def shown(parts: RenderableType, width: int = 80) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(parts)
    return console.export_text()


def test_the_start_of_ray_does_not_count() -> None:
    """Two trials of 4 s each in the 10 s since the first training began: 720 an hour, 8 are left."""
    run = running(trial(1, "complete", 112.0, 114.0), trial(2, "complete", 116.0, 118.0), trial(3, "unfinished", 119.0))
    assert pace(run, 120.0) == Pace(per_hour=720.0, left_s=40.0)


def test_an_earlier_session_does_not_count() -> None:
    run = running(
        trial(1, "complete", 12.0, 14.0),
        trial(2, "failed"),
        trial(3, "complete", 112.0, 114.0),
        trial(4, "stopped", 120.0),
    )
    assert pace(run, 120.0) == Pace(per_hour=720.0, left_s=30.0)
    assert num_ended(run) == 4


def test_there_is_no_pace_before_two_results_and_no_time_left_without_an_end() -> None:
    assert math.isnan(pace(running(trial(1, "complete", 112.0, 114.0)), 120.0).per_hour)
    known = pace(running(trial(1, "complete", 114.0), trial(2, "complete", 118.0), num_samples=None), 122.0)
    assert known.per_hour == 720.0
    assert math.isnan(known.left_s)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_screen_fits(width: int) -> None:
    run = running(trial(1, "complete", 112.0, 114.0), trial(2, "failed"), trial(3, "unfinished", 119.0))
    best = run.trials[0]
    run = replace(run, place="/runs/" + 30 * "long/" + "one", best=Best(best, best.arch, best.value))
    text = shown(screen(run, 120.0), width)
    assert all(len(line) <= width for line in text.splitlines())
    for part in ("2/10 trials, 1 failed", "Under way", "Last results", "1/2", "2/2", "3,000"):
        assert part in text


def test_a_run_without_anything_can_be_shown() -> None:
    empty = RunView("none", "/runs/none", problems=("run.json is damaged: no.",))
    assert "run.json is damaged" in shown(summary(empty, 0.0))
    assert "0/? trials" in shown(screen(empty, 0.0))
    line = shown(list_of_runs([empty], 0.0)).splitlines()[1]
    assert line.split()[:4] == ["none", "damaged", "-", "-"]
    assert "no result yet" in line


def test_the_summary_names_the_best_and_how_to_load_it() -> None:
    run = running(trial(1, "complete", 112.0, 114.0), trial(2, "complete", 116.0, 118.0))
    best = run.trials[1]
    run = replace(run, state="complete", best=Best(best, ARCH, 0.5, 0.25, 2_000, None, "/runs/one/best"))
    text = shown(summary(run, 118.0 + 3_600), 200)
    for part in ("1 h 0 min ago", "validation loss 0.5, test 0.25, 2,000 parameters", "load_network('/runs/one/best')"):
        assert part in text
    assert text.index("      2") < text.index("      1"), "the best trial comes first"
