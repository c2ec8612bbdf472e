"""Table 7: what each search may learn from, and the whole of it in small."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.experiments.studies.study import reproduce
from cluster.experiments.studies.table7 import measuring
from cluster.experiments.studies.table7 import study as study_module
from cluster.experiments.studies.table7.methods import SEARCHES, baselines_of, derived_from, sources_for
from cluster.experiments.studies.table7.page import body_of
from cluster.experiments.studies.table7.replaying import replay_item
from cluster.experiments.studies.table7.study import TABLE7
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import LearningCurves, TableTask, load_tasks, write_curves, write_task
from mpnas_ray.tables.stratified import draw_stratified
from trainables import get_task

TINY = MixtureConfig(
    gcn=GCNConfig(width=8, num_layers=1), iterations=5, archs_per_task=60, num_price_lists=2, prior_iterations=2
)


def own_table(folder: Path, *names: str) -> Path:
    """Made-up scores of a hundred cells: so many working operations, and noise."""
    archs, rng = draw_stratified(get_space("mixed"), 100), np.random.default_rng(0)
    graphs = archs.graphs()
    depth = (graphs.live() & (graphs.kinds < 9)).sum(axis=1) / 10
    curves = {}
    for name in names:
        task = get_task(name)
        sign = 1 if task.metric.mode == "max" else -1
        scores = sign * depth[:, None] + rng.normal(0, 0.01, (100, 2))
        once = np.ones(100, dtype=np.int64)
        curves[name] = LearningCurves(
            task=name,
            datasets=(task.family or name,),
            metric=task.metric.name,
            mode=task.metric.mode,
            settings={"epochs": 2},
            archs=archs,
            seeds=0 * once,
            scores=scores,
            train_losses=scores,
            test=scores[:, 1],
            parameters=once,
            flops=once,
            seconds=1.0 * once,
        )
    folder.mkdir(exist_ok=True)
    write_curves(curves, folder / "own.parquet")
    return folder / "own.parquet"


def published(name: str, *datasets: str) -> TableTask:
    space = get_space("nasbench201")
    archs = draw_stratified(space, 100)
    raw = np.random.default_rng(1).normal(size=100)
    return TableTask(name, archs, raw, "accuracy", "max", datasets=datasets)


def test_nobody_learns_from_the_tasks_own_family(tmp_path: Path) -> None:
    tables = {
        "nasbench201/darcy": published("nasbench201/darcy", "darcy"),
        "nasbench201/cifar10": published("nasbench201/cifar10", "cifar10"),
        **load_tasks(own_table(tmp_path, "digits", "mnist5k", "darcy16", "watch")),
    }

    def known(task: str, search: str) -> list[str] | None:
        sources = sources_for(get_task(task), tables, search)
        return None if sources is None else sorted(sources)

    ours, as_published, random = SEARCHES
    assert known("darcy", ours) == ["mixed/digits", "mixed/mnist5k", "mixed/watch", "nasbench201/cifar10"]
    assert known("spherical-digits", ours) == ["mixed/darcy16", "mixed/watch", *sorted(tables)[-2:]]
    assert "mixed/watch" not in (known("watch", ours) or ())
    assert known("darcy", as_published) == sorted([*(known("darcy", ours) or ()), "nasbench201/darcy"])
    assert known("digits", as_published) is None, "no published table is of this family: it would be the same"
    assert known("darcy", random) is None


def test_rows_of_a_task() -> None:
    assert baselines_of(get_task("darcy"), 2) == {
        "WRN-16-1": "wrn-16-1",
        "expert: fno-2d": "fno-2d",
    }
    assert list(baselines_of(get_task("watch"), 1).values()) == ["wrn-16-1", "resnet-1d"]
    assert list(baselines_of(get_task("ninapro"), 2).values()) == ["wrn-16-4", "emg-attention"]
    assert derived_from(get_task("watch"), 1, ["3d1", "5d2"]) == "dash-resnet-1d:3d1,5d2"
    assert derived_from(get_task("ninapro"), 2, ["3d1"]) == "dash-wrn-16-4:3d1"


@pytest.mark.long
def test_a_replay_asks_for_what_the_table_has(tmp_path: Path) -> None:
    table = own_table(tmp_path, "watch")
    task = load_tasks(table)["mixed/watch"]
    item = replay_item("watch", table, task, None, 3, 9)
    found = item.compute()
    assert len(found["scores"]) == 9
    assert np.isfinite(found["scores"]).all()
    asked = found["archs"]
    assert len(set(asked)) == 9
    assert asked[0] == str(task.archs[int(np.random.default_rng(3).integers(len(task)))])
    assert replay_item("watch", table, task, None, 4, 9).identity != item.identity
    other = replace(task, raw=task.raw + 1)
    assert replay_item("watch", table, other, None, 3, 9).identity != item.identity, "another table"


@pytest.mark.slow
@pytest.mark.ray
def test_the_whole_of_it_in_small_and_again(ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "NUM_SAMPLES", 5)
    monkeypatch.setattr(study_module, "NUM_SAMPLES", 5)
    write_task(published("nasbench201/cifar10", "cifar10"), tmp_path / "cifar10.parquet")
    own = own_table(tmp_path / "own", "libras", "watch")
    lines: list[str] = []

    def run() -> list[Path]:
        lines.clear()
        return reproduce(
            replace(TABLE7, seeds=2, replay_seeds=2, config=TINY, own_table=own),
            tmp_path,
            tmp_path / "out",
            tmp_path / "work",
            lines.append,
            tasks=["libras"],
        )

    files = run()
    assert [file.name for file in files] == [f"table7.{kind}" for kind in ("json", "md", "html", "png")]
    content = json.loads(files[0].read_text())
    (libras,) = content["tasks"]
    assert set(libras["outcomes"]) == {"MP-NAS", "random predictor", "WRN-16-1", "1-D ResNet", "DASH"}
    assert all(len(of_row) == 2 for of_row in libras["outcomes"].values())
    assert all(len(curve) == 5 for curves in libras["curves"].values() for curve in curves)
    assert libras["sources"]["MP-NAS"] == ["mixed/watch", "nasbench201/cifar10"]
    assert {network["network"].partition(":")[0] for network in libras["outcomes"]["DASH"]} == {"dash-resnet-1d"}
    assert "| DASH" in body_of(content)
    assert any("search by MP-NAS" in line for line in lines)
    assert run() == files
    assert json.loads(files[0].read_text()) == content, "nothing was done again"
