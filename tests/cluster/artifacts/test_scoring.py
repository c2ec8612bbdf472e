"""Tables of zero-cost scores, and scores as callables for searchers."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from cluster.artifacts import scoring
from cluster.artifacts.config import ScoringConfig
from cluster.artifacts.scoring import ScoreReport, score_architectures
from cluster.commands.score import score as score_command
from mpnas_ray.errors import MPNASError, RunError
from mpnas_ray.spaces import Architectures, SearchSpace, get_space
from mpnas_ray.tables import leaves_out, load_tasks, read_task
from mpnas_ray.tables.stratified import draw_stratified
from trainables import build_network, get_task
from trainables.proxies import Proxy, ZeroCostScore, get_proxy
from trainables.proxies import registry as proxy_registry
from trainables.training.data import PreparedData

SETTINGS: dict[str, Any] = {"batch_size": 8}


def score(**fields: Any) -> ScoreReport:
    return score_architectures(ScoringConfig(**fields))


DEAD = "nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"


def test_a_callable_scores_what_a_training_begins_with() -> None:
    archs = draw_stratified(get_space("mixed"), 3)
    norms = pickle.loads(pickle.dumps(ZeroCostScore("digits", "l2_norm", batch_size=8)))
    threads = torch.get_num_threads()
    values = norms(archs)
    assert torch.get_num_threads() == threads
    torch.manual_seed(0)
    network = build_network(archs[1], (1, 8, 8), 10, preset="small")
    probe = norms.probe
    assert values[1] == get_proxy("l2_norm")(network, probe.batch, probe.loss)
    assert probe is ZeroCostScore("digits", "snip", batch_size=8).probe, "read once a process"
    assert values.dtype == np.float64
    assert len(norms(archs[:0])) == 0


def test_the_batch_is_of_the_training_part_or_random() -> None:
    train = PreparedData(get_task("digits"), None, torch.device("cpu")).parts["train"]
    own = ZeroCostScore("digits", "snip", batch_size=8).probe.batch
    random = ZeroCostScore("digits", "snip", batch_size=8, inputs="random").probe.batch
    other = ZeroCostScore("digits", "snip", batch_size=8, seed=1).probe.batch
    assert own.inputs.shape == random.inputs.shape == other.inputs.shape == (8, 1, 8, 8)
    assert torch.equal(own.targets, random.targets)
    assert not torch.equal(own.inputs, other.inputs)
    rows = [int((train.inputs == sample).flatten(1).all(dim=1).nonzero()[0]) for sample in own.inputs]
    assert own.targets.tolist() == train.targets[rows].tolist()
    assert len(set(rows)) == 8


def test_tables_grow_and_nothing_is_scored_twice(
    tmp_path: Path, computed_here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "_CHUNK", 4)
    arguments: dict[str, Any] = {**SETTINGS, "out": tmp_path / "scores"}
    report = score(space="mixed", task="digits", proxies=["params", "naswot"], num_archs=6, **arguments)
    units = [f"mixed.digits/{proxy}.0000{number}" for proxy in ("params", "naswot") for number in (0, 1)]
    assert computed_here == units
    drawn = draw_stratified(get_space("mixed"), 6)
    for table in report.tables:
        task = read_task(table.path)
        assert table.scored + table.without_score == 6
        assert task.mode == "max"
        assert task.metric == table.name.rpartition("-")[2]
        assert task.datasets == ("handwritten-digits",)
        for fact in ("preset small", "batch size 8", "seed 0", "inputs task", "train mode"):
            assert fact in task.source
    params = ZeroCostScore("digits", "params", batch_size=8)(drawn)
    assert dict(zip(map(str, drawn), params, strict=True))[str(drawn[5])] == read_task(report.tables[0].path).value_of(
        drawn[5]
    )

    computed_here.clear()
    before = report.tables[1].path.read_bytes()
    score(space="mixed", task="digits", proxies=["params", "naswot"], num_archs=6, **arguments)
    assert computed_here == []
    assert report.tables[1].path.read_bytes() == before
    (tmp_path / "scores" / "work" / f"{units[3]}.json").write_text('{"kind": "cut sho')
    score(space="mixed", task="digits", proxies=["naswot", "snip"], num_archs=8, **arguments)
    assert computed_here == [units[3], *(unit.replace("params", "snip") for unit in units[:2])]

    # Tables are tasks to learn from by default, but not where their data set is held out.
    tasks = load_tasks(tmp_path / "scores")
    assert set(tasks) == {f"mixed/digits-{proxy}" for proxy in ("params", "naswot", "snip")}
    assert leaves_out(tasks, "mixed/digits-snip") == {}


def test_the_command_says_what_it_wrote(
    tmp_path: Path, computed_here: list[str], needs_data: Callable[..., None]
) -> None:
    needs_data("libras")
    app = typer.Typer()
    app.command()(score_command)
    options = "--space mixed --task libras --proxy flops --proxy params --num-archs 3 --batch-size 9 --inputs random"
    done = CliRunner().invoke(app, [*options.split(), "--seed", "2", "--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert len(computed_here) == 2
    for proxy in ("flops", "params"):
        assert f"mixed.libras.{proxy}.parquet: mixed/libras-{proxy}, 3 scores, " in done.output
    source = read_task(tmp_path / "mixed.libras.flops.parquet").source
    assert source == "mpnas-ray, mpnas score: preset small, batch size 9, seed 2, inputs random, train mode"


def test_scores_of_files_by_their_options(own_data: Path, tmp_path: Path, computed_here: list[str]) -> None:
    """The command takes the options of `mpnas search`; other options are other scores."""
    app = typer.Typer()
    app.command()(score_command)
    common = (
        f"--space nasbench201 --task csv:{own_data / 'iris.csv'} --proxy snip --num-archs 2 --out {tmp_path}".split()
    )
    done = CliRunner().invoke(app, [*common, "--target", "species"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    table = read_task(tmp_path / "nasbench201.csv-iris.snip.parquet")
    assert len(table) == 2
    assert "'target': ['species']" in table.source
    assert computed_here == ["nasbench201.csv-iris/snip.00000"]

    with pytest.raises(RunError, match="choose another --out"):
        CliRunner().invoke(app, [*common, "--target", "species", "--split-seed", "1"], catch_exceptions=False)
    other = [*common[:-1], str(tmp_path / "other"), "--work", str(tmp_path / "work")]
    CliRunner().invoke(app, [*other, "--target", "species", "--split-seed", "1"], catch_exceptions=False)
    assert len(computed_here) == 2
    assert not np.array_equal(read_task(tmp_path / "other" / "nasbench201.csv-iris.snip.parquet").raw, table.raw)
    with pytest.raises(MPNASError, match="does not use image_size"):
        CliRunner().invoke(app, [*common, "--image-size", "8"], catch_exceptions=False)


def test_scores_that_are_not_finite_are_left_out_and_said(
    tmp_path: Path, computed_here: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(space: SearchSpace, num_archs: int) -> Architectures:
        return Architectures.of([DEAD, *map(str, space.sample_many(num_archs - 1, np.random.default_rng(0)))])

    monkeypatch.setattr(scoring, "draw_stratified", chosen)
    report = score(space="nasbench201", task="digits", proxies=["snip"], num_archs=5, out=tmp_path, **SETTINGS)
    (table,) = report.tables
    assert table.without_score >= 1
    assert len(read_task(table.path)) == table.scored == 5 - table.without_score
    assert DEAD not in [str(arch) for arch in read_task(table.path).archs]
    assert f"{table.without_score} left out without a finite one" in str(report)


def test_a_small_space_is_scored_whole(tmp_path: Path, computed_here: list[str]) -> None:
    report = score(
        space="transnasbench101", task="digits", proxies=["flops"], num_archs=5_000, out=tmp_path, **SETTINGS
    )
    assert report.tables[0].scored == len(get_space("transnasbench101").distinct())


def test_what_cannot_be_is_refused_before_any_work(
    tmp_path: Path, computed_here: list[str], needs_data: Callable[..., None]
) -> None:
    needs_data("darcy16")
    for arguments, named in (
        ({"task": "darcy16", "proxies": ["naswot", "epe_nas"]}, "epe_nas compares samples of one class"),
        ({"proxies": ["best"]}, "no proxy 'best'"),
        ({"proxies": []}, "needs a proxy"),
        ({"task": "nothing"}, "no task 'nothing'"),
        ({"space": "nothing"}, "no search space 'nothing'"),
        ({"batch_size": 5_000}, "5000 is larger than the training part of digits"),
    ):
        given: dict[str, Any] = {"space": "mixed", "task": "digits", "proxies": ["snip"], "out": tmp_path / "out"}
        with pytest.raises(MPNASError, match=named):
            score(**{**given, **arguments})
    assert not (tmp_path / "out").exists()
    assert computed_here == []
    score(space="mixed", task="digits", proxies=["params"], num_archs=2, out=tmp_path, **SETTINGS)
    with pytest.raises(RunError, match=r"batch size 8, .*batch size 9, .*another --out"):
        score(space="mixed", task="digits", proxies=["params"], num_archs=2, batch_size=9, out=tmp_path)


def test_nothing_finite_is_an_error(tmp_path: Path, computed_here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    hopeless = Proxy("hopeless", lambda network, batch, loss: math.inf, "inputs", "overflows")
    monkeypatch.setitem(proxy_registry._PROXIES, "hopeless", hopeless)
    with pytest.raises(RunError, match="No architecture of mixed has a finite hopeless on digits"):
        score(space="mixed", task="digits", proxies=["hopeless"], num_archs=2, out=tmp_path, **SETTINGS)


@pytest.mark.ray
def test_scoring_on_ray_goes_on_where_it_was(
    ray_cluster: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments: dict[str, Any] = {**SETTINGS, "out": tmp_path}
    first = score(space="nasbench201", task="libras", proxies=["naswot"], num_archs=26, **arguments)
    work = tmp_path / "work" / "nasbench201.libras"
    files = sorted(work.glob("*.json"))
    assert [file.name for file in files] == ["naswot.00000.json", "naswot.00001.json"]
    table, kept = read_task(first.tables[0].path), files[0].stat().st_mtime_ns
    files[1].unlink()
    capfd.readouterr()
    again = score(space="nasbench201", task="libras", proxies=["naswot"], num_archs=26, **arguments)
    assert "1 units of work to do" in capfd.readouterr().out
    assert files[0].stat().st_mtime_ns == kept
    assert np.array_equal(read_task(again.tables[0].path).raw, table.raw)
    local = ZeroCostScore("libras", "naswot", batch_size=8)(table.archs)
    assert np.array_equal(table.raw, local)
