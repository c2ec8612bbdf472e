"""The page of a run: what is read of its files, whatever state they are in, and when it is written."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster import SearchReport, run_search
from cluster.cli import app
from cluster.report.page import SECTIONS, page
from cluster.report.view import RunView
from cluster.run.config import SearchConfig
from cluster.run.html import writing
from cluster.run.html.writing import PAGE_FILE, drawn_meanwhile, write_page
from cluster.run.reading import read_run
from cluster.run.record import RunRecord
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError
from mpnas_ray.spaces import Architectures
from trainables import get_task
from trainables.networks.limits import NetworkSizes

ARCHS = [
    "nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|",
    "nasbench201:|avg_pool_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|",
    "nasbench201:|nor_conv_1x1~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|",
    "nasbench201:|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|",
    "nasbench201:|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|",
]
RECORD = RunRecord(SearchConfig(task="digits", space="nasbench201", num_samples=6, epochs=3), "digits")
SESSION = {
    "time": 100.0,
    "event": "session",
    "metric": "accuracy",
    "mode": "max",
    "slots": 2,
    "input_shape": [1, 8, 8],
    "num_outputs": 10,
    "dense": False,
}

TRACEBACK = """Traceback (most recent call last):
  File "x.py", line 1, in loss
    raise ValueError("<b>bad</b>")
