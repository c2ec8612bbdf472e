from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cluster.experiments.studies.predictors.judging import (
    Agreement,
    Measurement,
    agreement,
    measured,
)
from cluster.experiments.studies.predictors.methods import METHODS, Knowledge
from cluster.experiments.studies.predictors.results import Results
from cluster.experiments.studies.predictors.study import PREDICTORS
from cluster.experiments.studies.predictors.targets import OFFICIAL, Draw, sizes_of
from cluster.experiments.studies.predictors.units import Unit, unit_item
from cluster.experiments.studies.study import reproduce
from mpnas_ray.errors import PredictorError, TableError
from mpnas_ray.pretrained import BUNDLED
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import BUNDLED_TABLE, TableTask, load_tasks


@pytest.fixture(scope="module")
def whole_space() -> TableTask:
    """All of NAS-Bench-201, better the more 3x3 convolutions a cell has."""
    space = get_space("nasbench201")
    archs = space.enumerate()
    convolutions = (archs.graphs().kinds == 1).sum(axis=1)
    return TableTask("nasbench201/made-up", archs, convolutions + np.linspace(0, 0.1, len(archs)), "score", "max")


def test_agreement_of_rankings_by_hand() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0])
    assert agreement(np.array([10.0, 20.0, 30.0, 40.0]), scores) == Agreement(1.0, pytest.approx(1.0), 4)
    # Of six pairs one is the wrong way round.
    assert agreement(np.array([1.0, 2.0, 4.0, 3.0]), scores).kendall == pytest.approx(4 / 6)
    assert agreement(np.zeros(4), scores) == Agreement(0.0, 0.0, 4)


def test_what_has_no_finite_score_ranks_last() -> None:
    scores = np.array([1.0, 2.0, 3.0])
    assert agreement(np.array([np.nan, 5.0, 6.0]), scores).kendall == pytest.approx(1.0)
    assert agreement(np.array([5.0, 6.0, np.nan]), scores).kendall == pytest.approx(-1 / 3)


def test_nobody_is_judged_on_what_they_learned_from(whole_space: TableTask) -> None:
    draw = Draw.of(whole_space, 0)
    keys = whole_space.canonical_keys
    for size in sizes_of(whole_space):
        training = draw.training(size)
        assert len(training) == size
        assert not np.isin(training, draw.test).any()
        mutants = draw.mutants(size)
        assert mutants is not None
        assert not np.isin(keys[mutants], keys[training]).any()
    assert (draw.training(10) == draw.training(100)[:10]).all()
    assert not (draw.test == Draw.of(whole_space, 1).test).all()


def test_mutants_are_one_change_away_from_the_best(whole_space: TableTask) -> None:
    draw = Draw.of(whole_space, 3)
    training = draw.training(10)
    best = training[np.argsort(-whole_space.scores[training], kind="stable")][:2]
    mutants = draw.mutants(10)
    assert mutants is not None
    assert len(mutants) > 10
    neighbors = {
        neighbor.canonical
        for row in best.tolist()
        for neighbor in whole_space.archs.space.neighbors(whole_space.archs[row])
    }
    assert {whole_space.archs[int(row)].canonical for row in mutants} <= neighbors


def test_a_table_of_some_architectures_has_no_mutants() -> None:
    task = load_tasks(BUNDLED_TABLE, ["mixed/digits"])["mixed/digits"]
    assert Draw.of(task, 0).mutants(10) is None


def test_a_learner_beats_chance(whole_space: TableTask) -> None:
    found = METHODS["bayes-linear"].judge(Draw.of(whole_space, 0), Knowledge(BUNDLED_TABLE, None))
    assert [one.size for one in found] == list(sizes_of(whole_space))
    assert found[-1].uniform.kendall > 0.5


