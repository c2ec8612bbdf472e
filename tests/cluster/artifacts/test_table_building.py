"""Tables of our own: what was trained is never trained again, and nothing that was trained is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
import torch
import typer
from typer.testing import CliRunner

from cluster.artifacts.config import TableConfig
from cluster.artifacts.network_trainings import Course, training_item
from cluster.artifacts.table_building import BuildReport, build_table
from cluster.commands import tables
from cluster.work import running
from cluster.work.items import Results, Store, WorkItem
from mpnas_ray.errors import MPNASError, RunError
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import load_tasks, read_curves
from mpnas_ray.tables.stratified import draw_stratified
from trainables import get_task
from trainables.networks import build_network
from trainables.tasks.core.subset import with_fewer_samples

SMALL: dict[str, Any] = {"num_train": 40, "epochs": 2}


def built(**fields: Any) -> BuildReport:
    return build_table(TableConfig(**fields))


@pytest.mark.long
def test_a_table_of_files_by_their_options(own_data: Path, tmp_path: Path, computed_here: list[str]) -> None:
    """The command takes the options of `mpnas search`; trainings by others are not mixed with them."""
    app = typer.Typer()
    app.command()(tables.build)
    common = [
        "--task",
        f"images:{own_data / 'digits'}",
        "--out",
        str(tmp_path / "own.parquet"),
        "--space",
        "nasbench201",
    ]
    common += ["--num-archs", "1", "--num-train", "60", "--epochs", "1", "--image-size", "8", "--augment", "flip"]
    done = CliRunner().invoke(app, [*common, "--metric", "f1_macro"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "digit-0" in done.output, "classes and split are printed"
    assert computed_here == ["images-digits/00000.0"]
    (curves,) = read_curves(tmp_path / "own.parquet").values()
    assert curves.metric == "f1_macro"
    assert curves.settings["data_options"]["augment"] == ["flip"]
    with pytest.raises(RunError, match="data_options"):
        CliRunner().invoke(app, [*common, "--metric", "f1_macro", "--split-seed", "1"], catch_exceptions=False)
    with pytest.raises(MPNASError, match="The task digits does not use"):
        CliRunner().invoke(app, ["--task", "digits", *common, "--metric", "f1_macro"], catch_exceptions=False)


@pytest.mark.long
def test_a_table_grows_and_trains_nothing_twice(
    tmp_path: Path, computed_here: list[str], needs_data: Callable[..., None]
) -> None:
    needs_data("splice")
    out = tmp_path / "own.parquet"
    report = built(out=out, tasks=["digits"], num_archs=2, **SMALL)
    assert report.trainings == {"digits": 2}
    assert computed_here == ["digits/00000.0", "digits/00001.0"]
    assert built(out=out, tasks=["digits"], num_archs=2, **SMALL).added == 0

    computed_here.clear()
    (tmp_path / "own.parquet.work" / "digits" / "00000.0.json").unlink()  # the table itself holds it
    report = built(out=out, tasks=["digits", "splice"], num_archs=3, num_repeated=1, **SMALL)
    assert computed_here == [
        *("splice/00000.0", "digits/00000.1", "splice/00000.1"),
        *("splice/00001.0", "digits/00002.0", "splice/00002.0"),
    ]
    assert report.trainings == {"digits": 4, "splice": 4}
    assert report.added == 6
    curves = read_curves(out)
    drawn = [str(arch) for arch in draw_stratified(get_space("mixed"), 3)]
    runs = sorted(zip(map(str, curves["digits"].archs), curves["digits"].seeds.tolist(), strict=True))
    assert runs == sorted([(drawn[0], 0), (drawn[0], 1), (drawn[1], 0), (drawn[2], 0)])
    assert load_tasks(tmp_path)["mixed/digits"].datasets == ("handwritten-digits",)
    page = (tmp_path / "own.html").read_text()
    assert re.findall(r'<section id="(\w+)">', page) == ["tasks", "digits", "splice"]
    told = json.loads(re.search(r'id="tips">(.*?)</script>', page)[1])  # type: ignore[index]
    assert told.keys() == {"1", "2", "3"}, "an architecture has one number on all tasks"
    assert [line.partition(":")[0] for line in told["2"].splitlines()] == [
        "Architecture 2",
        "digits",
        "splice",
        "mixed",
    ]


def test_a_unit_holds_what_the_training_came_to(tmp_path: Path) -> None:
    arch = str(draw_stratified(get_space("mixed"), 1)[0])
    course = Course("digits", 2, 40, "small")
    item, store = training_item("00007", arch, 1, course), Store(tmp_path)
    assert item.name == "digits/00007.1"
    store.write(item, item.compute())
    content = store.read(item)
    assert content["seconds"] > 0
    assert len(content["score"]) == len(content["train_loss"]) == 2
    assert 0 <= content["test"] <= 1
    network = build_network(arch, (1, 8, 8), 10, preset="small")
    assert content["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert content["chosen"] == []
    for other in (Course("digits", 3, 40, "small"), Course("digits", 2, 41, "small")):
        assert store.read(training_item("00007", arch, 1, other)) is None, "made otherwise"


def test_a_loss_that_is_not_finite_is_kept_as_such(
    tmp_path: Path, computed_here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(get_task("digits").recipe, learning_rate=1e30, batch_size=40)
    monkeypatch.setattr(Course, "recipe", property(lambda course: replace(recipe, epochs=course.epochs)))
    built(out=tmp_path / "own.parquet", tasks=["digits"], num_archs=1, num_train=40, epochs=3)
    curves = read_curves(tmp_path / "own.parquet")["digits"]
    assert np.isnan(curves.scores[0, -1])
    assert np.isnan(curves.test[0])
    assert len(computed_here) == 1


def test_what_was_done_before_an_interruption_is_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed_here: list[str]
) -> None:
    one_by_one = running.compute_on_ray

    def interrupted(items: Sequence[WorkItem], store: Results, *, gpus: float = 0.0) -> dict[str, str]:
        one_by_one(items[:1], store, gpus=gpus)
        raise RunError("stopped")

    monkeypatch.setattr(running, "compute_on_ray", interrupted)
    with pytest.raises(RunError, match="stopped"):
        built(out=tmp_path / "own.parquet", tasks=["digits"], num_archs=3, **SMALL)
    assert len(read_curves(tmp_path / "own.parquet")["digits"]) == 1


def test_what_cannot_be_is_refused(tmp_path: Path, computed_here: list[str]) -> None:
    out = tmp_path / "own.parquet"
    built(out=out, tasks=["digits"], num_archs=1, **SMALL)
    for arguments, named in (
        ({**SMALL, "epochs": 3}, "with epochs 2"),
        ({**SMALL, "preset": "paper"}, "with preset 'small'"),
        ({**SMALL, "space": "nasbench201"}, "trainings of mixed, not nasbench201"),
        ({**SMALL, "preset": "huge"}, "no preset 'huge'"),
        ({**SMALL, "num_repeated": 2}, "no more repeats than architectures"),
    ):
        with pytest.raises(MPNASError, match=named):
            built(out=out, tasks=["digits"], **{"num_archs": 1, **arguments})
    with pytest.raises(MPNASError, match="no task 'nothing'"):
        built(out=out, tasks=["nothing"])
    with pytest.raises(RunError, match=r"end in \.parquet"):
        built(out=tmp_path / "own.csv", tasks=["digits"])


def test_fewer_samples_keep_the_shares_of_the_classes(needs_data: Callable[..., None]) -> None:
    needs_data("splice", "libras")
    whole, fewer = (
        task.load_checked(None) for task in (get_task("splice"), with_fewer_samples(get_task("splice"), 100))
    )
    shares = torch.bincount(whole.train.targets) / len(whole.train)
    counts = torch.bincount(fewer.train.targets)
    assert counts.sum() == 100
    assert torch.all((counts - 100 * shares).abs() < 2)
    assert torch.equal(whole.validation.inputs, fewer.validation.inputs)
    rows = {row.numpy().tobytes() for row in whole.train.inputs}
    assert all(row.numpy().tobytes() in rows for row in fewer.train.inputs)
    few = with_fewer_samples(get_task("libras"), 15).load_checked(None).train
    assert torch.bincount(few.targets).tolist() == [1] * 15


@pytest.mark.ray
def test_a_table_is_built_on_ray(ray_cluster: None, tmp_path: Path) -> None:
    out = tmp_path / "own.parquet"
    report = built(out=out, tasks=["libras", "digits"], num_archs=2, **SMALL)
    assert report.trainings == {"libras": 2, "digits": 2}
    unit = tmp_path / "own.parquet.work" / "digits" / "00000.0.json"
    assert json.loads(unit.read_text())["result"]["seed"] == 0


@pytest.mark.slow
@pytest.mark.ray
def test_killed_in_the_middle_it_loses_what_was_under_way_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cluster.cli", "table", "build", "--out", "own.parquet", "--task", "libras"]
    command += ["--num-archs", "12", "--epochs", "2", "--num-train", "60"]
    work = tmp_path / "own.parquet.work" / "libras"
    with (tmp_path / "out").open("w") as out:
        driver = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out, start_new_session=True)
    while len(list(work.glob("*.json"))) < 3 and driver.poll() is None:
        time.sleep(0.02)
    processes = psutil.Process(driver.pid).children(recursive=True)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    psutil.wait_procs(processes)  # what Ray left behind sees that its driver is gone
    before = {path: path.stat().st_mtime_ns for path in work.glob("*.json")}
    assert 3 <= len(before) < 12
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{12 - len(before)} units of work to do" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(read_curves(tmp_path / "own.parquet")["libras"]) == 12
