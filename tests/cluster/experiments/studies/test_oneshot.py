"""Studies of one-shot methods: what supernets choose and score, and that pages say what was measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from cluster.artifacts.network_trainings import Course
from cluster.cli import app
from cluster.experiments.studies.oneshot import agreement, cells
from cluster.experiments.studies.oneshot.agreement import (
    agreement_of,
    rankings_with_score,
    scoring_item,
    table_measured,
    worth_item,
)
from cluster.experiments.studies.oneshot.agreement_study import ONESHOT_TAU
from cluster.experiments.studies.oneshot.cells import (
    SEARCHES,
    Truth,
    choose,
    search_items,
    supernet_items,
    training_items,
    truth_of,
)
from cluster.experiments.studies.oneshot.cells_study import ONESHOT_CELLS, WORK
from cluster.experiments.studies.oneshot.cost_study import ONESHOT_COST, supernet_cost
from cluster.experiments.studies.oneshot.few_vertices import as_nasbench101, different_cells, space_name
from cluster.experiments.studies.oneshot.peak_memory import peak_growth
from cluster.experiments.studies.oneshot.skip_conv import SKIP_CONV, all_cells, as_nasbench201
from cluster.experiments.studies.oneshot.supernets import NORMS, SupernetPlan, train_supernet
from cluster.experiments.studies.oneshot.vertices_study import ONESHOT_VERTICES
from cluster.experiments.studies.study import Study, reproduce
from cluster.work.items import Store, WorkItem
from mpnas_ray.spaces import Architectures, parse_architecture
from trainables.networks.network import build_network

DIGITS = Course("digits", 9, 500, "small")
SHORT = {"epochs": 1, "batch_size": 20}
FEW: dict[str, Any] = {"num_train": 40, "changed": SHORT}


def kept(work: Path, items: Sequence[WorkItem], results: Sequence[Mapping[str, Any]]) -> None:
    """Keep results of items as if they had been computed."""
    for item, result in zip(items, results, strict=True):
        Store(work / WORK).write(item, result)


def page_of(study: Study, tmp_path: Path, **options: Any) -> tuple[dict[str, Any], str]:
    """Return content and page of a study all of whose work is kept."""
    file, page = reproduce(study, None, tmp_path / "out", tmp_path / "work", lambda _: None, **options)
    return json.loads(file.read_text()), page.read_text()


def row_of(page: str, first: str) -> list[str]:
    """Return the cells of the first row of a table that begins so."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {first} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_64_cells_are_networks_of_nasbench201() -> None:
    found = all_cells()
    assert len({str(cell) for cell in found}) == 64
    assert str(found[0]).count("skip_connect") == 6
    networks = []
    for text in (str(found[37]), as_nasbench201(found[37])):
        torch.manual_seed(0)
        networks.append(build_network(text, (1, 8, 8), 3, preset="small").state_dict())
    assert networks[0].keys() == networks[1].keys()
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])


@pytest.mark.long
def test_a_supernet_tells_what_it_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    few = all_cells()[::63]
    monkeypatch.setattr(cells, "all_cells", lambda: few)
    by_logits = choose(SupernetPlan("darts", 0, SKIP_CONV, "digits", **FEW), scored=False)
    assert by_logits["arch"].startswith(f"{SKIP_CONV}:")
    assert by_logits["skips"] == [by_logits["arch"].count("skip_connect")]
    assert by_logits["epochs"] == len(by_logits["entropy"]) == 1
    assert "scores" not in by_logits

    by_score = choose(SupernetPlan("rsps", 0, SKIP_CONV, "digits", **FEW), scored=True)
    assert by_score["scores"].keys() == set(NORMS)
    assert by_score["arch"] == str(few[int(np.argmax(by_score["scores"]["calibrated"]))])
    assert by_score["skips"] == []


def test_the_number_of_compared_cells_changes_no_weight() -> None:
    """Studies that choose nothing compare one cell an epoch, to save time."""
    nets = []
    for num_samples in (1, 3):
        changed = {**SHORT, "num_samples": num_samples, "norm": "batch"}
        trained = train_supernet(SupernetPlan("rsps", 0, SKIP_CONV, "digits", num_train=40, changed=changed))
        nets.append(trained.search.net.state_dict())
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])


def made_truth(seeds: int = 2) -> Truth:
    """Cells are the better the more convolutions they have; trainings differ by little."""
    better = np.array([str(cell).count("nor_conv") for cell in all_cells()], dtype=np.float64)
    noise = np.random.default_rng(0).normal(0, 0.1, (seeds, 64))
    return Truth(np.tile(better / 10, (seeds, 1)), (better + noise) / 10, 100 + better.astype(np.int64), 2.0)


