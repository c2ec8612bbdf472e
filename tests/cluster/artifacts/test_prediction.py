from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from cluster.artifacts.config import PredictionConfig
from cluster.artifacts.prediction import Prediction, predict_architectures, read_archs, read_observed
from cluster.cli import main
from mpnas_ray.errors import PredictorError, SearchSpaceError
from mpnas_ray.meta_learning.gradient import MetaConfig, MetaPredictor
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.pretrained import PredictorCard, save_checkpoint
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables import LearningCurves, TableTask, write_curves

SPACE = get_space("transnasbench101")
GOOD, BAD, OTHER = "transnasbench101:64-41414-3_33_133", "transnasbench101:64-41414-0_00_002", "64-41414-1_23_012"


def predicted(**fields: Any) -> Prediction:
    return predict_architectures(PredictionConfig(**fields))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mpnas", "predict", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize(("suffix", "mode"), [(".csv", "max"), (".json", "min")])
def test_measurements_turn_the_ranking(suffix: str, mode: str, tmp_path: Path) -> None:
    """Scores that fall with every convolution, against all that was learned."""
    archs = SPACE.sample_many(25, np.random.default_rng(0))
    scores = -(archs.codes >= 2).sum(axis=1) * (1.0 if mode == "max" else -1.0)
    rows = [{"arch": str(arch), "score": float(score)} for arch, score in zip(archs, scores, strict=True)]
    path = tmp_path / f"measured{suffix}"
    as_csv = "arch,note,score\n" + "".join(f"{row['arch']},,{row['score']}\n" for row in rows)
    path.write_text(json.dumps(rows) if suffix == ".json" else as_csv)
    before = predicted(archs=[GOOD, BAD])
    after = predicted(archs=[GOOD, BAD], observed=path, mode=mode)
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
        predicted(archs=[GOOD], predictor="cost", measures="quality")


@pytest.mark.long
def test_the_same_seed_says_the_same() -> None:
    once = predicted(archs=[GOOD])
    assert predicted(archs=[GOOD]) == once
    assert predicted(archs=[GOOD], seed=1) != once


