from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.cli import main
from cluster.prediction import predict_architectures, read_observed
from mpnas_ray.checkpoints import PredictorCard, save_checkpoint
from mpnas_ray.errors import PredictorError, SearchSpaceError
from mpnas_ray.meta import MetaConfig, MetaPredictor
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask

SPACE = get_space("transnasbench101")
GOOD, BAD, OTHER = "transnasbench101:64-41414-3_33_133", "transnasbench101:64-41414-0_00_002", "64-41414-1_23_012"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mpnas", "predict", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_architectures_are_listed_best_first_with_what_is_not_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "more.txt").write_text(f"{OTHER}\n\n{GOOD}\n")
    assert run(monkeypatch, BAD, "--file", str(tmp_path / "more.txt")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["architecture", "rank", "percentile", "80", "%", "interval"]
    assert [line.split()[0] for line in lines[1:4]] == [GOOD, f"transnasbench101:{OTHER}", BAD]
    assert "before any measurement, for a task that measures a quality" in lines[-1]
    assert "best of 4,096 architectures of transnasbench101" in lines[-1]

    assert run(monkeypatch, BAD, GOOD, "--space", "transnasbench101", "--measures", "cost", "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [row["arch"] for row in found["architectures"]] == [BAD, GOOD], "what is cheap is small"
    assert found["measures"] == "cost"
    for row in found["architectures"]:
        assert 0 <= row["low"] <= row["percentile"] <= row["high"] <= 100


@pytest.mark.parametrize(("suffix", "mode"), [(".csv", "max"), (".json", "min")])
def test_measurements_turn_the_ranking(suffix: str, mode: str, tmp_path: Path) -> None:
    """Scores that fall with every convolution, against all that was learned."""
    archs = SPACE.sample_many(25, np.random.default_rng(0))
    scores = -(archs.codes >= 2).sum(axis=1) * (1.0 if mode == "max" else -1.0)
    rows = [{"arch": str(arch), "score": float(score)} for arch, score in zip(archs, scores, strict=True)]
    path = tmp_path / f"measured{suffix}"
    as_csv = "arch,note,score\n" + "".join(f"{row['arch']},,{row['score']}\n" for row in rows)
    path.write_text(json.dumps(rows) if suffix == ".json" else as_csv)
    before = predict_architectures([GOOD, BAD])
    after = predict_architectures([GOOD, BAD], observed=path, mode=mode)
    assert [row.arch for row in before.architectures] == [GOOD, BAD]
    assert [row.arch for row in after.architectures] == [BAD, GOOD]
    assert (before.num_observed, after.num_observed) == (0, 25)
    width = [sum((row.high or 0) - (row.low or 0) for row in found.architectures) for found in (before, after)]
    assert width[1] < width[0]


def test_measured_latencies_are_learned_in_their_own_unit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Ten milliseconds and three for each convolution; what is low is best without being told."""
    archs = SPACE.sample_many(25, np.random.default_rng(0))
    latencies = 10 + 3 * (archs.codes >= 2).sum(axis=1)
    path = tmp_path / "latencies.csv"
    path.write_text("arch,score\n" + "".join(f"{arch},{ms}\n" for arch, ms in zip(archs, latencies, strict=True)))
    arguments = (GOOD, BAD, "--measures", "cost", "--observed", str(path))
    assert run(monkeypatch, *arguments, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["predictor"], found["measures"]) == ("cost-1", "cost")
    assert [row["arch"] for row in found["architectures"]] == [BAD, GOOD]
    assert [row["expected"] for row in found["architectures"]] == pytest.approx([13, 25], abs=0.5)

    assert run(monkeypatch, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-1] == "expected"
    assert float(lines[1].split()[-1]) == pytest.approx(13, abs=0.5)
    with pytest.raises(PredictorError, match="a quality does not"):
        predict_architectures([GOOD], predictor="cost", measures="quality")


def test_the_same_seed_says_the_same() -> None:
    assert predict_architectures([GOOD]) == predict_architectures([GOOD])
    assert predict_architectures([GOOD]) != predict_architectures([GOOD], seed=1)


def boil(folder: Path) -> Path:
    """A checkpoint of the paper's kind that has seen one space."""
    config = MetaConfig(gcn=GCNConfig(width=4, num_layers=2, dropout=0.0))
    task = TableTask("transnasbench101/x", SPACE.enumerate()[:4], np.arange(4.0), "accuracy", "max", datasets=("x",))
    save_checkpoint(folder / "boil", MetaPredictor(config), PredictorCard.of("boil", config, {task.name: task}))
    return folder / "boil"


def test_a_checkpoint_that_does_not_know_its_uncertainty_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, GOOD, BAD, "--predictor", str(boil(tmp_path))) == 0
    assert capsys.readouterr().out.count("not known") == 2
    with pytest.raises(PredictorError, match="'boil' has learned from transnasbench101 and does not know all"):
        predict_architectures(["mixed:nasbenchasr:|conv5-d1~0|linear|skip|"], predictor=boil(tmp_path))
    with pytest.raises(PredictorError, match="does not tell qualities from costs"):
        predict_architectures([GOOD], predictor=boil(tmp_path), measures="cost")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "There is no architecture to predict"),
        (["64-41414-3_33_133"], "does not say its space"),
        (["transnasbench101:64-41414-3_33_134"], "64-41414-3_33_134"),
        ([GOOD, "--space", "nasbench201"], "names the space transnasbench101, but the"),
        ([GOOD, "--space", "nasbench"], "There is no search space 'nasbench'"),
        ([GOOD, "--file", "nowhere.txt"], "nowhere.txt cannot be read"),
        ([GOOD, "--observed", "nowhere.csv"], "nowhere.csv cannot be read"),
        ([GOOD, "--predictor", "nowhere"], "There is no predictor card nowhere.json"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 1
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("empty.csv", "", "holds no measured architecture"),
        ("headless.csv", f"{GOOD},1\n", "holds no measured architecture"),
        ("headless2.csv", f"{GOOD},1\n{BAD},2\n", "entry 1 has not both an arch and a score"),
        ("short.csv", f"arch,score\n{GOOD},1\n{BAD}\n", "entry 2 has not both"),
        ("nan.csv", f"arch,score\n{GOOD},nan\n", "entry 1 has the score 'nan'"),
        ("word.csv", f"arch,score\n{GOOD},good\n", "entry 1 has the score 'good'"),
        ("broken.json", "{", "cannot be read"),
        ("number.json", "3", "cannot be read"),
        ("list.json", "[3]", "entry 1 has not both"),
        ("inf.json", f'[{{"arch": "{GOOD}", "score": Infinity}}]', "entry 1 has the score inf"),
    ],
)
def test_measurements_that_cannot_be_read_are_named(name: str, content: str, named: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(PredictorError, match=named):
        read_observed(tmp_path / name, SPACE)


def test_measurements_of_another_space_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("arch,score\nnasbenchasr:|conv5~0|linear|skip|,1\n")
    with pytest.raises(SearchSpaceError, match="names the space nasbenchasr, but the architectures are of trans"):
        read_observed(tmp_path / "a.csv", SPACE)