def made_trainings(truth: Truth) -> list[dict[str, Any]]:
    """Results of `training_items` that give this truth, with the same validation metric for all seeds."""
    return [
        {
            "score": [float(truth.validation[0, row])],
            "test": float(test[row]),
            "parameters": int(truth.parameters[row]),
            "cpu_seconds": 2.0,
        }
        for test in truth.test
        for row in range(64)
    ]


def made_choice(row: int, scores: Sequence[float] | None = None) -> dict[str, Any]:
    arch = str(all_cells()[row])
    choice = {"arch": arch, "epochs": 4, "skips": [6, 5, 4, arch.count("skip_connect")], "entropy": [], "curvature": []}
    all_scores = {} if scores is None else {"scores": {norm: list(scores) for norm in NORMS}}
    return {**choice, "stopped": "", "cpu_seconds": 10.0, **all_scores}


def test_regret_and_rank_are_of_the_mean_test_score() -> None:
    truth = made_truth()
    assert truth.row(as_nasbench201(all_cells()[5])) == 5
    assert truth.regret(str(all_cells()[63])) == pytest.approx(0.0, abs=0.02)
    assert truth.rank(str(all_cells()[0])) == 64
    assert truth.regret(str(all_cells()[0])) == pytest.approx(0.6, abs=0.05)
    again = truth_of(made_trainings(truth), 2, "max")
    assert np.array_equal(again.test, truth.test)
    assert again.cpu_seconds == 2.0


def test_the_page_of_the_64_cells(tmp_path: Path) -> None:
    study = replace(ONESHOT_CELLS, course=DIGITS, seeds=2, supernet_seeds=2, methods=("darts", "rsps"), num_samples=4)
    work, truth = tmp_path / "work", made_truth()
    kept(work, training_items(study.course, 2), made_trainings(truth))
    scores = truth.mean_test.tolist()
    choices = [made_choice(0), made_choice(63, scores), made_choice(0), made_choice(62, scores)]
    kept(work, supernet_items(study.course, 2, study.methods, {}), choices)
    again = truth_of(made_trainings(truth), 2, "max")
    searches = search_items(again, 2, [scores, scores], 4)
    asked = [str(all_cells()[row]) for row in (0, 1, 63, 2)]
    seen = [float(truth.validation[0, row]) for row in (0, 1, 63, 2)]
    kept(work, searches, [{"archs": asked, "scores": seen}] * len(searches))

    content, page = page_of(study, tmp_path)
    assert content["command"] == "mpnas reproduce oneshot-cells --train"
    assert len(content["cells"]) == 64
    worst = truth.regret(str(all_cells()[0]))
    assert row_of(page, "darts")[1] == f"{worst:.4f} ± 0.0000"
    assert row_of(page, "darts")[3:6] == ["6, 6", "10.0", "5"]
    assert row_of(page, "rsps")[3] == "0, 1"
    at_end = truth.regret(str(all_cells()[63]))
    for search in SEARCHES:
        of_search = page.partition("## Searches")[2]
        assert row_of(of_search, search)[1:] == [f"{worst:.4f} ± 0.0000", *row_of(of_search, search)[2:3],
            f"{at_end:.4f} ± 0.0000"]  # fmt: skip
    assert "54.30" in page
    assert "not comparable" in page or "comparable with ours" in page


def test_a_search_of_the_cells_asks_for_each_once() -> None:
    item = search_items(made_truth(), 1, [[None] * 64], 3)[0]
    found = item.compute()
    assert len(set(found["archs"])) == 3
    assert found["scores"] == [float(made_truth().validation[0, made_truth().row(arch)]) for arch in found["archs"]]


def test_scores_are_compared_with_our_own_table() -> None:
    measured = table_measured("splice")
    assert len(measured.archs) == len(measured.truth) == 300
    assert measured.ceiling == pytest.approx(0.47, abs=0.02)
    assert agreement_of(measured, measured.truth.tolist()) == pytest.approx(1.0)
    assert agreement_of(measured, (-measured.truth).tolist()) == pytest.approx(-1.0)
    assert agreement_of(measured, [None] * 300) == 0.0


def test_a_good_score_helps_a_predictor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "COUNTS", (0, 5))
    monkeypatch.setattr(agreement, "_NUM_DRAWS", 1)
    measured = table_measured("splice")
    texts, truth = [str(arch) for arch in measured.archs[:40]], measured.truth[:40]
    noise = np.random.default_rng(0).normal(0, 0.01, 40)
    found = rankings_with_score(texts, truth.tolist(), (truth + noise).tolist(), 0)
    assert found["score as mean function"][0] is None
    for ranking, later in found.items():
        assert later[1] is not None
        assert len(later[1]) == 1
        assert ranking == "predictor" or later[1][0] > found["predictor"][1][0]