def boil(folder: Path) -> Path:
    """Write a checkpoint of the paper's kind that has seen one space."""
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
        predicted(archs=["mixed:nasbenchasr:|conv5-d1~0|linear|skip|"], predictor=boil(tmp_path))
    with pytest.raises(PredictorError, match="does not tell qualities from costs"):
        predicted(archs=[GOOD], predictor=boil(tmp_path), measures="cost")


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
        ("empty.csv", "", "no column 'arch'; the columns of its first line are: none"),
        ("blank.csv", "\n \n", "no column 'arch'; the columns of its first line are: none"),
        ("header.csv", "arch,score\n", "holds no measured architecture"),
        ("headless.csv", f"{GOOD},1\n{BAD},2\n", f"no column 'arch'; .* are: '{GOOD}', '1'"),
        ("other.csv", f"cell;accuracy\n{GOOD};1\n", "no column 'arch'; .* are: 'cell', 'accuracy'"),
        ("half.csv", f"arch,accuracy\n{GOOD},1\n", "no column 'score'; .* are: 'arch', 'accuracy'"),
        ("twice.csv", f"arch,score,Score\n{GOOD},1,2\n", "more than one column 'score'"),
        ("comma.csv", f"arch;score\n{GOOD};0,5\n", "entry 1 has the score '0,5', which is not a number"),
        ("underscore.csv", f"arch,score\n{GOOD},1_000\n", "entry 1 has the score '1_000'"),
        ("square.csv", f"arch,score\n{GOOD},²\n", "entry 1 has the score '²'"),
        ("huge.json", f'[{{"arch": "{GOOD}", "score": 1{"0" * 400}}}]', "holds no measured architecture"),
        ("deep.json", "[" * 10_000, "nested too deep"),
        ("other.json", f'[{{"cell": "{GOOD}", "score": 1}}]', "no 'arch'; the first has: 'cell', 'score'"),
        ("short.csv", f"arch,score\n{GOOD},1\n{BAD}\n", "entry 2 does not have both"),
        ("nan.csv", f"arch,score\n{GOOD},nan\n", "holds no measured architecture"),
        ("word.csv", f"arch,score\n{GOOD},good\n", "entry 1 has the score 'good'"),
        ("broken.json", "{", "cannot be read"),
        ("number.json", "3", "cannot be read"),
        ("list.json", "[3]", "not a list of objects with arch and score"),
        (
            "two.csv",
            f"arch,value,validation\n{GOOD},1,2\n",
            "may be 'value' or 'validation': call the one that is meant",
        ),
        ("inf.json", f'[{{"arch": "{GOOD}", "score": Infinity}}]', "holds no measured architecture"),
    ],
)
def test_measurements_that_cannot_be_read_are_named(name: str, content: str, named: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(PredictorError, match=named):
        read_observed(tmp_path / name, SPACE)


def test_failed_trainings_of_a_file_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [(GOOD, "true"), (BAD, "NaN"), (BAD, "1e999"), (BAD, "-Infinity"), (BAD, "1" + "0" * 400), (BAD, '" 0.25 "')]
    entries = ", ".join(f'{{"arch": "{arch}", "score": {score}}}' for arch, score in rows)
    (tmp_path / "measured.json").write_text(f"[{entries}]")
    archs, scores = read_observed(tmp_path / "measured.json", SPACE)
    assert scores == [1.0, 0.25]
    assert [str(arch).rpartition(":")[2] in (GOOD, BAD) or str(arch) in (GOOD, BAD) for arch in archs] == [True] * 2
    assert "4 of 6 entries are left out" in caplog.text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("table.csv", f"arch,value\n{GOOD},1\n{BAD},0.25\n"),
        ("front.json", json.dumps([{"arch": GOOD, "validation": 1}, {"arch": BAD, "validation": 0.25, "test": 3}])),
    ],
)
def test_scores_are_found_in_our_own_files(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert read_observed(tmp_path / name, SPACE)[1] == [1.0, 0.25]


def learning_curves(tmp_path: Path) -> pa.Table:
    """Read a table as of `mpnas tables build`: two trainings of GOOD, one of which diverges, and one of BAD."""
    curves = LearningCurves(
        task="digits",
        datasets=("digits",),
        metric="accuracy",
        mode="max",
        settings={},
        archs=Architectures.of([GOOD, GOOD, BAD]),
        seeds=np.array([0, 1, 0]),
        scores=np.array([[0.1, 0.9], [0.7, np.nan], [0.3, 0.2]]),
        train_losses=np.ones((3, 2)),
        test=np.ones(3),
        parameters=np.ones(3, dtype=np.int64),
        flops=np.ones(3, dtype=np.int64),
        seconds=np.ones(3),
    )
    write_curves({"digits": curves}, tmp_path / "trained.parquet")
    return pq.read_table(tmp_path / "trained.parquet")


def test_of_learning_curves_the_last_epochs_are_used(tmp_path: Path) -> None:
    table = learning_curves(tmp_path)
    csv.write_csv(table.take([5, 3, 1, 0, 2, 4]), tmp_path / "trained.csv")
    rows = table.to_pylist()
    (tmp_path / "trained.json").write_text(json.dumps(rows))
    for name in ("trained.csv", "trained.json"):
        archs, scores = read_observed(tmp_path / name, SPACE)
        assert sorted(zip(map(str, archs), scores, strict=True)) == sorted([(BAD, 0.2), (GOOD, 0.9)])
    rows[3]["task"] = "splice"
    (tmp_path / "two.json").write_text(json.dumps(rows))
    with pytest.raises(PredictorError, match="several tasks, digits, splice: keep the rows of one"):
        read_observed(tmp_path / "two.json", SPACE)
    rows = [{**row, "task": "digits", "epoch": "first"} for row in rows]
    (tmp_path / "words.json").write_text(json.dumps(rows))
    with pytest.raises(PredictorError, match="cannot be read as measured"):
        read_observed(tmp_path / "words.json", SPACE)


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
LAYOUTS = {
    "plain": f"arch,score\n{GOOD},1\n{BAD},-2e-3\n",
    "semicolons": f"arch;score\n{GOOD};1\n{BAD};-2e-3\n",
    "tabs": f"arch\tscore\n{GOOD}\t1\n{BAD}\t-2e-3\n",
    "quotes": f'"note, or none","arch","score"\n"a, b","{GOOD}","1"\n"","{BAD}","-2e-3"\n',
    "line ends of Windows": f"arch,score\r\n{GOOD},1\r\n\r\n{BAD},-2e-3\r\n\r\n",
    "capitals and blanks": f"\n Score , ARCH \n\n 1 , {GOOD} \n ,, \n -2e-3,{BAD}",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_tables_are_read_as_spreadsheets_write_them(layout: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(LAYOUTS[layout].encode(encoding))
    archs, scores = read_observed(path, SPACE)
    assert [str(arch) for arch in archs] == read_archs(path) == [GOOD, BAD]
    assert scores == [1, -0.002]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_architectures_are_read_from_lists_and_tables_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    texts = {
        "a.txt": f"{GOOD}\r\n\n  {BAD}  \n",
        "b.txt": f'arch\n"{GOOD}"\n{BAD}\n',
        "c.csv": f"Arch;note\n{GOOD};x\n;\n{BAD}\n",
        "d.json": json.dumps([GOOD, BAD]),
        "e.JSON": json.dumps([{"ARCH": GOOD, "score": 1}, {"arch": BAD}]),
    }
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode(encoding))
        assert read_archs(tmp_path / name) == [GOOD, BAD], name
    for name, text in (("f.csv", f"cell,score\n{GOOD},1\n"), ("g.json", "{}"), ("h.txt", "\ud800")):
        (tmp_path / name).write_bytes(text.encode("utf-8", errors="surrogatepass"))
        with pytest.raises(PredictorError, match="cannot be read as architectures"):
            read_archs(tmp_path / name)


@pytest.mark.long
def test_of_thousands_of_measurements_as_many_are_learned_from_as_in_a_search(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("mpnas_ray.predictors.support.MOST_POINTS", 20)  # 500 take half a minute
    archs = get_space("nasbench201").enumerate()[:3_000]
    rows = [f"{arch},{number % 100}" for number, arch in enumerate(archs)]
    (tmp_path / "many.csv").write_text("\n".join(["arch,score", *rows]))
    assert run(monkeypatch, str(archs[0]), str(archs[99]), "--observed", str(tmp_path / "many.csv")) == 0
    printed = capsys.readouterr().out
    assert printed.index(str(archs[99])) < printed.index(str(archs[0])), "the better one first"
    assert "adapted to 20 of 3,000 measured architectures, as a search would be" in printed


def test_measurements_of_another_space_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("arch,score\nnasbenchasr:|conv5~0|linear|skip|,1\n")
    with pytest.raises(SearchSpaceError, match="names the space nasbenchasr, but the architectures are of trans"):
        read_observed(tmp_path / "a.csv", SPACE)