def test_a_unit_is_that_of_its_table_and_predictor(tmp_path: Path) -> None:
    unit = Unit("bayes-linear", "mixed/libras", 0)
    task, knowledge = load_tasks(BUNDLED_TABLE, [unit.target])[unit.target], Knowledge(BUNDLED_TABLE, None)
    item = unit_item(unit, knowledge, {unit.target: task}, tmp_path)
    found = [Measurement.from_dict(values) for values in item.compute()]
    assert [one.size for one in found] == list(sizes_of(task))
    assert item.identity != unit_item(unit, knowledge, {unit.target: task[:100]}, tmp_path).identity, "another table"
    learned = Knowledge(BUNDLED_TABLE, BUNDLED["mpnas-4"])
    assert item.identity != unit_item(unit, learned, {unit.target: task}, tmp_path).identity


def test_the_meta_learned_one_is_not_judged_on_what_it_has_seen() -> None:
    task = load_tasks(BUNDLED_TABLE, ["mixed/darcy16"])["mixed/darcy16"]
    with pytest.raises(PredictorError, match="cannot be judged"):
        METHODS["mp-nas"].judge(Draw.of(task, 0), Knowledge(BUNDLED_TABLE, BUNDLED["mpnas-4"]))


@pytest.mark.slow
def test_curves_of_other_tasks_say_more_than_ten_of_the_same() -> None:
    draw = Draw.of(load_tasks(BUNDLED_TABLE, ["mixed/watch"])["mixed/watch"], 0)
    before, alone = (
        {
            (one.size, one.epochs): one.uniform.kendall
            for one in METHODS[name].judge(draw, Knowledge(BUNDLED_TABLE, None))
        }
        for name in ("lcranknet-pretrained", "lcranknet")
    )
    assert {size for size, _ in before} == {0, *(size for size, _ in alone)}
    assert before[0, 18] > alone[10, 18]


def test_methods_are_asked_only_where_they_are_defined() -> None:
    assert "cost" not in METHODS, "the study's targets are qualities"
    assert METHODS["epe_nas"].fits("mixed/digits")
    assert not METHODS["epe_nas"].fits("mixed/darcy16")
    assert METHODS["naswot"].fits("mixed/darcy16")
    assert not METHODS["sotl"].fits("nasbench201/cifar10")
    assert METHODS["sotl"].fits("mixed/darcy16")


def test_a_perfect_ranker_is_judged_perfect(whole_space: TableTask) -> None:
    one = measured(Draw.of(whole_space, 0), 5, lambda: lambda rows: whole_space.scores[rows])
    assert one.uniform.kendall == pytest.approx(1.0)
    assert one.mutants is not None
    assert one.mutants.kendall == pytest.approx(1.0)


def test_means_are_over_targets_first_and_seeds_then() -> None:
    def of(kendall: float) -> list[Measurement]:
        return [Measurement(5, 0, Agreement(kendall, 0.0, 9), None, 1.0, 1.0)]

    values = {("a", 0): 0.1, ("a", 1): 0.3, ("b", 0): 0.5, ("b", 1): 0.9}
    results = Results({Unit("gp", target, seed): of(value) for (target, seed), value in values.items()})
    estimate = results.estimate("gp", ["a", "b"], 5)
    assert estimate is not None
    assert (estimate.mean, estimate.standard_error) == (pytest.approx(0.45), pytest.approx(0.15))
    assert results.estimate("gp", ["a", "c"], 5) is None


@pytest.mark.ray
@pytest.mark.data
def test_the_study_in_small_and_what_is_there_is_not_done_again(
    ray_cluster: None, tables_folder: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    methods = ["bayes-linear", "params", "last-value"]

    def run() -> list[Path]:
        return reproduce(
            PREDICTORS, tables_folder, tmp_path / "out", tmp_path / "work", told.append, seeds=2, methods=methods
        )

    content, page, charts, picture = run()
    units = json.loads(content.read_text())["units"]
    assert {unit["target"] for unit in units if unit["method"] == "params"} > set(OFFICIAL)
    assert all(unit["target"].startswith("mixed/") for unit in units if unit["method"] == "last-value")
    assert "bayes-linear" in page.read_text()
    assert "bayes-linear" in charts.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(told) == 1
    run()
    assert len(told) == 1


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    with pytest.raises(TableError):
        reproduce(PREDICTORS, tmp_path / "tables", tmp_path / "out", tmp_path / "work")
