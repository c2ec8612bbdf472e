"""The front of a run: its choice, its file, and the command that shows it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune
from typer.testing import CliRunner

from cluster.cli import app
from cluster.report.view import Epoch, RunView, TrialView
from cluster.run import finish
from cluster.run.assemble.costs import known_costs
from cluster.run.assemble.searcher import make_searcher
from cluster.run.checking import check_config
from cluster.run.config import SearchConfig
from cluster.run.front import FRONT_FILE, Front, FrontNetwork, front_of_run, preferred, read_front, with_tests
from cluster.run.record import RunRecord
from cluster.storage.run_folder import RunFolder
from mpnas_ray import get_space
from mpnas_ray.errors import MPNASError, RunError, SearchSpaceError
from searchers import MPNASSearch
from trainables import CellTrainable, Task, darcy_task, get_task, load_network
from trainables.networks import FoundNetwork
from trainables.tune.trial import score_test

ARCHS = [str(arch) for arch in get_space("nasbench201").distinct()[:5]]


def network(number: int, validation: float, **costs: float) -> FrontNetwork:
    return FrontNetwork(ARCHS[number], f"trial-{number}", validation, costs)


FOUR = [
    network(0, 0.9, latency_ms=9.0, parameters=90),
    network(1, 0.8, latency_ms=4.0, parameters=95),
    network(2, 0.7, latency_ms=6.0, parameters=99),
    network(3, 0.5, latency_ms=2.0, parameters=10),
]


def names(front: Front) -> list[str]:
    return [each.trial_id for each in front.networks]


def test_a_front_goes_from_the_best_to_the_cheapest() -> None:
    assert names(Front.of(FOUR, "accuracy", "max", ["latency_ms"])) == ["trial-0", "trial-1", "trial-3"]
    assert names(Front.of(FOUR, "error", "min", ["latency_ms"])) == ["trial-3"]
    assert names(Front.of(FOUR, "accuracy", "max", ["latency_ms", "parameters"])) == ["trial-0", "trial-1", "trial-3"]
    assert names(Front.of(FOUR, "accuracy", "max", [])) == ["trial-0"]


def test_networks_beyond_a_limit_count_only_if_all_are() -> None:
    within = Front.of(FOUR, "accuracy", "max", ["parameters"], {"latency_ms": 5})
    beyond = Front.of(FOUR, "accuracy", "max", ["parameters"], {"latency_ms": 1})

    assert names(within) == ["trial-1", "trial-3"]
    assert names(beyond) == ["trial-0", "trial-3"]


def test_a_cost_that_no_trial_has_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(RunError, match=r"No trial has a value of the cost energy_mj. There are: latency_ms, param"):
        Front.of(FOUR, "accuracy", "max", ["energy_mj"])
    some = [*FOUR, network(4, 0.99)]
    assert "trial-4" not in names(Front.of(some, "accuracy", "max", ["latency_ms"])), "it has no latency"


@pytest.mark.parametrize(
    ("conditions", "chosen"),
    [
        (["latency_ms<5"], "trial-1"),
        (["latency_ms <= 2"], "trial-3"),
        (["accuracy<0.9"], "trial-1"),
        (["validation_accuracy>=0.8", "latency_ms>4"], "trial-0"),
        ([], "trial-0"),
    ],
)
def test_the_best_that_meets_all_conditions_is_preferred(conditions: list[str], chosen: str) -> None:
    assert preferred(Front.of(FOUR, "accuracy", "max", ["latency_ms"]), conditions).trial_id == chosen


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("latency_ms", "takes a condition"),
        ("latency_ms<fast", "takes a condition"),
        ("latency_ms<nan", "takes a condition"),
        ("energy<5", "knows accuracy, latency_ms, not energy"),
        ("latency_ms<1", "values of those that meet what stands before it go from 2 to 9"),
    ],
)
def test_wrong_conditions_are_refused(condition: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        preferred(Front.of(FOUR, "accuracy", "max", ["latency_ms"]), [condition])


def run_of(states: list[str], **more: Any) -> RunView:
    trials = tuple(
        TrialView(number, each.trial_id, each.arch, state, (Epoch(1, each.validation, 1.0, 1.0),), costs=each.costs)  # type: ignore[arg-type]
        for number, (each, state) in enumerate(zip(FOUR, states, strict=True), 1)
    )
    return RunView("run", "runs/run", metric="accuracy", mode="max", trials=trials, **more)


def test_whole_trainings_go_before_those_that_were_stopped() -> None:
    assert names(front_of_run(run_of(["stopped", "complete", "complete", "failed"]), ["latency_ms"])) == ["trial-1"]
    assert len(front_of_run(run_of(["stopped"] * 4), ["latency_ms"]).networks) == 3
    with pytest.raises(RunError, match="there is no front"):
        front_of_run(run_of(["failed"] * 4), ["latency_ms"])


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run that has trained four networks and was stopped."""
    found = RunFolder(str(tmp_path), "run")
    config = SearchConfig(task="digits", space="nasbench201", epochs=1, minimize=("latency_ms",))
    RunRecord(config, "digits").write(found)
    for number, each in enumerate(FOUR):
        reported = {
            "validation_accuracy": each.validation,
            "epoch": 1,
            "timestamp": 100 + number,
            "seconds": 1.0,
            "done": True,
            "trial_id": each.trial_id,
            "config": {"arch": each.arch},
            **each.costs,
        }
        (tmp_path / "run" / each.trial_id).mkdir()
        found.write(f"{each.trial_id}/result.json", json.dumps(reported) + "\n")
    return found