ValueError: <b>bad</b>
"""


def epochs_of(arch: str, values: list[float], start: int) -> str:
    lines = [
        {
            "epoch": number,
            "validation_accuracy": value,
            "seconds": 2.0,
            "parameters": 1_000,
            "done": number == 3,
            "timestamp": start + 2 * number,
            "config": {"arch": arch, **RECORD.constants()},
        }
        for number, value in enumerate(values, 1)
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def write_run(folder: Path, events: list[dict[str, Any]] | None = None) -> Path:
    """A run that was stopped: trials complete, stopped, NaN, failed, and under way."""
    files = {
        "run.json": RECORD.to_json(),
        "t0/result.json": epochs_of(ARCHS[0], [0.5, 0.6, 0.7], 100),
        "t1/result.json": epochs_of(ARCHS[1], [0.9], 100),
        "t2/result.json": epochs_of(ARCHS[2], [0.2, math.nan], 110),
        "t3/params.json": json.dumps({"arch": ARCHS[3], **RECORD.constants(), "lr": 0.1}),
        "t3/error.txt": f"Failure # 3 (occurred at x)\n{TRACEBACK}",
        "t4/started.json": json.dumps({"arch": ARCHS[4], **RECORD.constants()}),
    }
    told = [
        SESSION,
        {"time": 101.0, "event": "zero_shot", "points": 0, "seconds": 1.0, "spearman_of_proposals": None},
        *(
            {
                "time": 101.0,
                "event": "proposal",
                "trial_id": f"t{n}",
                "predicted": n / 10,
                "rank": n + 1,
                "ranking_age": n,
            }
            for n in (1, 0, 2, 3)
        ),
        {"time": 105.0, "event": "result", "trial_id": "t1", "value": 0.9},
        {"time": 120.0, "event": "refit", "points": 2, "seconds": 0.5, "transfer_verdict": "helps", "transfer": "x"},
    ]
    files["telemetry.jsonl"] = "".join(f"{json.dumps(event)}\n" for event in (told if events is None else events))
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def view(folder: Path) -> RunView:
    return read_run(RunFolder.of_run(folder))


class TestReading:
    def test_trials_are_read_in_the_order_of_their_proposals_with_their_states(self, tmp_path: Path) -> None:
        run = view(write_run(tmp_path / "run"))
        assert [(trial.trial_id, trial.state) for trial in run.trials] == [
            ("t1", "stopped"),
            ("t0", "complete"),
            ("t2", "nan"),
            ("t3", "failed"),
            ("t4", "unfinished"),
        ]
        assert (run.metric, run.mode, run.slots, run.num_samples, run.num_epochs) == ("accuracy", "max", 2, 6, 3)
        assert run.trials[0].proposal.predicted == 0.1
        assert run.trials[3].hyperparameters == {"lr": 0.1}
        assert run.trials[3].error.startswith("ValueError: <b>bad</b>")
        assert [epoch.value for epoch in run.trials[1].epochs] == [0.5, 0.6, 0.7]
        assert [ranking.points for ranking in run.rankings] == [0, 2]
        assert run.sessions == ((100.0, 120.0),)

    def test_the_best_is_a_whole_training_before_one_that_was_stopped(self, tmp_path: Path) -> None:
        best = view(write_run(tmp_path / "run")).best
        assert best is not None
        assert (best.arch, best.validation, best.test, best.network) == (ARCHS[0], 0.7, None, None)

    def test_sizes_are_those_of_the_networks(self, tmp_path: Path) -> None:
        run = view(write_run(tmp_path / "run"))
        sizes = NetworkSizes((1, 8, 8), 10, False, RECORD.config.preset)
        found = {trial.arch: trial.flops for trial in run.trials}
        assert found == dict(zip(ARCHS, sizes.flops(Architectures.of(ARCHS)).tolist(), strict=True))

    def test_a_new_run_has_a_page(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "run.json").write_text(RECORD.to_json())
        run = view(tmp_path / "run")
        assert (run.trials, run.best, run.state) == ((), None, "stopped")
        assert page(run)

    def test_without_telemetry_the_task_tells_the_metric(self, tmp_path: Path) -> None:
        write_run(tmp_path / "run")
        (tmp_path / "run" / "telemetry.jsonl").unlink()
        run = view(tmp_path / "run")
        assert (run.metric, run.mode) == ("accuracy", "max")
        assert run.best is not None
        assert run.sessions, "by the times of the trials"
        assert page(run)

    def test_a_damaged_record_is_named_and_the_rest_is_shown(self, tmp_path: Path) -> None:
        write_run(tmp_path / "run")
        (tmp_path / "run" / "run.json").write_text("{")
        run = view(tmp_path / "run")
        assert len(run.trials) == 5
        assert run.best is not None
        assert len(run.problems) == 1
        assert "run.json is damaged" in page(run)

    def test_without_record_and_telemetry_nothing_is_ranked_and_the_page_says_so(self, tmp_path: Path) -> None:
        write_run(tmp_path / "run", events=[])
        (tmp_path / "run" / "run.json").write_text("[]")
        run = view(tmp_path / "run")
        assert run.best is None
        assert run.ranked == []
        assert "No file tells whether lower or higher values of accuracy are better" in page(run)

    def test_damaged_lines_and_trials_are_left_out(self, tmp_path: Path) -> None:
        write_run(tmp_path / "run")
        with (tmp_path / "run" / "telemetry.jsonl").open("ab") as file:
            file.write(b'\xff\x00{"time": "x"}\n[1]\n{"time": 1e400, "event": "refit"}\n{"time": 130.0, "event": "ref')
        with (tmp_path / "run" / "t0" / "result.json").open("a") as file:
            file.write('{"epoch": "4"}\n{"epoch": 4, "valid')
        (tmp_path / "run" / "t4" / "started.json").write_text("\0")
        run = view(tmp_path / "run")
        assert [trial.trial_id for trial in run.trials] == ["t1", "t0", "t2", "t3"]
        assert len(run.trials[1].epochs) == 3
        assert page(run)

    def test_sessions_of_a_run_that_was_continued(self, tmp_path: Path) -> None:
        write_run(tmp_path / "run", events=[SESSION, {**SESSION, "time": 5_000.0, "slots": 4}, {"time": 5_020.0}])
        run = view(tmp_path / "run")
        assert run.sessions == ((100.0, 114.0), (5_000.0, 5_020.0))
        assert run.slots == 4
        assert run.clock(5_010.0) == 24.0

    def test_a_run_with_a_live_driver_is_running(self, tmp_path: Path) -> None:
        write_run(tmp_path / "run")
        driver = tmp_path / "run" / "driver.json"
        driver.write_text(json.dumps({"host": "elsewhere", "pid": os.getpid(), "machine": "another", "beat": 1}))
        assert view(tmp_path / "run").state == "running"
        driver.unlink()
        assert view(tmp_path / "run").state == "stopped"


class TestCommand:
    def test_it_writes_the_page_and_says_where(self, tmp_path: Path) -> None:
        folder = write_run(tmp_path / "run")
        done = CliRunner().invoke(app, ["report", str(folder)])
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[-1] == str(folder / PAGE_FILE)
        text = (folder / PAGE_FILE).read_text()
        assert all(f'id="{name}"' in text for name in SECTIONS)

    def test_it_opens_the_page(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[str] = []
        monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
        folder = write_run(tmp_path / "run")
        assert CliRunner().invoke(app, ["report", str(folder), "--open"]).exit_code == 0
        assert opened == [(folder / PAGE_FILE).as_uri()]
        monkeypatch.setattr("webbrowser.open", lambda url: False)
        refused = CliRunner().invoke(app, ["report", str(folder), "--open"])
        assert isinstance(refused.exception, RunError)

    def test_a_folder_without_a_run_is_refused(self, tmp_path: Path) -> None:
        assert isinstance(CliRunner().invoke(app, ["report", str(tmp_path)]).exception, RunError)

    def test_a_run_is_as_it_was_but_for_the_page(self, tmp_path: Path) -> None:
        folder = write_run(tmp_path / "run")
        (folder / "report.json").write_text("{")
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        write_page(folder)
        (folder / PAGE_FILE).unlink()
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


class TestDrawingMeanwhile:
    def test_the_page_follows_the_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_for: Callable[..., Any]
    ) -> None:
        monkeypatch.setattr(writing, "_SECONDS_BETWEEN_LOOKS", 0.01)
        monkeypatch.setattr(writing, "_REST_PER_WORK", 0.0)
        path = tmp_path / "run" / PAGE_FILE
        with drawn_meanwhile(RunFolder(str(tmp_path), "run")):
            write_run(tmp_path / "run")
            wait_for(path.exists, "the page")
            better = epochs_of(ARCHS[1], [0.9, 0.95, 0.97531], 100)
            (tmp_path / "run" / "t1" / "result.json").write_text(better)
            wait_for(lambda: "0.97531" in path.read_text(), "the new best")
            (tmp_path / "run" / "t0" / "result.json").write_text(epochs_of(ARCHS[0], [0.5, 0.6, 0.98642], 100))
        assert "0.98642" in path.read_text(), "drawn once more at the end"
        assert not [thread for thread in threading.enumerate() if thread.name == "report"]

    def test_nothing_is_written_of_what_is_no_run_yet(self, tmp_path: Path) -> None:
        with drawn_meanwhile(RunFolder(str(tmp_path), "run")):
            pass
        assert list((tmp_path / "run").iterdir()) == []

    def test_a_failure_to_draw_is_logged_and_goes_no_further(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def page(run: RunView) -> str:
            raise ZeroDivisionError("drawn badly")

        monkeypatch.setattr(writing, "page", page)
        write_run(tmp_path / "run")
        with caplog.at_level(logging.WARNING), drawn_meanwhile(RunFolder(str(tmp_path), "run")):
            pass
        assert "Could not draw report.html" in caplog.text
        with pytest.raises(KeyError), drawn_meanwhile(RunFolder(str(tmp_path), "run")):
            raise KeyError("of the run")


@pytest.fixture(scope="module")
def complete(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> SearchReport:
    """A real run: six trials of digits, of which a scheduler stops some."""
    return run_search(
        task="digits",
        space="nasbench201",
        num_samples=6,
        epochs=3,
        scheduler="asha",
        storage=tmp_path_factory.mktemp("runs"),
        name="run",
        progress=False,
    )


@pytest.mark.ray
class TestARealRun:
    def test_the_page_is_there_at_the_end_and_shows_what_the_report_says(self, complete: SearchReport) -> None:
        text = (Path(complete.folder) / PAGE_FILE).read_text()
        assert complete.best_arch in text
        assert f"{complete.parameters:,}" in text
        assert f"{complete.test:.5g}" in text
        assert complete.network in text
        assert ">complete</span> 6 of 6 trials" in text
        assert len(text.encode()) < 200_000

    def test_all_that_the_page_shows_is_recorded(self, complete: SearchReport) -> None:
        run = view(Path(complete.folder))
        assert run.problems == ()
        assert run.best is not None
        assert run.best.trial is not None
        assert (run.best.validation, run.best.trial.arch) == (complete.validation, complete.best_arch)
        assert (run.mode, run.slots, len(run.trials)) == (complete.mode, complete.max_concurrent, 6)
        assert sum(trial.state == "stopped" for trial in run.trials) == complete.num_stopped
        assert all(trial.proposal.predicted is not None for trial in run.trials), "mpnas ranks before the first result"
        assert len(run.rankings) == 1 + complete.num_refits
        task = get_task("digits")
        sizes = NetworkSizes(task.encoded_shape(task.load_checked(None)), task.num_outputs, task.dense, complete.preset)
        archs = Architectures.of([trial.arch for trial in run.trials])
        assert [trial.parameters for trial in run.trials] == sizes.parameters(archs).tolist()
        assert [trial.flops for trial in run.trials] == sizes.flops(archs).tolist()
        seconds = sum(epoch.seconds for trial in run.trials for epoch in trial.epochs)
        assert seconds == pytest.approx(complete.training_seconds, rel=0.01)

    def test_a_copy_shows_where_it_is_now(self, complete: SearchReport, tmp_path: Path) -> None:
        shutil.copytree(complete.folder, tmp_path / "copy")
        write_page(tmp_path / "copy")
        text = (tmp_path / "copy" / PAGE_FILE).read_text()
        assert str(tmp_path / "copy" / "best") in text
        assert complete.folder not in text
