"""Comparisons: what a method may know, what is measured, what is kept, and that the page says what was measured."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import cluster.experiments.comparison.running
from cluster.experiments.comparison.compare import compare
from cluster.experiments.comparison.config import ComparisonConfig
from cluster.experiments.comparison.methods import METHODS, make_searcher, sources_of, takes_part
from cluster.experiments.comparison.predictors import predictor_name, predictor_to_learn
from cluster.experiments.comparison.presets import CIFAR_FAMILY, PRESETS, Column, Preset
from cluster.experiments.comparison.replications import Replication, Result, compute, identity, replication_item
from cluster.experiments.comparison.report.content import comparison_of, content_of
from cluster.experiments.comparison.report.curves_page import curves_page
from cluster.experiments.comparison.report.formatting import count, percent, value
from cluster.experiments.comparison.report.looks import LOOKS
from cluster.experiments.comparison.report.page import page_of
from cluster.experiments.comparison.report.pairwise import wins_and_losses
from cluster.experiments.comparison.split import BLIND, CONFIRMATION, DESIGN, DEVICES, GROUPS, ROLES, SEED, draw
from cluster.experiments.comparison.summary.measures import (
    Scale,
    best_so_far,
    incumbents,
    queries_to,
)
from cluster.experiments.comparison.summary.summaries import Comparison, Curve, Ground, Summary, ground_of, summary_of
from cluster.experiments.replay.table import replay
from cluster.pages.result_json import result_json
from cluster.work.items import Store
from mpnas_ray.errors import PredictorError, RunError, TableError
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.pretrained import load_checkpoint
from mpnas_ray.spaces import get_space
from mpnas_ray.stats import Interval
from mpnas_ray.tables import TableTask, load_tasks, write_task
from searchers import PredictorSearch

TINY = MixtureConfig(gcn=GCNConfig(width=8), iterations=4, archs_per_task=200, num_price_lists=2, prior_iterations=1)
SPACE = get_space("transnasbench101")
NAMES = ("scene", "object", "jigsaw", "room", "segmentsemantic", "normal", "autoencoder")
SCENE, NORMAL = (Column.of(f"transnasbench101/{name}") for name in ("scene", "normal"))
MIOU = Column("transnasbench101/segmentsemantic@miou", "transnasbench101/segmentsemantic", 12.5)


def task_of(name: str, number: int, size: int = 4_096) -> TableTask:
    """A task by the official name: some counts of operations, and noise of its own."""
    archs = SPACE.enumerate()[:size]
    raw = (archs.codes == 1 + number % 3).sum(axis=1) + np.random.default_rng(number).normal(0, 0.3, len(archs))
    dataset = f"taskonomy-{name.partition('@')[0]}"
    return TableTask(f"transnasbench101/{name}", archs, raw, "accuracy", "max", "%", datasets=(dataset,))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for number, name in enumerate((*NAMES, "segmentsemantic@miou")):
        write_task(task_of(name, number), folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def tasks(tables: Path) -> dict[str, TableTask]:
    return load_tasks(tables, [f"transnasbench101/{name}" for name in (*NAMES, "segmentsemantic@miou")])


# What is measured.


def test_goals_are_ranks_of_the_whole_space() -> None:
    task = task_of("scene", 0)
    ordered = np.sort(task.scores)[::-1]
    scale = Scale.of(task)
    assert scale.goals == {"top 1 %": ordered[40], "top 0.1 %": ordered[3], "optimum": ordered[0]}
    assert (scale.best, scale.worst) == (ordered[0], ordered[-1])
    assert scale.median == (ordered[2_047] + ordered[2_048]) / 2
    fewer = Scale.of(task[np.argsort(-task.scores)[:3_000]])
    assert fewer.goals == scale.goals, "cells that were not measured count as worst"
    assert fewer.median == scale.median
    assert Scale.of(task[np.argsort(-task.scores)[:1_000]]).median == ordered[999]
    assert Scale.of(task[:2]).goals["top 1 %"] == task.scores[:2].min()


@pytest.mark.data
def test_goals_of_official_tables(tables_folder: Path) -> None:
    names = ["nasbench201/ninapro", "nasbench201/cpu-latency", "nasbench201/cifar10@valid", "nasbench201/cifar10"]
    found = load_tasks(tables_folder, names)
    ninapro, latency = (Scale.of(found[name]) for name in names[:2])
    assert (found[names[0]].scores >= ninapro.goals["top 0.1 %"]).sum() == 116
    assert latency.goals["top 0.1 %"] == np.sort(found[names[1]].scores)[-16]
    assert ground_of(PRESETS["table5"].columns[0], found).perfect == pytest.approx(94.37, abs=0.005)


def test_regret_by_hand() -> None:
    scale = Scale(best=10.0, median=6.0, worst=0.0, goals={})
    np.testing.assert_allclose(scale.regret(np.array([10.0, 9.0, 6.0, 0.0])), [0, 25, 100, 250])
    flat = replace(scale, median=10.0)
    np.testing.assert_array_equal(flat.regret(np.array([10.0, 9.0])), [0, 0])


def test_best_so_far_by_hand() -> None:
    nan = np.nan
    runs = [np.array([nan, 3.0, 1.0, 5.0]), np.array([2.0, nan])]
    np.testing.assert_array_equal(best_so_far(runs, 5, worst=-1.0), [[-1, 3, 3, 5, 5], [2, 2, 2, 2, 2]])
    np.testing.assert_array_equal(incumbents(np.array([nan, 3.0, 1.0, 3.0, 5.0, nan])), [-1, 1, 1, 1, 4, 4])
    assert queries_to(runs[0], 3.0) == 2
    assert queries_to(runs[0], 6.0) == np.inf


@given(st.lists(st.one_of(st.floats(-5, 5), st.just(np.nan)), min_size=1, max_size=30))
def test_incumbents_have_the_best_score_so_far(scores: list[float]) -> None:
    found = np.array(scores)
    best = best_so_far([found], len(found), worst=-9.0)[0]
    at = incumbents(found)
    np.testing.assert_array_equal(np.where(at >= 0, found[at], -9.0), best)
    assert (at <= np.arange(len(found))).all()
    for goal in found[~np.isnan(found)]:
        assert queries_to(found, goal) == 1 + int(np.flatnonzero(best >= goal)[0])


def result(scores: list[float], reported: list[float], seconds: float = 1.0) -> Result:
    return Result(("a",) * len(scores), np.array(scores), np.array(reported), seconds, 0)


def test_figures_by_hand() -> None:
    scale = Scale(best=10.0, median=6.0, worst=0.0, goals={"top 1 %": 9.0, "top 0.1 %": 9.5, "optimum": 10.0})
    ground = Ground(MIOU, scale, "%", 50.0)
    runs = [result([6, 9, 8], [1, 2, 3], 2.0), result([np.nan, 10, 10], [4, 5, 6]), result([2], [7])]
    summary = summary_of("random", ground, runs, budget=3)
    assert summary.queries == {
        "top 1 %": (2, 2, np.inf),
        "top 0.1 %": (np.inf, 2, np.inf),
        "optimum": (np.inf, 2, np.inf),
    }
    assert summary.median_queries("top 1 %") == 2
    assert summary.median_queries("top 0.1 %") == np.inf
    assert replace(summary, queries={"optimum": (3, 8, np.inf, 4)}).median_queries("optimum") == 6
    assert replace(summary, queries={"optimum": (3, np.inf, np.inf, 4)}).median_queries("optimum") == np.inf
    np.testing.assert_array_equal(summary.curve.median, [200, 25, 25])
    np.testing.assert_allclose(summary.curve.mean, [550 / 3, 75, 75])
    assert summary.regret[3].value == pytest.approx((25 + 0 + 200) / 3)
    assert summary.units_of_regret[3].value == pytest.approx((1 + 0 + 8) / 3)
    assert summary.found.value == pytest.approx((2 + 5 + 7) / 3), "of the first best in the searched column"
    assert (summary.seeds, summary.seconds) == (3, pytest.approx(4 / 3))
    again = summary_of("random", ground, runs, budget=3)
    np.testing.assert_array_equal(summary.curve.high, again.curve.high)


# What a method may know.


def test_sources_leave_out_the_data_and_the_kind(tasks: dict[str, TableTask]) -> None:
    mpnas, random = METHODS["mpnas"], METHODS["random"]
    others = {f"transnasbench101/{name}" for name in NAMES} - {"transnasbench101/segmentsemantic"}
    assert set(sources_of(mpnas, tasks[MIOU.searched], tasks)) == others
    assert sources_of(random, tasks[MIOU.searched], tasks) == {}
    assert (
        predictor_name(sources_of(mpnas, tasks[MIOU.searched], tasks), 2)
        == "transnasbench101.without.segmentsemantic.seed2"
    )
    assert not takes_part(METHODS["mpnas, far"], tasks[SCENE.searched], tasks)


@pytest.mark.data
def test_sources_in_official_tables(tables_folder: Path) -> None:
    names = {column.searched for preset in PRESETS.values() for column in preset.columns}
    known = load_tasks(
        tables_folder, names | {f"{space}/segmentsemantic" for space in ("transnasbench101", "transnasbench101-macro")}
    )
    far = [name for name in known if takes_part(METHODS["mpnas, far"], known[name], known)]
    for name, target in known.items():
        for method in METHODS.values():
            sources = sources_of(method, target, known)
            assert all(set(target.datasets).isdisjoint(source.datasets) for source in sources.values())
            assert all(set(target.devices).isdisjoint(source.devices) for source in sources.values())
            if method.far:
                assert all(set(CIFAR_FAMILY).isdisjoint(source.datasets) for source in sources.values())
            if method.knows == "tables" and (sources or not method.far):
                assert {source.kind for source in sources.values()} == {target.kind}
            assert len(sources) == 0 or name not in sources
    assert sorted(far) == sorted(f"nasbench201/{name}{variant}" for name in CIFAR_FAMILY for variant in ("", "@valid"))
    mean_rank = sources_of(METHODS["mean-rank"], known["nasbench201/cpu-latency"], known)
    assert list(mean_rank) == ["nasbench201/gpu-latency"]
    assert len(sources_of(METHODS["mpnas"], known["nasbench201/raspi4-latency"], known)) == 7
    assert (
        predictor_name(sources_of(METHODS["mpnas"], known["nasbench201/raspi4-latency"], known), 0)
        == "nasbench201.all.seed0"
    )
    assert len({column.searched for column in PRESETS["regret"].columns}) == 14
    assert len({column.searched for column in PRESETS["macro"].columns}) == 10
    assert set(sources_of(METHODS["mpnas"], known["natsbench-size/cifar10"], known)) == {
        "natsbench-size/cifar100",
        "natsbench-size/imagenet16-120",
    }
    assert len(sources_of(METHODS["mpnas"], known["transnasbench101-macro/jigsaw"], known)) == 6


def test_the_split_is_as_it_was_drawn_and_holds_groups_together() -> None:
    assert {name: role for name, role in ROLES.items() if role != "blind"} == draw(GROUPS, SEED)
    assert len(ROLES) == len(DESIGN) + len(CONFIRMATION) + len(BLIND), "no column has two roles"
    for groups in GROUPS.values():
        of_group = {name: {ROLES[column] for column in columns} for name, columns in groups.items()}
        assert all(len(roles) == 1 for roles in of_group.values())
        numbers = [sum(roles == {role} for roles in of_group.values()) for role in ("design", "confirmation")]
        assert numbers[0] - numbers[1] in (0, 1), "half of each space and kind"
    assert set(BLIND) == {"nasbench201/raspi4-latency", "nasbench201/fpga-latency"}
    of_preset = {name: [column.searched for column in PRESETS[name].columns] for name in PRESETS}
    assert set(of_preset["regret"]) | set(of_preset["devices"]) == set(ROLES), "every column has a role"
    assert set(of_preset["design"]) == set(DESIGN)
    assert set(of_preset["confirmation"]) == {*CONFIRMATION, *BLIND}
    assert draw(GROUPS, SEED + 1) != draw(GROUPS, SEED)


@pytest.mark.data
def test_a_whole_family_of_devices_is_left_out_of_the_sources(tables_folder: Path) -> None:
    columns = {column.searched: column for column in PRESETS["devices"].columns}
    assert len(columns) == 22
    known = load_tasks(tables_folder, {name for column in columns.values() for name in column.sources})
    for family, members in DEVICES.items():
        for name in members:
            sources = columns[name].sources
            of_mean_rank = sources_of(METHODS["mean-rank"], known[name], known, sources)
            assert set(of_mean_rank) == set(columns) - set(members), family
            of_ours = sources_of(METHODS["mpnas"], known[name], known, sources)
            assert set(of_ours) == set(sources) - set(members), "qualities too"
    of_pixel = sources_of(METHODS["mpnas"], known["nasbench201/pixel3-latency"], known, sources)
    assert predictor_name(of_pixel, 1) == "nasbench201-all-devices.without.pixel3-latency.seed1"
    few = sources_of(METHODS["mpnas"], known["nasbench201/cpu-latency"], known)
    assert predictor_name(few, 1) == "nasbench201.without.cpu-latency.seed1"


def test_runs_that_know_other_tasks_have_other_files() -> None:
    few, many = (Column(task, task, all_devices=all_devices) for task in ("a/b",) for all_devices in (False, True))
    assert Replication("random", few, 8, 0).name == Replication("random", many, 8, 0).name
    assert Replication("mean-rank", few, 8, 0).name != Replication("mean-rank", many, 8, 0).name


@pytest.mark.long
def test_a_predictor_is_reused_only_if_it_fits(tables: Path, tasks: dict[str, TableTask], tmp_path: Path) -> None:
    mpnas, target = METHODS["mpnas"], tasks[SCENE.searched]
    sources = sources_of(mpnas, target, tasks)
    wanted = predictor_to_learn(tmp_path, sources, TINY, tables)
    path = wanted.path
    assert path == tmp_path / predictor_name(sources, 0)
    assert not wanted.is_there(target)
    wanted.learn()
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{path.name}.json", f"{path.name}.safetensors"]
    assert wanted.is_there(target)
    assert set(load_checkpoint(path)[1].tasks) == set(sources)

    with pytest.raises(PredictorError, match="has learned from taskonomy-normal, so it cannot be judged on"):
        wanted.is_there(tasks[NORMAL.searched])
    with pytest.raises(PredictorError, match="cannot be judged on"):
        make_searcher(mpnas, tasks[NORMAL.searched], {}, path, seed=0)
    with pytest.raises(PredictorError, match="take its files away, and it is made anew"):
        replace(wanted, tasks=wanted.tasks[1:]).is_there()
    with pytest.raises(PredictorError, match="in another way"):
        replace(wanted, config=replace(TINY, seed=1)).is_there()

    asked = replay(make_searcher(mpnas, target, sources, path, seed=0), target, 3)
    assert len(set(asked.archs)) == 3
    run = Replication("mpnas", SCENE, 3, 0)
    before = identity(run, tasks, path)
    path.with_name(f"{path.name}.safetensors").write_bytes(b"others")
    assert identity(run, tasks, path) != before


@pytest.mark.parametrize("name", ["gp-wl", "gp-graf"])
def test_a_rival_by_a_family_of_predictors_learns_from_its_queries(name: str, tasks: dict[str, TableTask]) -> None:
    target = tasks[MIOU.searched]
    searcher = make_searcher(METHODS[name], target, {}, None, seed=0)
    asked = replay(searcher, target, 8)
    assert len(set(asked.archs)) == 8
    assert isinstance(searcher, PredictorSearch)
    assert searcher.num_refits >= 3, "after each result from the fifth on"
    assert identity(Replication(name, MIOU, 8, 0), tasks, None)["searcher"] == "PredictorSearch"


def test_no_two_methods_look_alike_without_colour() -> None:
    drawn = [(look.shape, look.dash) for look in LOOKS.values()]
    assert len(set(drawn)) == len(drawn)


def test_a_comparison_is_described_once(tmp_path: Path) -> None:
    preset = Preset("mine", "Mine", (SCENE, MIOU), budget=7)
    whole = ComparisonConfig(preset, tmp_path, tmp_path, tmp_path, tmp_path)
    assert (whole.columns, whole.methods, whole.num_queries) == (preset.columns, tuple(METHODS), 7)
    other = NORMAL.searched
    part = replace(whole, tasks=(MIOU.searched, other, other), searchers=("random", "mpnas"), budget=3)
    assert part.columns == (MIOU, Column.of(other)), "as in the preset, or searched and reported on itself"
    assert part.methods == ("mpnas", "random"), "in the order of tables"
    assert part.num_queries == 3
    assert part.command == (
        f"mpnas compare --tables DIR --preset mine --task {MIOU.searched} --task {other} --task {other} "
        "--searcher random --searcher mpnas --budget 3 --seeds 20 --slow-seeds 5"
    )


# What is kept.


def test_a_run_is_reused_only_as_it_is(tables: Path, tasks: dict[str, TableTask]) -> None:
    run = Replication("nearest-task", MIOU, 8, 1)
    assert run.name == "transnasbench101.segmentsemantic@miou.8/nearest-task.1"
    assert Replication("nearest-task, far", MIOU, 8, 1).name.endswith("/nearest-task-far.1")
    found = Result.from_plain(compute(run, tables, None))
    searched, reported = tasks[MIOU.searched], tasks[MIOU.reported]
    assert [searched.value_of(arch) for arch in found.archs] == found.scores.tolist()
    assert [reported.value_of(arch) for arch in found.archs] == found.reported.tolist()
    assert len(set(found.archs)) == 8
    assert compute(run, tables, None)["archs"] == list(found.archs)

    for other in (
        identity(replace(run, seed=2), tasks, None),
        identity(replace(run, column=replace(MIOU, reported=MIOU.searched)), tasks, None),
        identity(run, tasks | {SCENE.searched: tasks[SCENE.searched][:4_000]}, None),
        identity(run, tasks | {MIOU.searched: tasks[MIOU.searched][:4_000]}, None),
    ):
        assert other != identity(run, tasks, None)


def test_what_a_table_has_not_measured_is_a_query(tmp_path: Path) -> None:
    write_task(task_of("scene", 0, size=500), tmp_path / "scene.parquet")
    run = Replication("random", SCENE, 30, 0)
    found = Result.from_plain(compute(run, tmp_path, None))
    assert len(found.scores) == 30
    assert 0 < np.isnan(found.scores).sum() < 30


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_comparison_from_command_to_page(
    tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cluster.cli import app

    out, work, checkpoints = (tmp_path / name for name in ("out", "work", "checkpoints"))
    command = ["compare", "--tables", str(tables), "--budget", "10", "--seeds", "2"]
    command += ["--task", SCENE.searched, "--task", NORMAL.searched, "--searcher", "random", "--searcher", "mean-rank"]
    command += ["--out", str(out), "--work", str(work), "--checkpoints", str(checkpoints)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    names = ["compare-regret.html", "compare-regret.json", "compare-regret.md", "compare-regret.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    runs = {path: path.stat().st_mtime_ns for path in work.rglob("*.json")}
    assert len(runs) == 2 * (2 + 1)
    content = json.loads((out / "compare-regret.json").read_text())
    assert content["command"].startswith("mpnas compare --tables DIR --preset regret --task transnasbench101/scene")
    (overall,) = content["aggregates"]
    of_random = next(one for one in overall["searchers"] if one["method"] == "random")
    by_column = [one for one in content["figures"] if one["method"] == "random"]
    queries = [[20 if q is None else q for q in one["queries"]["top 1 %"]] for one in by_column]
    found = np.exp(np.mean(np.log(queries)))
    assert of_random["geometric_mean_of_queries"]["top 1 %"][0] == pytest.approx(found, rel=1e-4)
    regrets = np.mean([one["regrets"]["10"] for one in by_column])
    assert of_random["mean_regret"]["10"][0] == pytest.approx(regrets, rel=1e-4)
    assert not list(checkpoints.iterdir())
    assert str(tables) not in (out / "compare-regret.json").read_text() + (out / "compare-regret.md").read_text()

    taken, damaged = sorted(path for path in runs if path.name.startswith("random"))[:2]
    taken.unlink()
    damaged.write_text("{")
    assert CliRunner().invoke(app, command).exit_code == 0
    written = {path for path in runs if path.stat().st_mtime_ns != runs[path]}
    assert written == {taken, damaged}
    assert (
        json.loads((out / "compare-regret.json").read_text())["figures"][0]["queries"]
        == content["figures"][0]["queries"]
    )

    # Ours: meta-trained, and in a worker of Ray the same as here; a slow one has fewer seeds.
    monkeypatch.setattr(cluster.experiments.comparison.running, "SLOW_SECONDS", 0.0)
    preset = Preset("mine", "Mine", (MIOU,), budget=6)
    files = compare(
        ComparisonConfig(
            preset, tables, out, work, checkpoints, seeds=2, slow_seeds=1, searchers=("mpnas", "random"), learning=TINY
        )
    )
    assert {path.name for path in checkpoints.iterdir()} == {
        f"transnasbench101.without.segmentsemantic.seed{seed}.{ending}"
        for seed in range(2)
        for ending in ("json", "safetensors")
    }
    known = load_tasks(tables, [f"transnasbench101/{name}" for name in NAMES]) | load_tasks(tables, [MIOU.searched])
    mpnas, target = METHODS["mpnas"], known[MIOU.searched]
    path = checkpoints / "transnasbench101.without.segmentsemantic.seed0"
    result = Store(work.resolve()).read(replication_item(Replication("mpnas", MIOU, 6, 0), known, tables, path))
    assert result is not None
    kept = Result.from_plain(result)
    page = files[1].read_text()
    summary = json.loads(files[0].read_text())["figures"]
    assert [one["seeds"] for one in summary] == [1, 1]
    assert f"{kept.reported[int(np.argmax(kept.scores))]:.2f} (1)" in page
    assert cells(page, "## What was found after 6 queries", "paper: MP-NAS") == ["12.5"]
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    here = replay(make_searcher(mpnas, target, {}, path, seed=0), target, 6)
    assert here.archs == kept.archs


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_run_that_fails_does_not_stop_the_others(tables: Path, tmp_path: Path) -> None:
    preset = Preset("mine", "Mine", (SCENE, MIOU), budget=2)
    too_wide = replace(TINY, batch_size=10**12)
    with pytest.raises(RunError, match="2 units of work failed; the others are kept") as failed:
        compare(
            ComparisonConfig(
                preset,
                tables,
                tmp_path,
                tmp_path / "work",
                tmp_path,
                searchers=("mpnas", "random"),
                seeds=1,
                learning=too_wide,
            )
        )
    assert "transnasbench101.without.scene.seed0: " in str(failed.value)
    assert len(list((tmp_path / "work").rglob("*.json"))) == 2
    assert not list(tmp_path.glob("compare-*"))


@pytest.mark.parametrize(
    ("changed", "error", "named"),
    [
        ({"searchers": ("best",)}, RunError, "There is no searcher 'best' to compare. There are: mpnas; mpnas, far; "),
        ({"budget": 0}, RunError, "budget must be at least 1, not 0"),
        ({"seeds": 0}, RunError, "seeds must be at least 1, not 0"),
        ({"tasks": ("transnasbench101/dogs",)}, TableError, "has no task 'transnasbench101/dogs'"),
        ({"searchers": ("mpnas, far",)}, RunError, "There is nothing to compare: mpnas, far cannot search transnas"),
    ],
)
def test_what_cannot_be_is_said_at_once(
    tables: Path, tmp_path: Path, changed: dict[str, object], error: type[Exception], named: str
) -> None:
    preset = Preset("mine", "Mine", (SCENE,), budget=2)
    folders = [tmp_path / name for name in ("out", "work", "checkpoints")]
    with pytest.raises(error, match=re.escape(named)):
        compare(ComparisonConfig(preset, tables, *folders, **changed))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


# What the page says.


def summary(method: str, column: Column, queries: float, regret: float, seeds: int = 3) -> Summary:
    flat = np.full(30, regret)
    between = Interval(regret, regret / 2, regret * 2)
    return Summary(
        method=method,
        searched=column.searched,
        seeds=seeds,
        queries=dict.fromkeys(("top 1 %", "top 0.1 %", "optimum"), (queries,) * seeds),
        regrets={20: (regret,) * seeds, 30: (regret,) * seeds},
        regret={20: between, 30: between},
        units_of_regret={20: between, 30: between},
        found=Interval(93.0, 92.0, 94.0),
        curve=Curve(flat, flat / 2, flat * 2, flat),
        seconds=1.0,
        failures=0,
    )


def results() -> Comparison:
    scale = Scale(10.0, 6.0, 0.0, {})
    cifar = Column("nasbench201/cifar10@valid", "nasbench201/cifar10", 94.37, 94.35)
    every = (
        summary("mpnas", cifar, 5, 1.0),
        summary("mpnas, far", cifar, 12, 2.0),
        summary("tpe", cifar, 9, 3.0),
        summary("nearest-task", cifar, 6, 0.5, seeds=20),
        summary("nearest-task, far", cifar, 20, 4.0),
        summary("mpnas", SCENE, np.inf, 1.0),
        summary("tpe", SCENE, np.inf, 1.0),
        summary("mpnas", NORMAL, 9, 1.0),
        summary("tpe", NORMAL, 8.5, 12.34),
    )
    return Comparison(tuple(Ground(column, scale, "%", 94.5) for column in (cifar, SCENE, NORMAL)), every, 30)


def cells(page: str, title: str, row: str) -> list[str]:
    section = page.partition(f"{title}\n")[2].partition("\n##")[0]
    line = next(line for line in section.splitlines() if line.startswith(f"| {row} "))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_the_preset_of_table_5_has_the_papers_accuracies() -> None:
    columns = PRESETS["table5"].columns
    assert [column.paper for column in columns] == [94.37, 73.49, 47.2, 92.85]
    assert [column.meta_d2a for column in columns] == [94.37, 73.51, 46.9, 92.84]


def test_the_page_shows_the_figures() -> None:
    page = page_of(results())
    assert cells(page, "## Queries to the top 0.1 %", "mpnas") == ["**5 (3)**"]
    assert cells(page, "## Queries to the top 0.1 %", "mpnas, far") == ["**12 (3)**"], "far ones apart"
    assert cells(page, "## Queries to the top 0.1 %", "nearest-task") == ["6 (20)"]
    of_other_space = page.partition("## Queries to the top 0.1 %")[2].partition("| transnasbench101")[2]
    assert cells(f"x\n{of_other_space}", "x", "tpe") == ["> (3)", "**8.5 (3)**"]
    assert cells(page, "## Regret after 20 queries, in percent", "nearest-task") == ["**0.50 [0.25, 1.00] (20)**"]
    found = "## What was found after 30 queries"
    assert cells(page, found, "mpnas, far") == ["93.00 [92.00, 94.00] (3)", "—", "—"]
    assert cells(page, found, "paper: MP-NAS") == ["94.37", "not given", "not given"]
    assert cells(page, found, "paper: MetaD2A") == ["94.35", "not given", "not given"]
    assert cells(page, found, "perfect search") == ["94.50", "94.50", "94.50"]


def test_figures_over_all_columns_come_first_and_roles_are_named() -> None:
    page = page_of(results())
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    assert titles[:2] == ["## Over all columns", "## Which columns are for what"]
    first = page.partition("## Wins and losses")[0]
    assert "Columns: cifar10@valid, scene, normal." in first
    assert "- Design columns, on which things are chosen: normal." in first
    assert "- Confirmation columns, looked at once a choice is made: scene." in first
    assert "- Columns that have no part in the split: cifar10@valid." in first
    blind = Ground(Column.of("nasbench201/raspi4-latency"), results().grounds[0].scale, "ms", 1.0)
    more = replace(
        results(),
        grounds=(*results().grounds, blind),
        every=(*results().every, summary("tpe", blind.column, 7, 1.0)),
    )
    assert "Columns: cifar10@valid, scene, normal." in page_of(more), "blind columns are apart"
    assert "### Blind columns, to decide nothing by\n\nColumns: raspi4-latency." in page_of(more)


def test_wins_and_losses_are_those_of_the_figures() -> None:
    text = wins_and_losses(results())
    assert (
        "**mpnas, queries to the top 0.1 %**: 1 won, 1 lost, 1 reached by neither. Lost: normal (9 to 8.5 of tpe)."
        in text
    )
    assert "**mpnas, far, queries to the top 0.1 %**: 1 lost. Lost: cifar10@valid (12 to 9 of tpe)." in text
    assert "**mpnas, mean regret in percent after 30 queries**: 1 won, 1 even, 1 lost." in text
    assert "Lost: cifar10@valid (1.00 to 0.50 of nearest-task)." in text
    line = next(line for line in text.splitlines() if line.startswith("| scene"))
    assert [cell.strip() for cell in line.split("|")[1:-1]] == ["scene", ">", ">", "—", "neither"]
    none = replace(results(), every=results().every[2:3])
    assert wins_and_losses(none).startswith("There is nothing to set against each other")


def test_numbers_as_they_are_written() -> None:
    assert [percent(number) for number in (134.2, 99.96, 13.42, 9.996, 1.342, 0.0)] == [
        "134", "100", "13.4", "10.0", "1.34", "0.00",
    ]  # fmt: skip
    assert [count(number) for number in (8.5, 24.0, np.inf)] == ["8.5", "24", ">"]
    assert value(Interval(1.0, 1.0, 1.0)) == "1.00"


def content(title: str = "Mine") -> dict[str, Any]:
    """The JSON file of `results`, as it is read."""
    config = ComparisonConfig(Preset("mine", title, (), 30), "tables", "out", "work", "checkpoints", seeds=3)
    read: dict[str, Any] = json.loads(result_json(content_of(config, results())))
    return read


def test_summaries_come_back_from_the_file() -> None:
    back, there = comparison_of(content()), results()
    assert back.grounds == there.grounds
    assert page_of(back) == page_of(there)
    for one, other in zip(back.every, there.every, strict=True):
        np.testing.assert_array_equal(one.curve.low, other.curve.low)


@pytest.mark.long
def test_pages_are_written_anew_without_tables(tmp_path: Path) -> None:
    from cluster.cli import app

    (tmp_path / "compare-table5.json").write_text(result_json({**content(), "comparison": "compare-table5"}))
    command = ["compare", "--preset", "table5", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".md", ".png", ".html"}
    assert page_of(results()).partition("\n")[0] in (tmp_path / "compare-table5.md").read_text()
    assert "--seeds is an option of a computation" in str(CliRunner().invoke(app, [*command, "--seeds", "3"]).exception)
    (tmp_path / "compare-table5.json").write_text("{}")
    assert "cannot be written from" in str(CliRunner().invoke(app, command).exception)


def test_the_page_of_curves_shows_every_method_on_every_column() -> None:
    page = curves_page(content("A </script> title"), results())
    assert page.count("</script>") == 2, "of the page's own"
    assert "http" not in page
    of_column = [part.count("<g class=") for part in page.partition('id="columns"')[2].split("<figure>")[1:]]
    assert of_column == [5, 2, 2]
    assert page.count('class="band"') == 5 + 2 + 2
    assert page.count("<button ") == len(results().methods)
    assert "tpe\nmedian regret of 3 seeds, in percent\nafter 20 queries: 12.3 [6.17, 24.7]" in page