def mpnas(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None, result.exception
    return result.output


def test_the_command_shows_the_front_of_a_run_that_is_not_complete(folder: RunFolder) -> None:
    output = mpnas("pareto", str(folder))

    assert [line.split()[1] for line in output.splitlines() if ARCHS[0][:12] in line] == ["-", "-", "-"]
    assert "pareto.html" in output
    page = folder.read("pareto.html")
    assert page is not None
    assert "latency in ms" in page
    assert FRONT_FILE not in folder.names()
    of_size = json.loads(mpnas("pareto", str(folder), "--minimize", "parameters", "--json"))
    assert [each["trial_id"] for each in of_size["networks"]] == ["trial-0", "trial-3"]


def test_the_command_names_test_scores_and_networks_of_a_complete_run(folder: RunFolder) -> None:
    front = Front.of(FOUR, "accuracy", "max", ["latency_ms"])
    found = {name: (0.25, f"front/{number}") for number, name in enumerate(names(front), 1)}
    folder.write(FRONT_FILE, with_tests(front, found).to_json())

    output = mpnas("pareto", str(folder), "--prefer", "latency_ms<5")

    assert output.count("0.25") == 3
    assert f"{folder.shown}/front/2" in output
    assert read_front(folder) == with_tests(front, found)


def test_bad_input_of_the_command_is_refused(folder: RunFolder) -> None:
    for words, message in [
        (["--minimize", "energy_mj"], "No trial has a value of the cost energy_mj"),
        (["--minimize", "parameters", "--minimize", "parameters"], "names parameters twice"),
        (["--prefer", "latency_ms<1"], "No network of the front meets"),
    ]:
        error = CliRunner().invoke(app, ["pareto", str(folder), *words]).exception
        assert isinstance(error, RunError)
        assert message in str(error)
    folder.write(FRONT_FILE, '{"metric": 3}')
    with pytest.raises(RunError, match="is damaged"):
        read_front(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"minimize": ("energy",)}, "A cost to minimize must be one of parameters"),
        ({"minimize": ("flops", "flops")}, "names flops twice"),
        ({"minimize": "flops"}, "a list of costs"),
        ({"max_costs": {"latency_ms": -1.0}}, "above 0"),
        ({"max_costs": {"latency_ms": float("nan")}}, "above 0"),
        ({"max_costs": {"energy": 1.0}}, "A cost with a limit must be one of"),
        ({"max_costs": {"flops": 1.0}}, "a field of its own: max_flops"),
        ({"minimize": ("flops",), "searcher": "random"}, "looks at no costs: mpnas and scratch do"),
        ({"measure_latency": "yes"}, "measure_latency"),
        ({"latency_batch": 0}, "latency_batch"),
        ({"minimize": ("flops",), "proxy": "naswot"}, "A proxy knows nothing of costs"),
    ],
)
def test_wrong_costs_of_a_search_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(MPNASError, match=message):
        check_config(SearchConfig(task="digits", space="nasbench201", **fields))


def test_a_search_measures_what_it_looks_at() -> None:
    plain = SearchConfig(task="digits", epochs=1)
    measured = SearchConfig(task="digits", epochs=1, max_costs={"latency_ms": 5}, latency_batch=8)

    assert not plain.measures_latency
    assert "measure_latency" not in RunRecord(plain, "digits").constants()
    assert RunRecord(measured, "digits").constants().items() >= {"measure_latency": True, "latency_batch": 8}.items()


def test_costs_reach_the_searcher_with_what_is_known_of_them() -> None:
    task = get_task("digits")
    data = task.load_checked(None)
    config = SearchConfig(
        task="digits",
        space="nasbench201",
        minimize=("parameters", "latency_ms"),
        max_costs={"memory_bytes": 3e7, "latency_ms": 5},
    )
    known = known_costs(config, task, data)
    assert list(known) == ["parameters", "memory_bytes"]

    searcher = make_searcher(config, task, None, None, known)

    assert isinstance(searcher, MPNASSearch)
    first = searcher.suggest("one")["arch"]
    assert known["memory_bytes"](get_space("nasbench201").distinct()[:0]).shape == (0,)  # type: ignore[union-attr]
    assert searcher.space.parse(first)
    none = SearchConfig(task="digits", space="nasbench201", max_costs={"memory_bytes": 1})
    with pytest.raises(SearchSpaceError, match="satisfies the constraint"):
        make_searcher(none, task, None, None, known_costs(none, task, data))


