"""Measured curves told to real schedulers of Tune."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, HyperBandScheduler, MedianStoppingRule

from cluster.cli import main
from cluster.experiments.replay.early_stopping import replay_curves
from mpnas_ray.curves import load_network
from mpnas_ray.tables import BUNDLED_TABLE, LearningCurves, read_curves
from searchers.schedulers.lcranknet import LCRankNetScheduler
from searchers.schedulers.registry import SCHEDULERS
from trainables import Task, get_task


@pytest.fixture(scope="module")
def libras() -> LearningCurves:
    return read_curves(BUNDLED_TABLE)["libras"]


def test_without_early_stopping_all_is_spent_and_nothing_lost(libras: LearningCurves) -> None:
    replay = replay_curves(FIFOScheduler(), libras, range(6), num_concurrent=3)

    assert replay.spent == 1.0
    assert replay.regret == 0.0
    assert (replay.final == libras.scores[:6, -1]).all()


@pytest.mark.parametrize(
    "scheduler",
    [
        lambda: ASHAScheduler(max_t=27, reduction_factor=3),
        lambda: HyperBandScheduler(max_t=27),
        lambda: MedianStoppingRule(time_attr="training_iteration", grace_period=3),
    ],
    ids=["asha", "hyperband", "median"],
)
def test_schedulers_of_tune_save_epochs_and_end_every_trial(libras: LearningCurves, scheduler: Any) -> None:
    rows = np.random.default_rng(0).permutation(100)[:60]

    replay = replay_curves(scheduler(), libras, rows, num_concurrent=4)

    assert (replay.rows == rows).all()
    assert (replay.epochs >= 1).all()
    assert replay.epochs.max() == 27
    assert 27 / (60 * 27) < replay.spent < 0.8
    assert 0 <= replay.regret <= np.ptp(libras.scores[rows, -1])
    assert (replay.last == libras.scores[rows, replay.epochs - 1]).all()


def test_a_training_whose_loss_is_not_finite_ends_by_itself_and_is_not_chosen(libras: LearningCurves) -> None:
    scores, losses = libras.scores.copy(), libras.train_losses.copy()
    best = int(scores[:5, -1].argmax())
    scores[best, 4:], losses[best, 4:] = np.nan, np.nan

    replay = replay_curves(FIFOScheduler(), replace(libras, scores=scores, train_losses=losses), range(5))

    assert replay.epochs[best] == 5
    assert replay.regret == 0.0  # relative to the best of those that came to something


def stopped_in_a_replay(task: Task, curves: LearningCurves) -> int:
    """Count how many of the first eight trainings a search's scheduler stops: one that knows nothing stops none."""
    made = SCHEDULERS["lcranknet"](27, task.family or task.name, 0)
    assert isinstance(made, LCRankNetScheduler)
    replay_curves(made, curves, range(8))
    assert made.num_failures == 0
    return made.num_stopped


@pytest.mark.long
def test_a_search_takes_the_network_of_the_package_unless_it_has_seen_the_data(
    libras: LearningCurves, caplog: pytest.LogCaptureFixture
) -> None:
    seen = get_task("libras")
    new = replace(seen, name="not-in-the-table", family="")

    assert stopped_in_a_replay(new, libras) > 0
    assert "already" not in caplog.text
    assert stopped_in_a_replay(seen, libras) == 0
    assert "lcranknet-2 has learned from libras already" in caplog.text
    assert stopped_in_a_replay(replace(new, family="libras"), libras) == 0


@pytest.mark.long
def test_the_command_pre_trains_a_network_with_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["mpnas", "pretrain-scheduler", "--out", "mine", "--hold-out", "libras"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()

    assert not ended.value.code
    assert capsys.readouterr().out.splitlines()[-1].startswith("mine.safetensors learned from 6 tasks: watch,")
    _, card = load_network(tmp_path / "mine")
    assert card["command"] == " ".join(command)
    assert "libras" not in (*card["tasks"], *card["datasets"])
    LCRankNetScheduler(27, network="mine")