@pytest.mark.long
def test_the_page_of_agreement(tmp_path: Path) -> None:
    study = replace(
        ONESHOT_TAU, cells=replace(ONESHOT_CELLS, course=DIGITS, seeds=2), tasks=("splice",), supernet_seeds=1
    )
    work, truth = tmp_path / "work", made_truth()
    kept(work, training_items(study.cells.course, 2), made_trainings(truth))
    exact = truth.mean_test.tolist()
    kept(work, supernet_items(study.cells.course, 1, cells.SCORING, {}), [made_choice(0, exact)] * 3)
    measured = table_measured("splice")
    reversed_scores = {"scores": {norm: (-measured.truth).tolist() for norm in NORMS}}
    kept(work, [scoring_item("splice", 0, measured.settings, {})], [reversed_scores])
    ranked = {name: [[0.25]] * 4 for name in agreement.RANKINGS}
    of_cells = agreement.cells_measured(truth_of(made_trainings(truth), 2, "max"), {})
    worth = [worth_item(of_cells, exact, 0), worth_item(measured, (-measured.truth).tolist(), 0)]
    kept(work, worth, [ranked, {**ranked, "predictor": [[0.5]] * 4}])

    _, page = page_of(study, tmp_path)
    assert row_of(page, "64 cells (64)")[2:5] == ["1.00"] * 3
    assert row_of(page, "splice (300)")[2:5] == ["-1.00"] * 3
    assert row_of(page.partition("### splice")[2], "predictor")[1:] == ["0.50"] * 4
    assert "as prior: better than the predictor alone in 0 of 8 cases" in page


def test_cells_of_so_many_vertices() -> None:
    for number in (4, 6):
        found = different_cells(number, 10)
        assert len(found) == 10
        assert len(np.unique(found.canonical_keys())) == 10
        for cell in found:
            assert str(cell).startswith(f"{space_name(number)}:")
            assert str(cell).count("|") == number
            assert parse_architecture(as_nasbench101(cell)).codes == cell.codes
    assert Architectures.of([different_cells(5, 1)[0]]).space.name == space_name(5)


def test_the_page_of_vertices(tmp_path: Path) -> None:
    study = replace(ONESHOT_VERTICES, course=DIGITS, vertices=(4, 5), num_cells=6, supernet_seeds=1)
    work = tmp_path / "work"
    results = [{"test": place / 10, "parameters": 10 - place} for _ in range(2) for _ in range(2) for place in range(6)]
    kept(work, study.training_items(), results)
    kept(work, study.supernet_items(), [{"scores": [0, 1, 2, 3, 4, 5]}, {"scores": [5, 4, 3, 2, 1, None]}])
    _, page = page_of(study, tmp_path)
    assert row_of(page, "4") == ["4", "6", "1.00", "1.00", "-1.00"]
    assert row_of(page, "5")[2] == "-1.00"
    assert "0.441" in page


@pytest.mark.long
def test_costs_are_measured_and_shown(tmp_path: Path) -> None:
    plan = SupernetPlan("rsps", 0, "transnasbench101", "digits", **{**FEW, "changed": {**SHORT, "num_samples": 2}})
    cost = supernet_cost(plan, 1)
    assert cost["epoch_seconds"] > 0
    assert cost["choice_seconds"] > 0
    assert cost["choices"] == 1.0
    assert cost["epochs"] == 1

    study = replace(ONESHOT_COST, tasks=("digits",), methods=("darts",))
    made = {"epoch_seconds": 0.5, "choice_seconds": 0.1, "choices": 11.0, "peak_bytes": 20_000_000, "epochs": 50}
    training = {"seconds": [1.0, 2.0, 3.0], "peak_bytes": [None, None, None], "epochs": 15}
    large = {**made, "epoch_seconds": 5.0}
    kept(tmp_path / "work", study.items(), [made, training, large, training])
    _, page = page_of(study, tmp_path)
    assert row_of(page, "darts") == ["darts", "50", "0.50", "26", "20", "13"]
    assert row_of(page.partition("## digits, paper")[2], "darts") == ["darts", "50", "5.00", "251", "20", "126"]


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process")
def test_the_growth_of_a_process_is_measured() -> None:
    with peak_growth() as peak:
        np.ones(10_000_000).sum()
    assert peak.bytes is None or 60e6 < peak.bytes < 200e6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["oneshot-cells", "--tables", "x"], "oneshot-cells needs no NAS tables: take --train"),
        (["table4", "--train"], "--train is an option of oneshot-cells"),
        (["oneshot-cells", "--seeds", "3"], "--seeds is an option of a computation"),
    ],
)
def test_trainings_are_asked_for_by_name(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["reproduce", *arguments, "--out", str(tmp_path)])
    assert message in str(done.exception)