TINY = darcy_task("tiny-front", resolution=9, num_train=20, num_validation=10, num_test=10)


class Results(list[Any]):
    """Results of trials as Tune gives them, as far as the end of a run reads them."""

    num_terminated = property(len)
    num_errors = 0


def trained(folder: RunFolder, number: int, arch: str, data_dir: Path) -> SimpleNamespace:
    """Train a network as a trial does, here, and return its result."""
    trainable = CellTrainable.__new__(CellTrainable)  # without the log folders that Tune's constructor makes
    config = {"arch": arch, "preset": "small", "epochs": 1, "data_dir": str(data_dir), "measure_latency": True}
    trainable.setup(config, TINY)
    metrics = {**trainable.step(), "trial_id": f"trial-{number}", "timestamp": 100 + number}
    checkpoint = Path(str(folder)) / f"trial-{number}" / "checkpoint_000000"
    checkpoint.mkdir(parents=True)
    trainable.save_checkpoint(str(checkpoint))
    return SimpleNamespace(
        metrics=metrics,
        config={**config, "device": "cpu"},
        checkpoint=tune.Checkpoint(str(checkpoint)),
        error=None,
        metrics_dataframe=None,
        path=None,
    )


def scored_here(best: Any, checkpoint: tune.Checkpoint, task: Task, resources: object) -> FoundNetwork:
    with checkpoint.as_directory() as checkpoint_dir:
        return score_test(best.config, task, checkpoint_dir)


def test_the_end_of_a_run_scores_and_keeps_each_network_of_the_front(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "score_on_cluster", scored_here)
    found = RunFolder(str(tmp_path), "run")
    config = SearchConfig(
        task="tiny-front", space="nasbench201", num_samples=3, epochs=1, minimize=("parameters", "latency_ms")
    )
    record = RunRecord(config, TINY.name)
    record.write(found)
    archs = [ARCHS[0], str(get_space("nasbench201").distinct()[-1]), ARCHS[3]]
    results = Results(trained(found, number, arch, data_dir) for number, arch in enumerate(archs))
    known = known_costs(config, TINY, TINY.load_checked(data_dir))

    report = finish.finish(results, record, TINY, found, concurrent=1, start=0.0, known=known)  # type: ignore[arg-type]

    front = read_front(found)
    assert front is not None
    assert report.num_front == len(front.networks) >= 1
    assert report.best_arch == front.networks[0].arch
    assert f"mpnas pareto {found.shown}" in str(report)
    for number, each in enumerate(front.networks, 1):
        assert each.network == f"front/{number}"
        network = load_network(f"{found}/{each.network}")
        assert network.card.arch == each.arch
        assert network.card.scores["test_relative_l2"] == each.test
        assert each.costs["parameters"] == sum(weight.numel() for weight in network.network.parameters())
        assert each.costs["latency_ms"] > 0
    assert load_network(f"{found}/best").card.arch == report.best_arch
    assert json.loads(mpnas("pareto", str(found), "--json")) == json.loads(front.to_json())


def test_the_best_of_a_run_keeps_the_limits_if_any_does(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "score_on_cluster", scored_here)
    results: Results | None = None
    for name, most in (("none", 1e-6), ("all", 1e6)):
        found = RunFolder(str(tmp_path), name)
        config = SearchConfig(
            task="tiny-front", space="nasbench201", num_samples=1, epochs=1, max_costs={"latency_ms": most}
        )
        record = RunRecord(config, TINY.name)
        record.write(found)
        results = results or Results([trained(found, 0, ARCHS[0], data_dir)])

        report = finish.finish(results, record, TINY, found, concurrent=1, start=0.0)  # type: ignore[arg-type]

        assert report.keeps_limits == (name == "all")
        assert ("No network keeps all limits" in str(report)) == (name == "none")
        assert report.num_front == 0


def test_the_command_line_says_costs_limits_and_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[SearchConfig] = []
    monkeypatch.setattr("cluster.run.start.run_search", given.append)

    mpnas(
        *["search", "--task", "digits", "--minimize", "flops", "--minimize", "latency_ms"],
        *["--max", "latency_ms=5", "--max", "training_seconds=60", "--batch", "4", "--measure-latency"],
    )

    assert given == [
        SearchConfig(
            task="digits",
            minimize=("flops", "latency_ms"),
            max_costs={"latency_ms": 5.0, "training_seconds": 60.0},
            latency_batch=4,
            measure_latency=True,
        )
    ]
    error = CliRunner().invoke(app, ["search", "--max", "latency_ms=1", "--max", "latency_ms=2"]).exception
    assert isinstance(error, RunError)
    assert "names 'latency_ms' twice" in str(error)
