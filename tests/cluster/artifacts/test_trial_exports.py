"""Trials as tables and as studies of Optuna."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from pyarrow import csv, parquet

from cluster.artifacts.optuna_study import architecture_parameters, write_study
from cluster.artifacts.prediction import read_observed
from cluster.artifacts.trial_tables import write_trials
from cluster.report.view import Epoch, Proposal, RunView, TrialView
from mpnas_ray.errors import RunError
from mpnas_ray.spaces import SPACE_NAMES, get_space

STATES = ("complete", "stopped", "failed", "nan", "unfinished")


def trial(number: int, arch: str) -> TrialView:
    """Make a trial whose loss is 1 / number after its second and last epoch; its state follows from the number."""
    state = STATES[(number - 1) % 5]
    losses = [1 / number + 0.5, math.nan if state == "nan" else 1 / number] if state != "failed" else []
    epochs = tuple(Epoch(n, loss, 1e9 + 10 * number + n, 1.0) for n, loss in enumerate(losses, start=1))
    return TrialView(
        number,
        f"{number:08}",
        arch,
        state,  # type: ignore[arg-type]
        epochs,
        parameters=1_000 * number,
        hyperparameters={"lr": 10.0**-number, "layers": number, "optimizer": ("sgd", "adamw")[number % 2]},
        proposal=Proposal(0.1 * number, number, 0),
        error="ValueError: no" if state == "failed" else "",
    )


@pytest.fixture(params=["mixed", "nasbench101"])
def run(request: pytest.FixtureRequest) -> RunView:
    archs = get_space(request.param).sample_many(10, np.random.default_rng(0))
    trials = tuple(trial(number, str(arch)) for number, arch in enumerate(archs, start=1))
    return RunView("one", "/runs/one", "complete", {"task": "digits"}, "loss", "min", 10, 2, trials=trials)


def storage(path: Path) -> BaseStorage:
    return RDBStorage(f"sqlite:///{path}") if path.suffix == ".db" else JournalStorage(JournalFileBackend(str(path)))


def test_complete_trials_of_a_table_are_measurements_to_predict_by(
    run: RunView, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_trials(run, tmp_path / "trials.csv", "csv")
    archs, scores = read_observed(tmp_path / "trials.csv", get_space(run.trials[0].arch.partition(":")[0]))
    assert [str(arch) for arch in archs] == [run.trials[0].arch, run.trials[5].arch]
    assert scores == [1.0, 1 / 6]
    assert "the scores are read from 'loss'" in caplog.text
    assert "8 of 10 entries are left out as failed or incomplete trainings" in caplog.text


@pytest.mark.long
@pytest.mark.parametrize("file", ["study.db", "study.log"])
def test_a_study_says_what_the_run_does(run: RunView, tmp_path: Path, file: str) -> None:
    write_study(run, tmp_path / file)
    assert [path.name for path in tmp_path.iterdir()] == [file]
    study = optuna.load_study(study_name="one", storage=storage(tmp_path / file))
    assert study.user_attrs == {"task": "digits"}
    assert [each.state for each in study.trials] == 2 * [
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
        TrialState.FAIL,
        TrialState.RUNNING,
    ]
    best = run.trials[5]
    assert study.best_value == best.value == 1 / 6
    found = study.best_trial
    assert found.user_attrs["arch"] == best.arch
    assert found.user_attrs["parameters"] == 6_000
    assert found.intermediate_values == {1: 1 / 6 + 0.5, 2: 1 / 6}
    assert found.params == {**architecture_parameters(best.arch), **best.hyperparameters}
    assert found.duration is not None
    assert found.duration.total_seconds() == pytest.approx(2.0)
    assert study.trials[2].user_attrs["error"] == "ValueError: no"


@pytest.mark.long
def test_optuna_draws_and_continues_the_study(run: RunView, tmp_path: Path) -> None:
    write_study(run, tmp_path / "study.db")
    study = optuna.load_study(study_name="one", storage=storage(tmp_path / "study.db"))
    drawn = [
        optuna.visualization.plot_optimization_history,
        optuna.visualization.plot_intermediate_values,
        optuna.visualization.plot_slice,
    ]
    # Before its version 5, Optuna leaves out trials that lack a parameter: of cells of different shapes, all.
    if int(optuna.__version__.split(".")[0]) >= 5 or len({frozenset(each.params) for each in study.trials}) == 1:
        drawn.append(optuna.visualization.plot_parallel_coordinate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for draw in drawn:
            assert draw(study).data
    asked = study.ask(study.trials[0].distributions)
    assert asked.params.keys() == study.trials[0].params.keys()


def test_a_study_needs_a_mode_and_a_known_ending(run: RunView, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="whether its metric is minimised"):
        write_study(RunView("x", "/x", trials=run.trials), tmp_path / "study.db")
    with pytest.raises(RunError, match=r"end in \.db .* not in \.txt"):
        write_study(run, tmp_path / "study.txt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("space", SPACE_NAMES)
def test_named_choices_tell_architectures_apart(space: str) -> None:
    """They can be turned back: different architectures never have the same choices."""
    archs = [str(arch) for arch in get_space(space).sample_many(200, np.random.default_rng(0))]
    found = {arch: json.dumps(architecture_parameters(arch)) for arch in archs}
    assert len(set(found.values())) == len(set(archs))


def test_named_choices_of_a_cell() -> None:
    assert architecture_parameters("transnasbench101:64-41414-3_10_213") == {
        "slot 1": "conv3-d1",
        "slot 2": "skip",
        "slot 3": "zero",
        "slot 4": "conv1-d1",
        "slot 5": "skip",
        "slot 6": "conv3-d1",
    }
    mixed = architecture_parameters("mixed:nasbench101:|conv3-d1~0|output~0~1|")
    assert mixed["family"] == "nasbench101"
    assert {name for name, value in mixed.items() if value == "yes"} == {
        "nasbench101 edge 0-1",
        "nasbench101 edge 0-6",
        "nasbench101 edge 1-6",
    }
    assert [mixed[f"nasbench101 slot {n}"] for n in range(1, 6)] == ["conv3-d1", *4 * ["absent"]]
    sized = architecture_parameters("mixed-macro:nasbench101:|conv3-d1~0|output~0~1|@w16-d2-s1")
    assert sized == {**mixed, "width": "w16", "depth": "d2", "strides": "s1"}
    assert architecture_parameters("mixed+spectral:nasbench101:|conv3-d1~0|output~0~1|") == mixed


def test_tables_hold_the_trials(run: RunView, tmp_path: Path) -> None:
    write_trials(run, tmp_path / "trials.parquet", "parquet")
    write_trials(run, tmp_path / "trials.csv", "csv")
    rows = parquet.read_table(tmp_path / "trials.parquet").to_pylist()
    of_csv = csv.read_csv(tmp_path / "trials.csv").to_pylist()
    assert len(rows) == len(of_csv) == 10
    for row, plain, trial in zip(rows, of_csv, run.trials, strict=True):
        assert row["arch"] == plain["arch"] == trial.arch
        assert row["state"] == trial.state
        assert row["curve"] == pytest.approx([epoch.value for epoch in trial.epochs], nan_ok=True)
        assert row["config/lr"] == trial.hyperparameters["lr"]
        assert row["config/optimizer"] == trial.hyperparameters["optimizer"]
        assert json.loads(plain["curve"]) == [
            None if math.isnan(epoch.value) else epoch.value for epoch in trial.epochs
        ]
    assert rows[2]["loss"] is None
    assert rows[2]["error"] == "ValueError: no"
    assert math.isnan(rows[3]["loss"])
    assert rows[5]["loss"] == 1 / 6
    assert rows[5]["seconds"] == 2.0
    assert rows[5]["end"] - rows[5]["start"] == pytest.approx(2.0)
