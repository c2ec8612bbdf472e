"""``mpnas supernet``: settings and refusals without Ray, and one run with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.artifacts.supernets.config import SupernetConfig
from cluster.artifacts.supernets.page import supernet_page
from cluster.artifacts.supernets.report import SupernetReport, TrainedSupernet
from cluster.artifacts.supernets.training import train_supernets
from cluster.cli import app
from mpnas_ray.errors import RunError, TaskError

CELL = "nasbench201:|skip_connect~0|+|none~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|skip_connect~2|"
OTHER = "nasbench201:|skip_connect~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"


def config(tmp_path: Path, **changed: Any) -> SupernetConfig:
    small = {"task": "digits", "space": "nasbench201", "methods": ("gdas",), "storage": tmp_path, "name": "sn"}
    return SupernetConfig(**{**small, **changed})


def test_supernets_are_named_by_method_and_seed(tmp_path: Path) -> None:
    asked = config(tmp_path, methods=("gdas", "rsps", "gdas"), seeds=2, seed=5).supernets
    assert [each["model"] for each in asked] == ["gdas.5", "rsps.5", "gdas.6", "rsps.6"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"methods": ("gads",)}, "There is no one-shot method 'gads'.*Did you mean 'gdas'"),
        ({"space": "nasbench101"}, "take a method that samples cells"),
        ({"space": "mixed"}, "one of its families"),
        ({"batch_size": 700}, "1197 samples, half of which"),
        ({"protocol": "author"}, "protocol must be one of short and authors"),
    ],
)
def test_what_cannot_be_trained_is_said_before_ray_starts(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(TaskError, match=message):
        train_supernets(config(tmp_path, **changed))
    assert not (tmp_path / "sn").exists(), "nothing is left behind"


def test_a_run_of_other_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="methods must be a list of names"):
        config(tmp_path, methods=())
    (tmp_path / "sn").mkdir()
    constants = {"task": "digits", "space": "transnasbench101", "protocol": "short", "preset": "small"}
    (tmp_path / "sn" / "supernets.json").write_text(json.dumps({"constants": constants, "supernets": []}))
    with pytest.raises(RunError, match=r"was started with space 'transnasbench101': .* another --name"):
        train_supernets(config(tmp_path))
    (tmp_path / "sn" / "supernets.json").rename(tmp_path / "sn" / "thesis.tex")
    with pytest.raises(RunError, match="holds something else than supernets"):
        train_supernets(config(tmp_path))


def test_the_command_takes_the_settings_as_options() -> None:
    shown = CliRunner().invoke(app, ["supernet", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert shown.exit_code == 0
    assert all(option in shown.output for option in ("--method", "--seeds", "--family", "--protocol", "--name"))
    assert "rdarts-dp" in shown.output


def test_the_page_shows_cells_courses_and_weights() -> None:
    trained = TrainedSupernet("darts.0", CELL, 0.9, 2, 3, 1234, 5.0, 10**8, "the curvature has grown since epoch 1")
    report = SupernetReport("digits", "nasbench201", "small", "short", "accuracy", "max", (trained,), "runs/sn")
    epochs = [
        {
            "epoch": number,
            "arch": OTHER if number == 1 else CELL,
            "validation_accuracy": 0.3 * number,
            "num_skips": number,
            "entropy": 1.5,
            "curvature": 0.1 * number,
            "weights": [[0.1, 0.4, 0.2, 0.2, 0.1]] * 6,
        }
        for number in (1, 2, 3)
    ]
    page = supernet_page(report, {"darts.0": epochs})
    for text in ("Supernets of nasbench201 on digits", "the curvature has grown", "Skips of the chosen cell", "2 to 3"):
        assert text in page
    assert page.index(">skip<") < page.index(">conv1-d1<"), "the heaviest operation comes first"
    assert "mpnas train --model CELL" in str(report)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_supernets_side_by_side_and_more_of_them_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = train_supernets(config(tmp_path, epochs=2))
    assert "[2/2] gdas.0: validation_accuracy" in capsys.readouterr().out
    more = train_supernets(config(tmp_path, epochs=2, methods=("gdas", "darts"), seeds=1))
    printed = capsys.readouterr().out
    assert "darts.0" in printed
    assert "gdas.0" not in printed, "what was trained is not trained again"
    assert [each.name for each in more.supernets] == ["gdas.0", "darts.0"]
    assert more.supernets[0] == first.supernets[0]
    assert all(each.epochs == 2 and each.arch.startswith("nasbench201:") for each in more.supernets)
    saved = json.loads((tmp_path / "sn" / "report.json").read_text())
    assert [each["arch"] for each in saved["supernets"]] == [each.arch for each in more.supernets]
    assert "darts.0" in (tmp_path / "sn" / "report.html").read_text()
    assert train_supernets(config(tmp_path, epochs=2)) == more
