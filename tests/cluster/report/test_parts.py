"""Parts of the report: what they show of a run with all that there is, and of one without anything."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from cluster.durations import in_words
from cluster.report.page import SECTIONS
from cluster.report.parts.answer import answer
from cluster.report.parts.explanation import explanation
from cluster.report.parts.operations import operations
from cluster.report.parts.predictions import predictions, transfer
from cluster.report.parts.sizes import front_of
from cluster.report.parts.slots import busy_times, in_slots, slots
from cluster.report.parts.table import ten_best
from cluster.report.trials import MOST_DRAWN, about, drawn
from cluster.report.view import Epoch, Proposal, RunView, TrialView, best_so_far
from mpnas_ray.stats import spearman

ARCH = "nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"


def trial(number: int, value: float, *, parameters: int = 10, begin: float = 0.0, epochs: int = 1) -> TrialView:
    made = tuple(Epoch(n, value, begin + n, 1.0) for n in range(1, epochs + 1))
    return TrialView(number, f"t{number}", ARCH, "complete", made, parameters)


def trials_in(text: str) -> set[int]:
    return {int(number) for number in re.findall(r'data-t="(\d+)"', text)}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_part_says_in_a_sentence_that_there_is_nothing_to_show(section: str, empty: RunView) -> None:
    part = SECTIONS[section][1]
    assert re.fullmatch(r"<p>[A-Z0-9][^<]*\.</p>", part(empty))
    only_failed = replace(empty, trials=(TrialView(1, "t", ARCH, "failed", error="x"),), mode="max")
    assert part(only_failed)


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("mode", ["min", "max"])
def test_every_part_draws_a_run_with_all_that_there_is(section: str, mode: str, run: RunView) -> None:
    drawn_part = SECTIONS[section][1](replace(run, mode=mode))
    assert not re.search(r"\b(nan|inf)\b", re.sub(r'class="[^"]*"', "", drawn_part))
    assert "<svg" in drawn_part or "<table" in drawn_part


def test_every_trial_is_a_point_of_the_progress_and_those_without_a_value_too(run: RunView) -> None:
    assert trials_in(SECTIONS["progress"][1](run)) == {each.number for each in run.trials}


def test_each_state_has_a_shape_of_its_own(run: RunView) -> None:
    shown = SECTIONS["progress"][1](run)
    shapes = dict(re.findall(r'href="#mark-(\w+)" class="mark (\w+)"', shown))
    looks = {look: shape for shape, look in shapes.items()}
    assert {"complete", "stopped", "unfinished", "nan", "failed", "best"} == set(looks)


def test_the_answer_names_scores_sizes_and_how_to_load_it(run: RunView) -> None:
    shown = answer(run)
    assert run.best is not None
    assert run.best.trial is not None
    for text in ("0.12", f"{run.best.parameters:,}", f"{run.best.flops:,}", "lower is better", "/runs/varied/best"):
        assert text in shown
    assert "load_network" not in answer(replace(run, best=replace(run.best, network=None, test=None)))


def test_best_so_far_follows_the_mode_and_leaves_out_what_is_not_finite() -> None:
    values = [math.nan, 3.0, 5.0, math.inf, 1.0, 2.0]
    assert best_so_far(values, "min")[1:] == [3.0, 3.0, 3.0, 1.0, 1.0]
    assert best_so_far(values, "max")[1:] == [3.0, 5.0, 5.0, 5.0, 5.0]
    assert math.isnan(best_so_far(values, "min")[0])


def test_the_front_has_what_nothing_smaller_beats() -> None:
    trials = [trial(1, 0.5, parameters=10), trial(2, 0.4, parameters=20), trial(3, 0.6, parameters=30)]
    trials += [trial(4, 0.5, parameters=5), trial(5, 0.45, parameters=20)]
    assert [each.number for each in front_of(trials, "max")] == [4, 3]
    assert [each.number for each in front_of(trials, "min")] == [4, 2]
    assert front_of(trials, "max", "latency_ms") == [], "no trial has one"


def test_the_rank_correlation_is_that_of_predictions_and_scores(run: RunView) -> None:
    measured = [each for each in run.trials if each.counts]
    scores = [-each.value for each in measured]
    found = spearman([each.proposal.predicted or 0.0 for each in measured], scores)
    assert f"Rank correlation of the {len(measured)} predictions with their results: {found:.2f}" in predictions(run)


def test_too_few_predictions_are_not_correlated(run: RunView) -> None:
    few = replace(run, trials=run.trials[:2])
    assert "too few to compare" in predictions(few)
    unpredicted = replace(run, trials=tuple(replace(each, proposal=Proposal()) for each in run.trials))
    assert "No predictor ranked" in predictions(unpredicted)


def test_the_newest_verdict_on_transfer_is_said_in_words(run: RunView) -> None:
    assert "What was learned: hurts." in transfer(run)
    without_odds = replace(run, rankings=tuple(replace(each, log_odds=None) for each in run.rankings))
    assert transfer(without_odds) == '<p class="note">What was learned: hurts.</p>'


def test_operations_are_judged_by_the_percentile_of_their_trials() -> None:
    good = ARCH
    bad = "nasbench201:|avg_pool_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"
    trials = tuple(
        replace(trial(number, value), arch=arch)
        for number, (value, arch) in enumerate([(0.9, good), (0.8, good), (0.2, bad), (0.1, bad)], 1)
    )
    shown = operations(RunView("x", "x", mode="max", trials=trials))
    rows = dict(re.findall(r"<tr><th>([\w-]+)</th>(.*?)</tr>", shown))
    assert "2 trials have it here: mean percentile 83" in rows["conv3-d1"]
    assert "2 trials have it anywhere: mean percentile 17" in rows["avgpool"]
    assert "4 trials have it anywhere: mean percentile 50" in rows["conv1-d1"]


def test_the_explanation_draws_slots_tasks_effects_and_swaps(run: RunView) -> None:
    shown = explanation(run)
    for text in (
        "1: conv3-d1 +1.60",
        "mixed/watch -0.30",
        "slot 2: conv3-d1 for skip",
        "+1,200",
        "number of conv3 = 2",
    ):
        assert text in shown
    rows = dict(re.findall(r"<tr><th>([\w-]+)</th>(.*?)</tr>", shown))
    assert re.findall(r'class="([\w ]+)"', rows["conv3-d1"]) == ["good own", "good"]
    assert re.findall(r'class="([\w ]+)"', rows["skip"]) == ["good", "good own"]
    assert "at the end of a search" in explanation(replace(run, explanation=None))


def test_the_table_has_ten_rows_best_first(run: RunView) -> None:
    shown = ten_best(run)
    assert re.findall(r'class="picture"', shown) == ['class="picture"'] * 10
    order = [int(number) for number in re.findall(r'<td data-t="(\d+)"', shown)]
    assert order == [each.number for each in run.ranked[:10]]
    assert all(each.state == "complete" for each in run.ranked[:10])


def test_trials_that_overlap_are_in_different_slots() -> None:
    trials = (trial(1, 0.1, begin=0.0, epochs=10), trial(2, 0.1, begin=5.0, epochs=10), trial(3, 0.1, begin=11.0))
    placed = {piece.trial.number: slot for slot, piece in in_slots(busy_times(trials)) if piece.trial}
    assert placed == {1: 0, 2: 1, 3: 0}


def test_a_pause_parts_the_time_of_a_trial_and_reported_epochs_take_none() -> None:
    epochs = (Epoch(1, 0.1, 10.0, 2.0), Epoch(2, 0.1, 12.0, 2.0), Epoch(3, 0.1, 50.0, 2.0), Epoch(4, 0.1, 50.0, 0.0))
    pieces = busy_times((replace(trial(1, 0.1), epochs=epochs),))
    assert [(piece.begin, piece.end) for piece in pieces] == [(8.0, 12.0), (48.0, 50.0)]


def test_time_between_sessions_does_not_count(run: RunView) -> None:
    (_, end), (begin, last) = run.sessions
    assert run.clock(begin) - run.clock(end) == 0.0
    assert run.clock(begin + 7.0) == end - run.sessions[0][0] + 7.0
    assert "in 2 sessions" in slots(run)
    assert run.clock(last + 100) == run.clock(last)


def test_of_very_many_trials_the_best_are_drawn_and_others_evenly() -> None:
    trials = tuple(trial(number, (number * 7919) % 5_000 / 5_000) for number in range(1, 5_001))
    run = RunView("x", "x", mode="max", trials=trials)
    shown = drawn(run)
    assert len(shown) == MOST_DRAWN
    assert {each.number for each in run.ranked[:100]} <= {each.number for each in shown}
    assert max(each.number for each in shown) > 4_900
    assert [each.number for each in shown] == sorted({each.number for each in shown})


def test_what_is_said_of_a_trial(run: RunView) -> None:
    said = about(run.trials[0], run).splitlines()
    assert said[0] == "Trial 1, stopped early"
    assert said[-1] == run.trials[0].arch
    assert any(line.startswith("predicted") for line in said)
    assert any(line.startswith("lr ") for line in said)


def test_durations() -> None:
    assert [in_words(each) for each in (0.25, 59.0, 61.0, 3_700.0, 200_000.0)] == [
        "0.2 s",
        "59 s",
        "1 min 1 s",
        "1 h 1 min",
        "2 d 7 h",
    ]
