"""The Python and the commands that README and docs show run as they stand there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpnas_ray.spaces import SPACE_NAMES, get_space
from mpnas_ray.tables.stratified import draw_stratified

ROOT = Path(__file__).parents[2]


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def output_of(code: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run code as a program of its own would, but for its start, and return the lines that it prints."""
    capsys.readouterr()
    exec(code, {"__name__": "__main__"})
    return capsys.readouterr().out.splitlines()


@pytest.mark.ray
def test_a_task_of_ones_own(tmp_path: Path, on_ray: dict[str, str]) -> None:
    page = ROOT / "docs" / "own-task.md"
    module, search = python_blocks(page)
    (tmp_path / "wave.py").write_text(module)
    (tmp_path / "search.py").write_text(f"from wave import TASK\n{search}")
    done = subprocess.run(
        [sys.executable, "search.py"], cwd=tmp_path, env=on_ray, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    arch, test = done.stdout.splitlines()[-1].split()
    assert arch.startswith("nasbenchasr:")
    assert float(test) > 0.6

    (command,) = commands(page, "search")
    arguments = [sys.executable, "-m", "cluster.cli", *command]
    done = subprocess.run(arguments, cwd=tmp_path, env=on_ray, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Best of 3 architectures on wave" in done.stdout


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_the_page_on_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The files are written as it says; its commands then read them, and its search runs."""
    from cluster import SearchConfig
    from trainables import get_task

    page = ROOT / "docs" / "data.md"
    files, search, module = python_blocks(page)
    monkeypatch.chdir(tmp_path)
    for text in (files, module):
        exec(text, {})
    assert output_of(search, capsys)[-1].startswith("('setosa', 'versicolor', 'virginica') 0.")
    found = []
    for arguments in commands(page, "search"):
        config = searched_by(arguments, monkeypatch)
        assert isinstance(config, SearchConfig)
        found.append(get_task(config.task, config.data_options).name)
    assert found == ["images-digits", "csv-iris", "csv-diabetes", "npz-waves"]


def searched_by(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The search that a command would begin."""
    import cluster.run.start

    given = []
    monkeypatch.setattr(cluster.run.start, "run_search", given.append)
    run_here(arguments, monkeypatch)
    return given[0]


def test_the_page_on_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs" / "spaces.md"
    for block in python_blocks(page):
        exec(block, {})
    assert "mixed:" in capsys.readouterr().out
    for name in SPACE_NAMES:
        space = get_space(name)
        row = next(line for line in page.read_text().splitlines() if line.startswith(f"| `{name}` |"))
        assert f"| {space.num_architectures:,} |" in row
        if space.enumerable:
            assert f"| {len(space.distinct()):,} |" in row


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Both blocks as they stand, in one program."""
    monkeypatch.chdir(tmp_path)
    printed = output_of("\n".join(python_blocks(ROOT / "README.md")), capsys)
    found = re.findall(r"^(nasbench201:\S+) (0\.\d+)$", "\n".join(printed), flags=re.MULTILINE)
    assert len(found) == 2
    assert all(float(accuracy) > 0.5 for _, accuracy in found)


def test_every_page_with_python_has_a_test() -> None:
    pages = {page.stem for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if python_blocks(page)}
    assert pages == TESTED


TESTED = {
    "README",
    "cluster",
    "data",
    "experiment",
    "explain",
    "export",
    "objectives",
    "own-task",
    "own-training",
    "predictors",
    "spaces",
    "supernets",
    "tables",
    "tutorial",
    "tutorial-tune",
    "watching",
}
"""Pages whose Python blocks are run here, or in tests/cluster/ray/test_jobs.py."""


@pytest.mark.long
def test_the_page_on_trainings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from trainables.tasks.core import task

    page = ROOT / "docs" / "own-training.md"
    monkeypatch.setattr(task, "_TASKS", dict(task._TASKS))
    names: dict[str, Any] = {}
    for block in python_blocks(page):
        exec(block, names)
    validation, test = capsys.readouterr().out.split()
    assert float(validation) > 0.4
    assert float(test) > 0.4
    (arguments,) = commands(page, "search")
    assert searched_by(arguments, monkeypatch).recipe == {
        "optimizer": "adamw",
        "learning_rate": 0.005,
        "schedule": "cosine",
        "ema": 0.99,
        "patience": 5,
    }


@pytest.mark.long
def test_the_page_on_supernets(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import cluster.artifacts.supernets.training
    from trainables.oneshot import get_method, method_names, methods

    monkeypatch.setattr(methods, "_METHODS", dict(methods._METHODS))  # the page registers one
    page = ROOT / "docs" / "supernets.md"
    rows = "".join(row.split("|")[1] for row in page.read_text().splitlines() if row.startswith("| `"))
    assert {*re.findall(r"`([^`]+)`", rows)} == {*method_names()}
    for block in python_blocks(page):
        exec(block, {})
    assert capsys.readouterr().out.startswith("nasbench201:")
    assert get_method("darts-with-zero").arch_step is get_method("darts").arch_step
    given: list[Any] = []
    monkeypatch.setattr(cluster.artifacts.supernets.training, "train_supernets", given.append)
    for arguments in commands(page, "supernet"):
        run_here(arguments, monkeypatch)
    assert (given[0].methods, given[0].seeds, given[0].name) == (("darts", "gdas"), 3, "sn")


def test_the_page_on_watching() -> None:
    (block,) = python_blocks(ROOT / "docs" / "watching.md")
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["run_config"].callbacks


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_the_page_on_experiments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment, conformance = python_blocks(ROOT / "docs" / "experiment.md")
    monkeypatch.chdir(tmp_path)
    assert any(line.startswith("nasbench201:") for line in output_of(experiment, capsys))
    (tmp_path / "test_mine.py").write_text(conformance)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_page_on_predictors() -> None:
    first, of_costs = python_blocks(ROOT / "docs" / "predictors.md")
    names: dict[str, Any] = {}
    exec(first, names)
    assert names["best"] in names["candidates"]
    assert names["drawn"].shape == (16, 1_000)
    assert not np.array_equal(names["before"], names["adapted"].predict(names["candidates"]))
    exec(of_costs, names)
    assert 5 < names["predicted"].mean() < 15
    assert sum(names["alike"].values()) == pytest.approx(1)


def commands(page: Path, name: str) -> list[list[str]]:
    """Arguments of the commands ``mpnas <name> ...`` of a page."""
    lines = re.findall(rf"^mpnas ({name} .*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert lines
    return [shlex.split(line, comments=True) for line in lines]


def run_here(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from cluster.cli import main

    monkeypatch.setattr(sys, "argv", ["mpnas", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


@pytest.mark.long
def test_the_commands_on_predicting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    archs = get_space("nasbench201").sample_many(9, np.random.default_rng(0))
    (tmp_path / "cells.txt").write_text("".join(f"{arch}\n" for arch in archs[:3]))
    rows = (f"{arch},{score}\n" for score, arch in enumerate(archs[3:]))
    (tmp_path / "measured.csv").write_text("arch,score\n" + "".join(rows))
    (tmp_path / "latencies.csv").write_text((tmp_path / "measured.csv").read_text())
    for arguments in commands(ROOT / "docs" / "predictors.md", "predict"):
        run_here(arguments, monkeypatch)
    printed = capsys.readouterr().out
    assert "before any measurement, for a task that measures a quality" in printed
    assert '"num_observed": 6' in printed


@pytest.mark.long
def test_the_page_on_explanations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """But for the run of the first command, which tests/cluster/artifacts/test_explanation.py makes."""
    page = ROOT / "docs" / "explain.md"
    monkeypatch.chdir(tmp_path)
    (block,) = python_blocks(page)
    exec(block, {})
    assert "The predicted score is" in capsys.readouterr().out
    archs = get_space("nasbench201").sample_many(6, np.random.default_rng(0))
    for name in ("measured.csv", "latencies.csv"):
        rows = (f"{arch},{score}\n" for score, arch in enumerate(archs))
        (tmp_path / name).write_text("arch,score\n" + "".join(rows))
    of_run, of_file = commands(page, "explain")
    assert "--run" in of_run
    run_here(of_file, monkeypatch)
    assert "latency in ms" in capsys.readouterr().out


@pytest.mark.long
def test_the_page_on_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript")
    import torch

    from cluster.run.config import SearchConfig
    from cluster.run.record import RunRecord
    from cluster.storage.run_folder import RunFolder
    from trainables import build_network
    from trainables.networks.saved import FoundNetwork, NetworkCard, save_network
    from trainables.networks.scaling import Decoder, Encoder

    monkeypatch.chdir(tmp_path)
    arch = "mixed:nasbenchasr:|conv5-d1~0|linear|skip|"
    network = build_network(arch, (3, 11, 11), 1, dense=True, preset="small")
    card = NetworkCard(arch, "darcy", (3, 11, 11), 1, True, "small", True, {"validation_relative_l2": 0.1})
    ones = [torch.ones(1, 1, 1) for _ in range(4)]
    found = FoundNetwork(Encoder(ones[0], ones[1], True), network, Decoder(ones[2], ones[3]), card)
    RunRecord(SearchConfig(task="darcy", epochs=1), "darcy").write(RunFolder(str(tmp_path / "runs"), "darcy"))
    save_network(tmp_path / "runs" / "darcy" / "best", found)
    page = ROOT / "docs" / "export.md"
    for arguments in commands(page, "export"):
        run_here(arguments, monkeypatch)
    names: dict[str, Any] = {}
    for block in python_blocks(page):
        exec(block, names)
    assert names["card"]["arch"] == arch
    assert names["outputs"].shape == (7, 1, 11, 11)
    assert np.allclose(names["outputs"], names["same"].detach(), atol=1e-5)


@pytest.mark.long
def test_the_page_on_several_objectives(monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs" / "objectives.md"
    for block in python_blocks(page):
        names: dict[str, Any] = {}
        exec(block, names)
        assert names["searcher"].suggest("first")["arch"].startswith("nasbench201:")
    (command,) = commands(page, "search")
    config = searched_by(command, monkeypatch)
    assert (config.minimize, config.name) == (("parameters", "latency_ms"), "two")


@pytest.mark.long
def test_the_page_on_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it says of files, on a table of two architectures that is trained here."""
    from cluster.artifacts.network_trainings import Course, training_item
    from cluster.work.items import Store

    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "mine.parquet.work")
    for number, arch in enumerate(draw_stratified(get_space("mixed"), 2)):
        for task in ("digits", "watch"):
            item = training_item(f"{number:05}", str(arch), 0, Course(task, 27, 60, "small"))
            store.write(item, item.compute())
    (build,) = (found for found in commands(ROOT / "docs" / "tables.md", "tables") if "build" in found)
    run_here([*build, "--num-archs", "2", "--num-repeated", "0", "--num-train", "60"], monkeypatch)  # all is there
    names: dict[str, Any] = {}
    for block in python_blocks(ROOT / "docs" / "tables.md"):
        exec(block, names)
    assert names["curves"].scores.shape == (2, 27)
    assert len(names["tasks"]["mixed/digits"]) == 2
    run_here(["tables", "list", "."], monkeypatch)
    assert "mixed/watch" in capsys.readouterr().out


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(
    "fewer",
    [
        pytest.param(("--num-samples", "2", "--epochs", "1", "--preset", "small"), id="a short search"),
        pytest.param((), marks=pytest.mark.slow, id="as it stands"),
    ],
)
def test_the_tutorial(
    fewer: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the images to the classes of two of them."""
    pytest.importorskip("onnxscript")
    page = ROOT / "docs" / "tutorial.md"
    make_images, classify = python_blocks(page)
    monkeypatch.chdir(tmp_path)
    exec(make_images, {})
    search, report, export = commands(page, "(?:search|report|export)")
    for command in ([*search, *fewer], report, export):
        run_here(command, monkeypatch)
    (images,) = re.findall(r"^python classify.py (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    monkeypatch.setattr(sys, "argv", ["classify.py", *images.split()])
    capsys.readouterr()
    exec(classify, {})
    printed = capsys.readouterr().out
    assert re.fullmatch(r"digits/3/3.png \d\ndigits/7/7.png \d\n", printed)
    if not fewer:
        assert f"```text\n{printed}```" in page.read_text(encoding="utf-8")
    for picture in re.findall(r"!\[.*\]\((pictures/.*)\)", page.read_text(encoding="utf-8")):
        name = Path(picture).stem
        assert f'<section id="{name}">' in (tmp_path / "runs" / "first" / "report.html").read_text(), "what it shows"


@pytest.mark.slow
@pytest.mark.ray
def test_the_tutorial_on_tune(tmp_path: Path, on_ray: dict[str, str]) -> None:
    """All blocks as they stand, in one program."""
    (tmp_path / "experiment.py").write_text("\n".join(python_blocks(ROOT / "docs" / "tutorial-tune.md")))
    done = subprocess.run(
        [sys.executable, "experiment.py"], cwd=tmp_path, env=on_ray, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^(by hand|searched|found): .* (0\.\d+)$", done.stdout, flags=re.MULTILINE))
    assert float(found["by hand"]) > 0.5
    assert float(found["found"]) >= float(found["searched"]) > 0.5
    assert (tmp_path / "found.onnx").exists()


def test_the_pictures_of_the_tutorial_are_small() -> None:
    pictures = list((ROOT / "docs" / "pictures").glob("*.png"))
    shown = set(re.findall(r"\(pictures/(.*)\)", (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")))
    assert {picture.name for picture in pictures} == shown
    assert sum(picture.stat().st_size for picture in pictures) < 300_000


@pytest.mark.slow
@pytest.mark.ray
def test_the_main_job(tmp_path: Path) -> None:
    """`make search`: twenty trials of Darcy flow; the best network below 0.05."""
    import json

    line = re.search(r"\$\(BIN\)/mpnas (search .*)", (ROOT / "Makefile").read_text())
    assert line
    arguments = shlex.split(line[1].replace("$(NAME)", "main"))
    command = [sys.executable, "-m", "cluster.cli", *arguments, "--storage", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "main" / "report.json").read_text())
    assert report["num_trials"] == 20
    assert report["num_refits"] >= 3
    assert report["validation"] < 0.05
