"""Studies: what is held out, what is drawn, what is kept, and that pages say what was measured."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ray
from typer.testing import CliRunner

import cluster.experiments.protocol.folds
import cluster.experiments.protocol.measuring
import cluster.experiments.studies.ranking.methods
from cluster.artifacts.meta_training import MetaLearned
from cluster.experiments.protocol.folds import (
    ACROSS_SPACES,
    LEAVE_ONE_OUT,
    NASBENCH201,
    SINGLE_SOURCE,
    STRICT_ACROSS_SPACES,
    TASKS,
    TRANSNASBENCH101,
    Fold,
)
from cluster.experiments.protocol.free_rankings import MeanRank, ParameterCount
from cluster.experiments.protocol.measuring import Measurement
from cluster.experiments.protocol.published import PUBLISHED, published, published_mean
from cluster.experiments.protocol.splits import Split, draw, judgeable, split_space
from cluster.experiments.studies.ranking.fine_tuning import FineTuning, Tuned, as_measured
from cluster.experiments.studies.ranking.methods import (
    METHODS,
    FreeRankings,
    GradientLearning,
    Method,
    RandomInitialisation,
    Sources,
)
from cluster.experiments.studies.ranking.pages import TargetTable, curve_table, number, shown, shown_paper, wrapped
from cluster.experiments.studies.ranking.rows import Row, Rows, averaged, mean_of, rows_of
from cluster.experiments.studies.ranking.study import RankingStudy
from cluster.experiments.studies.ranking.units import Unit, UnitResult, compute, identity, study_tasks, unit_item
from cluster.experiments.studies.registry import STUDIES
from cluster.experiments.studies.study import reproduce, rewrite_pages
from cluster.work.items import Store
from mpnas_ray.errors import PredictorError, RunError, RunInterruptedError, TableError
from mpnas_ray.meta_learning.gradient import MetaConfig, MetaPredictor
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.pretrained import PredictorCard, load_checkpoint
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.stats import spearman
from mpnas_ray.tables import TableTask, load_tasks, write_task

TINY = MetaConfig(
    gcn=GCNConfig(width=8), iterations=2, validation_every=1, num_support=4, num_query=8, tasks_per_batch=2
)
RANKING = {name: study for name, study in STUDIES.items() if isinstance(study, RankingStudy)}
ONE_TARGET = Fold("one", ("transnasbench101/scene",))
UNIT = Unit(ONE_TARGET, "free", "class")


def learning(config: MetaConfig, num_steps: int = 3) -> GradientLearning:
    """A method of these settings that is told what a target measures."""
    return GradientLearning("boil", config, FineTuning(rate=0.01, num_steps=num_steps))


def tiny_task(name: str, number: int) -> TableTask:
    """A task by the official name: some counts of operations, and noise of its own."""
    space = get_space(name.partition("/")[0])
    archs = Architectures.of(space.sample_many(400, np.random.default_rng(len(space.name))), space)
    archs = archs[np.sort(np.unique(archs.codes, axis=0, return_index=True)[1])]
    if name == "nasbench201/cpu-latency":
        archs = archs[5:]  # as in the real table, some cells have none
    rng = np.random.default_rng(number)
    raw = 10 + (archs.codes == 1 + number % 3).sum(axis=1) + rng.normal(0, 0.1, len(archs))
    short = name.partition("/")[2]
    if short.endswith("latency"):
        return TableTask(name, archs, raw, "latency", "min", devices=(short,))
    return TableTask(name, archs, raw, "accuracy", "max", datasets=(short,))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for index, name in enumerate(TASKS):
        write_task(tiny_task(name, index), folder / f"{name.replace('/', '-')}.parquet")
    return folder


@pytest.fixture(scope="module")
def tasks(tables: Path) -> dict[str, TableTask]:
    return study_tasks(tables)


@pytest.mark.parametrize("kind", ["random", "class"])
def test_a_split_halves_a_space_for_all_its_tasks_alike(tasks: dict[str, TableTask], kind: Split) -> None:
    split = split_space(tasks, "nasbench201", kind)
    whole, fewer = tasks["nasbench201/cifar10"], tasks["nasbench201/cpu-latency"]
    training = split.is_training(whole.archs)
    assert training.sum() == len(whole) // 2
    np.testing.assert_array_equal(split.is_training(fewer.archs), training[5:])
    np.testing.assert_array_equal(judgeable(whole, split), np.flatnonzero(~training))
    keys = whole.canonical_keys
    shared = np.isin(keys[training], keys[~training])
    assert shared.any() == (kind == "random")


@pytest.mark.parametrize("kind", ["random", "class"])
def test_draws_depend_on_nothing_but_their_number(tasks: dict[str, TableTask], kind: Split) -> None:
    task = tasks["transnasbench101/scene"]
    rows = judgeable(task, split_space(tasks, "transnasbench101", kind))
    first, again, other = (draw(task, rows, kind, 25, index) for index in (0, 0, 1))
    np.testing.assert_array_equal(first.support, again.support)
    assert set(first.support) != set(other.support)
    assert len(set(first.support)) == 25
    assert set(first.support).isdisjoint(first.query)
    assert {*first.support, *first.query} <= set(rows)
    isomorphic = np.isin(task.canonical_keys[first.query], task.canonical_keys[first.support])
    assert isomorphic.any() == (kind == "random")
    if kind == "random":
        assert len(first.query) == len(rows) - 25
    none = draw(task, rows, kind, 0, 0)
    assert len(none.support) == 0
    np.testing.assert_array_equal(none.query, rows)


def test_of_a_large_unknown_space_some_is_judged(monkeypatch: pytest.MonkeyPatch, tasks: dict[str, TableTask]) -> None:
    task = tasks["nasbench101/cifar10"]
    np.testing.assert_array_equal(judgeable(task, None), np.arange(len(task)))
    monkeypatch.setattr("cluster.experiments.protocol.splits._MOST_TESTED", 50)
    rows = judgeable(task, None)
    assert len(set(rows)) == 50
    np.testing.assert_array_equal(rows, judgeable(task, None))


@pytest.mark.data
@pytest.mark.parametrize(
    "fold", [*LEAVE_ONE_OUT, *SINGLE_SOURCE, ACROSS_SPACES, STRICT_ACROSS_SPACES], ids=lambda fold: fold.name
)
def test_folds_hold_out_data_sets_and_devices(tables_folder: Path, fold: Fold) -> None:
    known = {name: task for name, task in load_tasks(tables_folder).items() if name in TASKS}
    assert set(known) == set(TASKS)
    sources = fold.sources(known)
    used = {value for task in sources.values() for value in (*task.datasets, *task.devices)}
    held_out = {value for name in fold.held_out for value in (*known[name].datasets, *known[name].devices)}
    assert held_out
    assert used.isdisjoint(held_out)
    assert set(sources).isdisjoint(fold.targets)
    if fold in LEAVE_ONE_OUT:
        assert len(fold.targets) == 2
        assert len(sources) == (12 if fold.name == "cifar10" else 13)
        assert ("nasbench101/cifar10" in sources) == (fold.name != "cifar10")
    elif fold == ACROSS_SPACES:
        assert tuple(sources) == NASBENCH201
    elif fold == STRICT_ACROSS_SPACES:
        assert set(sources) == set(NASBENCH201) - {"nasbench201/cifar10"}
    else:
        assert tuple(sources) == fold.candidates
        assert len(fold.targets) == 6


def test_mean_rank_by_hand() -> None:
    space = get_space("nasbench201")
    archs = space.enumerate()[:4]
    one = TableTask("nasbench201/one", archs, np.array([1.0, 2.0, 3.0, 4.0]), "m", "max")
    two = TableTask("nasbench201/two", archs[:3], np.array([5.0, 7.0, 6.0]), "m", "min")
    means = MeanRank([one, two]).predict(archs)
    ranks_of_one = np.array([-1.5, -0.5, 0.5, 1.5]) / np.sqrt(1.25)
    ranks_of_two = np.array([1.0, -1.0, 0.0]) / np.sqrt(2 / 3)  # a low value is better
    np.testing.assert_allclose(means[:3], (ranks_of_one[:3] + ranks_of_two) / 2)
    assert means[3] == ranks_of_one[3]
    assert MeanRank([two]).predict(archs)[3] == 0
    with pytest.raises(PredictorError, match="at least one source"):
        MeanRank([])


def test_parameters_by_hand() -> None:
    counts = {
        "nasbench201:|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|": 19,
        "nasbench201:|none~0|+|none~0|none~1|+|none~0|none~1|none~2|": 0,
    }
    np.testing.assert_array_equal(ParameterCount().predict(Architectures.of(counts)), list(counts.values()))
    chain = Architectures.of(["nasbenchasr:|conv5~0|linear|zero~0~2|"])
    np.testing.assert_array_equal(ParameterCount().predict(chain), [26])


@pytest.mark.long
def test_a_unit_is_reused_only_as_it_is(tables: Path, tasks: dict[str, TableTask], tmp_path: Path) -> None:
    method = METHODS["free"]
    item, store = unit_item(UNIT, method, tasks, tables, tmp_path), Store(tmp_path)
    store.write(item, item.compute())
    found = UnitResult.from_plain(store.read(item))
    assert {(item.row, item.points, len(item.values)) for item in found.measurements} == {
        (row, points, 10 if points else 1)
        for row in ("mean-rank", "mean-rank, same kind", "parameters")
        for points in (0, 5, 10, 25, 50)
    }
    assert found.versions["torch"]

    fewer = tasks | {"nasbench201/darcy": tasks["nasbench201/darcy"][:300]}
    assert store.read(unit_item(UNIT, method, fewer, tables, tmp_path)) is None, "other tables"
    assert store.read(unit_item(UNIT, replace(FreeRankings(), zero_shot=False), tasks, tables, tmp_path)) is None
    boil, slower = (replace(UNIT, method="boil"), replace(TINY, iterations=3))
    for other in (learning(slower), learning(TINY, num_steps=4)):
        assert identity(boil, learning(TINY), tasks) != identity(boil, other, tasks)

    again = UnitResult.from_plain(item.compute())
    assert [one.values for one in again.measurements] == [one.values for one in found.measurements]


def test_a_unit_that_learns_keeps_its_predictor(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.experiments.protocol.measuring, "DRAWS", {0: 1, 5: 2})
    unit, method = replace(UNIT, method="boil", split="random"), learning(TINY)
    folder = tmp_path / unit.name

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr("cluster.experiments.studies.ranking.units.measure", interrupt)
        with pytest.raises(KeyboardInterrupt):
            compute(unit, method, tables, folder)
    assert len(list(folder.glob("*.training"))) == 1

    found = UnitResult.from_plain(compute(unit, method, tables, folder))
    assert {path.name for path in folder.iterdir()} == {"predictor.json", "predictor.safetensors"}
    _, card = load_checkpoint(folder / "predictor")
    assert set(card.tasks) == set(TASKS) - {"transnasbench101/scene"}
    assert found.learn_seconds > 0
    assert [(item.row, item.points, len(item.values)) for item in found.measurements] == [
        ("boil", 0, 1),
        ("boil", 5, 2),
    ]


@pytest.mark.long
def test_random_weights_are_new_for_each_draw_and_no_zero_shot_ranking(tasks: dict[str, TableTask]) -> None:
    config = GCNConfig(width=16, learning_rate=1e-2, epochs=100)
    method = RandomInitialisation({"nasbench201": config})
    assert not method.zero_shot
    task = tasks["nasbench201/cifar10"]
    ranker = method.learn(None, 0, Path(), "")  # type: ignore[arg-type]
    random = ranker.rankers(task)["random"]
    adapted = [random.adapt(task.archs[rows], task.scores[rows]) for rows in (slice(0, 5), slice(0, 5), slice(5, 10))]
    first, again, other = (item.predict(task.archs[:5]) for item in adapted)
    np.testing.assert_array_equal(first, again)
    assert spearman(first, task.scores[:5]) == pytest.approx(1), "trained until it ranks what it was trained on"
    assert not np.array_equal(first, other)
    with pytest.raises(PredictorError, match="call fit first"):
        random.predict(task.archs)
    other_settings = RandomInitialisation({"nasbench201": replace(config, epochs=99)}).settings(0)
    assert other_settings != method.settings(0), "a unit of other settings is not taken for this one's"


@pytest.mark.long
@pytest.mark.parametrize("name", ["nasbench201/gpu-latency", "transnasbench101/room"])
def test_random_weights_rank_what_they_have_not_seen(tasks: dict[str, TableTask], name: str) -> None:
    """Five models are enough to know which operation counts; a baseline that is left untrained ranks by chance."""
    task = tasks[name]
    drawn = [draw(task, np.arange(len(task)), "random", 5, number) for number in range(4)]
    ranker = METHODS["random"].learn(Sources({}, {}), 0, Path(), "").rankers(task)["random"]
    found = [
        spearman(
            ranker.adapt(task.archs[item.support], task.scores[item.support]).predict(task.archs[item.query]),
            task.scores[item.query],
        )
        for item in drawn
    ]
    assert np.mean(found) > 0.4, found


def test_a_cost_is_learned_as_measured_and_its_ranking_turned_around(tasks: dict[str, TableTask]) -> None:
    cost, quality = tasks["nasbench201/cpu-latency"], tasks["nasbench201/darcy"]
    np.testing.assert_array_equal(as_measured(cost).scores, cost.raw)
    assert as_measured(quality) is quality

    fine_tuning = FineTuning(rate=0.01, num_steps=5)
    network = MetaPredictor(replace(TINY, algorithm="pretrain"))
    archs, milliseconds = cost.archs[:8], cost.raw[:8]
    slower_first = Tuned(network, fine_tuning, costly=False).adapt(archs, milliseconds)
    faster_first = Tuned(network, fine_tuning, costly=True).adapt(archs, -milliseconds)
    np.testing.assert_array_equal(faster_first.predict(cost.archs), -slower_first.predict(cost.archs))
    np.testing.assert_array_equal(Tuned(network, fine_tuning, costly=True).predict(archs), -network.predict(archs))


def test_a_network_learned_by_gradient_is_told_what_costs(
    tasks: dict[str, TableTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[dict[str, TableTask]] = []

    def caught(sources: dict[str, TableTask], config: MetaConfig, *_: object, **__: object) -> MetaLearned:
        learned.append(sources)
        return MetaLearned(MetaPredictor(config), PredictorCard.of("caught", config, sources), 1.0)

    monkeypatch.setattr(cluster.experiments.studies.ranking.methods, "meta_learn", caught)
    rankers = learning(TINY).learn(Sources(tasks, tasks), 0, Path(), "").rankers
    costs = ("nasbench201/cpu-latency", "nasbench201/gpu-latency")
    for name in ("nasbench201/darcy", *costs):
        ranker = rankers(tasks[name])["boil"]
        assert isinstance(ranker, Tuned)
        assert ranker.costly == (name in costs)
    for name in costs:
        np.testing.assert_array_equal(learned[0][name].scores, tasks[name].raw)
    np.testing.assert_array_equal(learned[0]["nasbench201/darcy"].scores, tasks["nasbench201/darcy"].scores)


def test_fine_tuning_takes_its_number_of_steps_and_fits_what_it_sees(tasks: dict[str, TableTask]) -> None:
    task = tasks["nasbench201/cifar10"]
    archs, scores = task.archs[:5], task.scores[:5]
    network = MetaPredictor(replace(TINY, algorithm="boil"))
    none, some, many = (
        Tuned(network, FineTuning(rate=0.03, num_steps=steps), costly=False).adapt(archs, scores)
        for steps in (0, 1, 500)
    )
    np.testing.assert_array_equal(none.predict(archs), network.predict(archs))
    assert not np.array_equal(some.predict(archs), none.predict(archs))
    assert spearman(many.predict(archs), scores) == pytest.approx(1)
    head = "head.weight"
    assert bool((many.predictor.initialisation()[head] == network.initialisation()[head]).all()), "BOIL moves the body"


def test_a_leak_among_the_sources_is_refused(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.experiments.protocol.folds, "leaves_out", lambda tasks, _: dict(tasks))
    fold = Fold("leaky", ("nasbench101/cifar10",), NASBENCH201)
    with pytest.raises(PredictorError, match="has learned from cifar10"):
        compute(Unit(fold, "free"), METHODS["free"], tables, tmp_path)
    compute(Unit(replace(fold, may_share=fold.targets), "free"), METHODS["free"], tables, tmp_path)


def row(method: str, target: str, values: tuple[float, ...], points: int = 5) -> Row:
    return Row(method, target, points, "random", 0, "fold", values, 1.0, 0.1, 0.1)


def test_wins_and_losses_are_those_of_the_numbers() -> None:
    ours = dict(zip(NASBENCH201, (0.95, 0.9, 0.89, 0.3, 0.8, 0.9, 0.1), strict=True))
    rows = Rows(
        (
            *(row("mixture", target, (mean - 0.01, mean + 0.01)) for target, mean in ours.items()),
            *(row("boil", target, (0.5, 0.5)) for target in ours),
        )
    )
    table = TargetTable(rows, NASBENCH201, ("mixture", "boil"), 5, paper=4)
    lines = str(table).splitlines()
    assert len({len(line) for line in lines}) == 1
    cells = {cell[0]: cell[1:] for cell in ([part.strip() for part in line.split("|")[1:-1]] for line in lines)}
    assert cells["nasbench201/cifar10"] == [
        "**.95 ± .01**", ".50 ± .00", ".92 ± .01", "win", ".60 ± .08", ".73 ± .03",
    ]  # fmt: skip
    assert cells["nasbench201/imagenet16-120"][3] == "even"
    assert cells["nasbench201/gpu-latency"][:4] == [".10 ± .01", "**.50 ± .00**", ".73 ± .04", "in kind only"]
    text = table.wins_and_losses()
    assert "mixture has 3 wins (nasbench201/cifar10 .95 to .92, " in text
    assert "2 losses (nasbench201/cifar100 .90 to .93, nasbench201/ninapro .30 to .32), 1 even" in text
    assert "boil has 1 win (nasbench201/ninapro .50 to .32), 5 losses" in text
    assert "mixture against boil at 5 models: better on 5, worse on 2 of 7 (worse: nasbench201/ninapro, " in text
    assert "nasbench201/gpu-latency is not counted: the paper's is of a Jetson Nano" in text
    poor = Rows(tuple(row("random", target, (0.1, 0.1)) for target in NASBENCH201))
    alone = TargetTable(poor, NASBENCH201, ("random",), 5, paper=4).wins_and_losses()
    assert alone.startswith("- Against the paper's random initialisation at 5 models, random has 0 wins, 6 losses")


def test_what_was_not_measured_is_a_dash_and_what_the_paper_lacks_is_said() -> None:
    targets = ("nasbench101/cifar10", "nasbench101/cifar10, strict")
    table = TargetTable(Rows(()), targets, ("mixture",), 5, paper=6, with_mean=False)
    lines = [[part.strip() for part in line.split("|")[2:-1]] for line in str(table).splitlines()[2:]]
    assert lines == [
        ["—", ".46 ± .04", "not compared", "-.06 ± .06", ".40 ± .04"],
        ["—", "not given", "not compared", "not given", "not given"],
    ]
    assert "paper" not in str(TargetTable(Rows(()), TRANSNASBENCH101, ("mixture",), 10, paper=3))
    curves = curve_table(Rows(()), TRANSNASBENCH101, ("mixture",), paper=3).splitlines()
    assert [part.strip() for part in curves[-2].split("|")[1:-1]] == [
        "paper: MP-NAS", ".66 ± .00", ".75 ± .03", "not given", ".83 ± .00", ".86 ± .00",
    ]  # fmt: skip
    assert curves[-1].replace(" ", "").endswith("|notgiven|.67±.00|")


def test_the_papers_numbers_are_those_of_its_tables() -> None:
    """Cells of each table picked by hand, of corners and wherever columns could be mixed up."""
    for table, task, column, points, value, error in (
        (2, "transnasbench101/scene", "Naive Tran.", 5, 0.80, 0.02),
        (2, "transnasbench101/room", "Rand. Init.", 5, 0.35, 0.08),
        (2, "transnasbench101/autoencoder", "MP-NAS", 5, 0.42, 0.05),
        (3, "transnasbench101/object", "MP-NAS", 0, 0.78, 0.0),
        (3, "transnasbench101/segmentsemantic", "MP-NAS", 25, 0.91, 0.01),
        (3, "transnasbench101/normal", "MP-NAS", 50, 0.84, 0.01),
        (3, "transnasbench101/autoencoder", "Rand. Init.", 50, 0.32, 0.04),
        (3, "mean", "Rand. Init.", 50, 0.67, 0.0),
        (4, "nasbench201/cifar10", "Rand. Init.", 5, 0.60, 0.08),
        (4, "nasbench201/ninapro", "Naive Tran.", 5, 0.20, 0.04),
        (4, "nasbench201/darcy", "MP-NAS", 5, 0.73, 0.03),
        (4, "nasbench201/gpu-latency", "Rand. Init.", 5, 0.77, 0.06),
        (4, "mean", "Naive Tran.", 5, 0.62, 0.04),
        (5, "nasbench201/cifar10", "Meta-D2A", 0, 0.56, None),
        (5, "nasbench201/imagenet16-120", "MP-NAS", 0, 0.78, None),
        (5, "nasbench201/cifar100", "MP-NAS", None, 73.49, 0.08),
        (5, "nasbench201/ninapro", "Meta-D2A", None, 92.84, 0.06),
        (6, "transnasbench101/normal", "Naive Tran.", 5, 0.72, 0.03),
        (6, "nasbench101/cifar10", "Rand. Init.", 5, -0.06, 0.06),
        (6, "nasbenchasr", "MP-NAS", 5, 0.13, 0.04),
        (6, "mean", "MP-NAS", 5, 0.64, 0.03),
    ):
        found = published(table, task, column, points)
        assert found is not None, (table, task, column)
        assert (found.value, found.standard_error) == (value, error), (table, task, column)
    assert published(3, "transnasbench101/scene", "MP-NAS", 10) is None
    assert published(5, "nasbench201/darcy", "MP-NAS", 0) is None
    of_table_7 = {(item.row, item.column): item.value for item in PUBLISHED if item.table == 7}
    assert of_table_7["Darcy Flow (L2)", "DASH"] == 0.0079
    assert of_table_7["ECG (F1)", "Expert"] == 0.72
    assert of_table_7["Satellite (Acc.)", "MP-NAS"] == 87.33
    assert [sum(item.table == table for item in PUBLISHED) for table in range(2, 8)] == [24, 40, 24, 20, 30, 25]


def test_the_papers_means_are_those_of_its_rows() -> None:
    """A cell copied wrongly would show here: printed means are within rounding of the rows, .01 in two columns."""
    for item in PUBLISHED:
        if item.row == "Overall Mean":
            alike = (item.table, item.column, item.points)
            rows = [x.value for x in PUBLISHED if (x.table, x.column, x.points) == alike and x.row != item.row]
            assert item.value == pytest.approx(np.mean(rows), abs=0.0101 if abs(item.value) < 1 else 0.051), item
    seven = published_mean(6, TRANSNASBENCH101, "MP-NAS", 5)
    assert seven is not None
    assert number(seven.value) == ".74"
    assert published_mean(4, NASBENCH201, "MP-NAS", 5) == published(4, "mean", "MP-NAS", 5)
    assert published_mean(6, ("nasbench101/cifar10, strict",), "MP-NAS", 5) is None


RESULTS = Path(__file__).parents[4] / "benchmarks" / "results"


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long) if name == "predictors" else name for name in STUDIES],
)
def test_a_committed_page_is_what_its_results_give(name: str, tmp_path: Path) -> None:
    """`mpnas reproduce` writes it from them alone, without tables."""
    from cluster.cli import app

    shutil.copy(RESULTS / f"{name}.json", tmp_path)
    done = CliRunner().invoke(app, ["reproduce", name, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    page = (tmp_path / f"{name}.md").read_text(encoding="utf-8")
    assert page == (RESULTS / f"{name}.md").read_text(encoding="utf-8")
    charts = [f"{name}.html"] if STUDIES[name].has_picture else []
    assert sorted(path.name for path in tmp_path.iterdir()) == [*charts, f"{name}.json", f"{name}.md"]
    assert page.startswith(f"# {STUDIES[name].title}\n")


def test_every_number_of_the_papers_tables_is_on_a_page() -> None:
    for table in range(2, 8):
        text = (RESULTS / f"table{table}.md").read_text(encoding="utf-8")
        text += (RESULTS / "compare-table5.md").read_text(encoding="utf-8") if table == 5 else ""
        for item in PUBLISHED:
            if item.table == table and not (item.points is None and item.row == "Overall Mean"):
                shown_as = f"{item.value:g}" if item.points is None else shown_paper(item)
                assert shown_as in text, item


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "it is not there"),
        ("{", "JSONDecodeError"),
        ('{"study": "table3", "rows": []}', "of the study 'table3'"),
        ('{"study": "table2", "rows": [{"method": "boil"}]}', "KeyError: 'target'"),
        ('{"study": "table2", "rows": []}', "KeyError: 'command'"),
    ],
)
def test_a_page_is_not_written_from_results_that_are_not_there(
    content: str | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "table2.json").write_text(content)
    with pytest.raises(RunError, match=re.escape(message)) as refused:
        rewrite_pages(STUDIES["table2"], tmp_path)
    assert "--tables" in str(refused.value)
    assert not (tmp_path / "table2.md").exists()


def test_numbers_as_they_are_shown() -> None:
    assert [number(value) for value in (0.934, -0.116, 1.0, -1.0, -0.001, 0.0)] == [
        ".93", "-.12", "1.00", "-1.00", ".00", ".00",
    ]  # fmt: skip
    rows = [row("a", "x", (0.5, 0.7)), row("a", "y", (0.1, 0.1))]
    assert shown(rows[0].estimate) == ".60 ± .10"
    assert shown(mean_of(rows)) == ".35 ± .05"
    assert shown(row("a", "x", (0.5,)).estimate) == ".50"
    transfer = averaged([row("from a", "x", (0.5, 0.7)), row("from b", "x", (0.1, 0.1))], "transfer", "each")
    assert transfer[0].values == pytest.approx((0.3, 0.4))
    assert wrapped("word " * 60 + "\n\n\n\n- one\n- two\n  more\n\n| a |").splitlines()[-4:] == [
        "- one", "- two more", "", "| a |",
    ]  # fmt: skip


@pytest.mark.long
def test_figure_2_is_drawn(tmp_path: Path) -> None:
    rows = tuple(
        row(method, target, (0.5, 0.6, 0.7, 0.6, 0.5), points)
        for method in ("mixture", "boil", "random")
        for target in NASBENCH201
        for points in (5, 10, 25, 50, 100)
    )
    plot = RANKING["fig2"].plot
    assert plot is not None
    plot(Rows(rows), tmp_path / "fig2.png")
    assert (tmp_path / "fig2.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["fig2.png"]


def test_a_figure_from_tables_alone(tables: Path, tmp_path: Path) -> None:
    from cluster.cli import app

    folders = ["--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    done = CliRunner().invoke(app, ["reproduce", "fig3", "--tables", str(tables), *folders])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "fig3.html",
        "fig3.json",
        "fig3.md",
        "fig3.png",
    ]
    content = json.loads((tmp_path / "out" / "fig3.json").read_text())
    assert content["command"] == "mpnas reproduce fig3 --tables DIR"
    means = {(item["method"], item["target"]): item["mean"] for item in content["rows"]}
    page = (tmp_path / "out" / "fig3.md").read_text()
    line = next(line for line in page.splitlines() if line.startswith("| darcy "))
    assert line.replace(" ", "").split("|")[2:-1] == [
        number(means["nasbench201/darcy", target]) for target in NASBENCH201
    ]
    assert means["nasbench201/darcy", "nasbench201/darcy"] == pytest.approx(1)


def test_a_missing_table_and_a_bad_folder_are_said_at_once(tables: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    for path in tables.glob("nasbench201-*.parquet"):
        (tmp_path / "tables" / path.name).symlink_to(path)
    with pytest.raises(TableError, match="transnasbench101"):
        reproduce(STUDIES["table4"], tmp_path / "tables", tmp_path / "out", tmp_path / "work")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="--out and --work"):
        reproduce(STUDIES["fig3"], tables, tmp_path / "file", tmp_path / "work")


ROW_LABELS = {
    "mixture": ("mixture", "mixture, kind not told"),
    "free": ("mean-rank", "mean-rank, same kind", "parameters"),
}


@pytest.mark.parametrize("name", [name for name, study in RANKING.items() if study.units])
def test_a_page_has_a_number_wherever_its_units_measured_one(name: str) -> None:
    study = RANKING[name]
    results = {}
    for unit in study.units:
        measurements = tuple(
            Measurement(target, label, points, (0.5,) * number_of, 0.1, 0.1)
            for target in unit.targets(METHODS[unit.method])
            for label in ROW_LABELS.get(unit.method, (unit.method,))
            for points, number_of in unit.draws(target, METHODS[unit.method]).items()
        )
        results[unit] = UnitResult(measurements, 1.0, {})
    page = study.page(Rows(tuple(study.rows(rows_of(results), {}))))
    lines = [line for line in page.splitlines() if re.match(r"\| (\w+/\S+|mean of the \w+) ", line)]
    assert len(lines) >= 5
    assert {cell.strip() for line in lines for cell in line.split("|")[2:3]} <= {
        "**.50 ± .00**", "**.50**", ".50 ± .00", ".50", "0", "1",
    }  # fmt: skip
    of_class_split = page.partition("## 5 fine-tuning models, class split")[2].partition("##")[0].splitlines()
    assert not [line for line in of_class_split if "—" in line and "nasbenchasr" not in line]


def test_every_study_has_methods_for_its_units() -> None:
    others = {"table7", "predictors", "oneshot-cells", "oneshot-tau", "oneshot-vertices", "oneshot-cost"}
    assert STUDIES.keys() - RANKING.keys() == others
    for study in RANKING.values():
        assert len(set(study.units)) == len(study.units)
        for unit in study.units:
            assert unit.targets(METHODS[unit.method]), unit.name
    shared = set(RANKING["table2"].units) & set(RANKING["table4"].units)
    assert len(shared) == 28, "two ways of splitting for the mixture, one each for boil and random, seven folds"


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_study_from_interruption_and_failure_to_page(
    tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zero-shot ranking with free rankings for every method; it is stopped at once, then one method fails."""
    whole = RANKING["table5"]
    study = replace(whole, units=tuple(unit for unit in whole.units if unit.fold.name in ("ninapro", "darcy")))
    free = FreeRankings()
    too_large = learning(replace(TINY, num_query=5_000))
    methods: dict[str, Method] = {"mixture": free, "boil": too_large, "free": free}
    out, work = tmp_path / "out", tmp_path / "work"

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr(ray, "wait", interrupt)
        with pytest.raises(RunInterruptedError, match="0 of 6 units were done"):
            reproduce(study, tables, out, work, methods=methods)
    assert not out.exists()
    assert "6 units of work to do" in capsys.readouterr().out
    for file in work.glob("*.json"):  # of a worker that was faster than the interruption
        file.unlink()

    with pytest.raises(RunError, match="2 units of work failed") as failed:
        reproduce(study, tables, out, work, methods=methods)
    assert "darcy.boil.random.0: PredictorError: " in str(failed.value)
    assert not out.exists()
    kept = {path: path.stat().st_mtime_ns for path in work.glob("*.json")}
    assert len(kept) == 4
    assert "6 units of work to do" in capsys.readouterr().out

    methods["boil"] = free
    written = reproduce(study, tables, out, work, methods=methods)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 units of work to do"
    assert re.match(r"\[2/2\] (darcy|ninapro)\.boil\.random\.0 took 00:\d\d; about 00:00 left", lines[2])
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    reproduce(study, tables, out, work, methods=methods)
    assert not capsys.readouterr().out, "nothing is left to do"

    content = json.loads(written[0].read_text())
    assert [unit["name"] for unit in content["units"]] == [unit.name for unit in study.units]
    page = written[1].read_text()
    for target in ("nasbench201/ninapro", "nasbench201/darcy"):
        cells = [cell.strip(" *") for cell in next(x for x in page.splitlines() if f"| {target} " in x).split("|")]
        for column, method in ((5, "mean-rank"), (6, "mean-rank, same kind"), (7, "parameters")):
            found = [x for x in content["rows"] if (x["method"], x["target"], x["points"]) == (method, target, 0)]
            assert cells[column] == number(found[0]["mean"])
            assert found[0]["mean"] == pytest.approx(float(np.mean(found[0]["values"])))
    assert "DIR" in content["command"]
    assert str(tables) not in written[0].read_text() + page
