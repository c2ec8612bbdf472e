"""Behaviour of the searchers towards Tune, called as Tune calls them (no Ray running: refits are made at once)."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from ray.tune.search import Searcher
from torch import Tensor

from mpnas_ray.errors import PredictorError, SearcherStateError, SearchSpaceError
from mpnas_ray.meta_learning.gradient import MetaConfig, MetaPredictor
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.pretrained import PredictorCard, save_checkpoint
from mpnas_ray.spaces import Architecture, get_space
from mpnas_ray.tables import TableTask
from searchers import ArchitectureSearcher, MPNASSearch, RandomSearch
from searchers.background import BackgroundWorker

both = pytest.mark.parametrize("kind", [MPNASSearch, RandomSearch])


class CountConvs:
    """A predictor that needs no training, so that tests of the searcher take no time."""

    def __init__(self, fail: bool = False) -> None:
        self.fail = fail
        self.fitted = 0

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        if self.fail:
            raise RuntimeError("injected")
        self.fitted = len(archs)

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        return np.array([quality(str(arch)) for arch in archs])

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load(self, state: dict[str, Tensor]) -> None: ...


def quality(arch: str) -> float:
    return arch.count("conv_3x3") + 0.5 * arch.count("conv_1x1") - 0.25 * arch.count("none")


def mpnas(**arguments: Any) -> MPNASSearch:
    defaults = {"metric": "score", "mode": "max", "seed": 0, "predictor": CountConvs()}
    return MPNASSearch("nasbench201", **{**defaults, **arguments})


def run(searcher: Searcher, names: Sequence[str], score: Callable[[str], float] = quality) -> list[str]:
    """One trial after another."""
    archs = []
    for name in names:
        config = None
        while config is None:
            config = searcher.suggest(name)
        archs.append(config["arch"])
        searcher.on_trial_complete(trial_id=name, result={"score": score(config["arch"]), "training_iteration": 1})
    return archs


def ids(first: int, last: int) -> list[str]:
    return [f"trial{number}" for number in range(first, last)]


@both
def test_suggestions_are_plain_and_never_repeat_a_network(kind: type[ArchitectureSearcher]) -> None:
    searcher = kind("transnasbench101", "score", "max", seed=1)
    archs = []
    for number in range(60):  # sixty trials under way at once
        config = searcher.suggest(str(number))
        assert type(config) is dict
        assert {type(value) for value in config.values()} == {str}
        archs.append(get_space("transnasbench101").parse(config["arch"]))
    assert len({arch.canonical for arch in archs}) == 60


@pytest.mark.long
@both
def test_a_small_space_ends_when_every_network_was_proposed(kind: type[ArchitectureSearcher]) -> None:
    searcher = kind("transnasbench101", "score", "max", seed=1)
    num_distinct = len(get_space("transnasbench101").distinct())
    proposals = [searcher.suggest(str(number)) for number in range(num_distinct)]
    assert all(isinstance(proposal, dict) for proposal in proposals)
    assert searcher.suggest("one more") == Searcher.FINISHED


def test_the_predictor_is_refitted_every_four_results_and_followed() -> None:
    searcher = mpnas(refit_every=4)
    run(searcher, ids(0, 3))
    assert searcher.num_refits == 0
    run(searcher, ids(3, 12))
    refits = [event for event in searcher.events if event["event"] == "refit"]
    assert [event["points"] for event in refits] == [4, 8, 12]
    assert searcher.num_refits == 3
    proposals = [event for event in searcher.events if event["event"] == "proposal"]
    assert [event["predicted"] is None for event in proposals[:4]] == [True] * 4
    predicted = [event["predicted"] for event in proposals[4:8]]
    assert predicted == sorted(predicted, reverse=True)
    assert [event["ranking_age"] for event in proposals[4:8]] == [0, 1, 2, 3]
    assert predicted[0] == 6.0, "six 3x3 convolutions are the best, by this predictor"


def test_a_meta_learned_predictor_ranks_before_the_first_result() -> None:
    class MetaLearned(CountConvs):
        def adapt(self, archs: Sequence[Architecture], scores: ArrayLike) -> MetaLearned:
            return self

    searcher = mpnas(predictor=MetaLearned())
    archs = run(searcher, ids(0, 6))
    assert quality(archs[0]) == 6.0
    assert [event["event"] for event in searcher.events[:3]] == ["zero_shot", "proposal", "proposal"]
    assert searcher.num_refits == 1
    broken = mpnas(predictor=MetaLearned(fail=True))
    assert len(set(run(broken, ids(0, 6)))) == 6


def test_the_real_meta_predictor_is_one() -> None:
    config = MetaConfig(gcn=GCNConfig(width=8))
    searcher = mpnas(predictor=MetaPredictor(config), seed=1)
    assert len(set(run(searcher, ids(0, 9)))) == 9
    assert (searcher.num_refits, searcher.num_failures) == (2, 0)


@pytest.mark.slow
def test_from_scratch_is_better_than_chance_on_an_easy_score() -> None:
    searcher = mpnas(predictor=None)
    found = [quality(arch) for arch in run(searcher, ids(0, 24))]
    assert np.mean(found[12:]) > np.mean(found[:4]) + 0.5
    assert searcher.num_failures == 0


@pytest.mark.long
def test_the_default_predictor_begins_with_what_it_knows_of_other_tasks() -> None:
    searcher = MPNASSearch("nasbench201", "score", "max", seed=0)
    known = run(searcher, ids(0, 10))
    blind = run(mpnas(predictor=None), ids(0, 10))
    assert np.mean([quality(arch) for arch in known[:4]]) > np.mean([quality(arch) for arch in blind[:4]]) + 0.5
    assert [event["event"] for event in searcher.events if event["event"] != "proposal"] == [
        "zero_shot",
        "refit",
        "refit",
    ]
    assert searcher.num_failures == 0


def test_points_known_beforehand_are_in_the_first_ranking() -> None:
    points = [
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    ]
    archs = [f"nasbench201:{point}" for point in points]
    searcher = MPNASSearch(
        "nasbench201", "score", "max", seed=0, points_to_evaluate=archs, evaluated_rewards=[1.0, 2.0]
    )
    searcher.suggest("first")
    assert searcher.events[0]["points"] == 2


def test_a_checkpoint_by_path(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = MetaConfig(gcn=GCNConfig(width=8))
    archs = get_space("nasbench201").sample_many(3, np.random.default_rng(0))
    task = TableTask("nasbench201/letters", archs, np.arange(3.0), "accuracy", "max", datasets=("letters",))
    card = PredictorCard.of("mine", config, {task.name: task})
    save_checkpoint(tmp_path / "mine", MetaPredictor(config), card)
    searcher = MPNASSearch("nasbench201", "score", "max", predictor=tmp_path / "mine.safetensors")
    searcher.suggest("first")
    assert searcher.events[0]["event"] == "zero_shot"
    assert not caplog.records
    elsewhere = MPNASSearch("mixed", "score", "max", predictor=str(tmp_path / "mine"))
    assert "mine does not know all operations of mixed: one is trained from scratch" in caplog.text
    elsewhere.suggest("first")
    assert elsewhere.events[0]["event"] == "proposal"
    with pytest.raises(PredictorError, match="no predictor card"):
        MPNASSearch("nasbench201", predictor=tmp_path / "theirs")


def test_mode_min_turns_the_metric_around() -> None:
    class Remember(CountConvs):
        labels: NDArray[np.float64]

        def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
            Remember.labels = np.asarray(scores)

    run(mpnas(mode="min", predictor=Remember()), ids(0, 5), score=lambda arch: 3.0)
    assert Remember.labels.tolist() == [-3.0] * 4


@pytest.mark.long
@both
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "broken"])
def test_values_that_are_not_finite_count_as_failures(kind: type[ArchitectureSearcher], value: Any) -> None:
    searcher = kind("nasbench201", "score", "max", seed=0)
    arch = searcher.suggest("bad")["arch"]
    searcher.on_trial_complete("bad", result={"score": value})
    assert searcher.observations.trials["bad"].status == "failed"
    later = run(searcher, ids(0, 10))
    assert arch not in later
    assert len(searcher.observations.completed) == 10


@both
def test_strange_calls_do_not_raise(kind: type[ArchitectureSearcher]) -> None:
    searcher = kind("nasbench201", "score", "max", seed=0)
    searcher.on_trial_result(trial_id="unknown", result={"score": 1.0})
    searcher.on_trial_complete(trial_id="unknown", result={"score": 1.0})
    searcher.on_trial_complete(trial_id="unknown", error=True)
    searcher.suggest("a")
    searcher.on_trial_result("a", {"other": 1.0})
    searcher.on_trial_complete("a", result=None)
    searcher.on_trial_complete("a", result={"score": 5.0})
    assert searcher.observations.trials["a"].status == "failed", "the second completion changes nothing"
    searcher.suggest("b")
    searcher.on_trial_result("b", {"score": 2.0, "training_iteration": 3})
    searcher.on_trial_complete("b", result=None)
    assert searcher.observations.trials["b"].score == 2.0, "a paused trial that is stopped ends without a result"
    searcher.suggest("c")
    searcher.on_trial_complete("c", result={"score": 1.0})
    searcher.on_trial_complete("c", error=True)
    assert searcher.observations.trials["c"].status == "completed"
    searcher.suggest("d")
    searcher.on_trial_complete("d", error=True)
    assert len(searcher.observations.completed) == 2


@pytest.mark.long
@both
def test_a_trial_under_a_new_id_is_recognised_by_its_config(kind: type[ArchitectureSearcher]) -> None:
    # Tuner.restore(restart_errored=True) resets trials under ids that were never suggested.
    searcher = kind("transnasbench101", "score", "max", seed=0)
    arch = "transnasbench101:64-41414-3_33_333"
    searcher.on_trial_result("new", {"score": 1.0, "training_iteration": 1, "config/arch": arch})
    searcher.on_trial_complete("new", result={"score": 2.0, "training_iteration": 2, "config/arch": arch})
    assert searcher.observations.trials["new"].score == 2.0
    assert arch not in [
        searcher.suggest(str(n))["arch"] for n in range(len(get_space("transnasbench101").distinct()) - 1)
    ]


@pytest.mark.parametrize("where", ["fit", "predict", "shape", "nan"])
def test_a_failing_predictor_is_counted_and_the_search_goes_on(where: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(CountConvs):
        def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
            if where == "fit":
                raise RuntimeError("injected")

        def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
            if where == "predict":
                raise RuntimeError("injected")
            return np.zeros(3) if where == "shape" else np.full(len(archs), np.nan)

    searcher = mpnas(predictor=Broken())
    archs = run(searcher, ids(0, 12))
    assert len(set(archs)) == 12
    assert searcher.num_failures == 3  # after 4, 8 and 12 results; not again and again in between
    assert "ranking before stays in use" in caplog.text


@pytest.mark.long
@both
def test_points_to_evaluate_come_first_and_evaluated_ones_never(kind: type[ArchitectureSearcher]) -> None:
    points = ["64-41414-3_33_333", {"arch": "transnasbench101:64-41414-3_33_332"}, "64-41414-2_22_222"]
    searcher = kind("transnasbench101", "score", "max", seed=0, points_to_evaluate=points, evaluated_rewards=[0.9])
    first = [searcher.suggest(str(n))["arch"].rpartition(":")[2] for n in range(2)]
    assert first == ["64-41414-3_33_332", "64-41414-2_22_222"]
    assert [record.score for record in searcher.observations.completed] == [0.9]
    rest = {searcher.suggest(f"x{n}")["arch"] for n in range(len(get_space("transnasbench101").distinct()) - 3)}
    assert "transnasbench101:64-41414-3_33_333" not in rest
    with pytest.raises(ValueError, match="evaluated_rewards"):
        kind("transnasbench101", points_to_evaluate=points[:1], evaluated_rewards=[1.0, 2.0])
    with pytest.raises(SearchSpaceError):
        kind("transnasbench101", points_to_evaluate=["64-41414-9_33_333"])


def test_evaluated_points_are_learnt_from() -> None:
    searcher = mpnas(mode="min")
    for number, arch in enumerate(get_space("nasbench201").sample_many(5, np.random.default_rng(0))):
        searcher.add_evaluated_point({"arch": str(arch)}, float(number), error=number == 4)
    assert [record.score for record in searcher.observations.completed] == [0, -1, -2, -3]
    searcher.suggest("a")
    assert searcher.num_refits == 1
    assert deepcopy(searcher).observations.completed == searcher.observations.completed


def test_values_of_different_iterations_are_not_mixed() -> None:
    searcher = mpnas(refit_every=100)
    reported = {"a": (0.9, 3), "b": (0.1, 9), "c": (0.2, 9), "d": (0.95, 3), "e": (0.99, 1)}
    for name, (score, iteration) in reported.items():
        searcher.suggest(name)
        searcher.on_trial_complete(name, result={"score": score, "training_iteration": iteration})
    _, labels = searcher.observations.labels()
    assert dict(zip(reported, labels.tolist(), strict=True)) == {"e": 0, "a": 1, "d": 2, "b": 3, "c": 4}


def test_pending_trials_survive_a_restore(tmp_path: Path) -> None:
    searcher = mpnas()
    pending = searcher.suggest("pending")["arch"]
    searcher.save(str(tmp_path / "state"))
    restored = MPNASSearch("nasbench201", predictor=CountConvs())
    restored.restore(str(tmp_path / "state"))
    assert pending not in run(restored, ids(0, 9))
    restored.on_trial_result("pending", {"score": 1.0, "training_iteration": 1})
    restored.on_trial_complete("pending", result={"score": 2.0, "training_iteration": 2})
    assert restored.observations.trials["pending"].score == 2.0


def test_damaged_and_foreign_states_are_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state"
    searcher = mpnas()
    run(searcher, ids(0, 6))
    searcher.save(str(path))
    whole = path.read_bytes()
    with pytest.raises(SearcherStateError, match="RandomSearch"):
        RandomSearch("nasbench201").restore(str(path))
    with pytest.raises(SearcherStateError, match="nasbench201"):
        MPNASSearch("mixed").restore(str(path))
    with pytest.raises(SearcherStateError, match="no searcher state"):
        searcher.restore(str(tmp_path / "missing"))
    assert path.read_bytes() == whole
    for damaged in (whole[:-200], whole[: len(whole) // 2], b"", pickle.dumps({"a": 1})):
        path.write_bytes(damaged)
        with pytest.raises(SearcherStateError, match="damaged"):
            MPNASSearch("nasbench201").restore(str(path))
    newer = whole.replace(b'"format": 4', b'"format": 9')
    path.write_bytes(newer)  # the checksum inside says so as well; either way it is refused
    with pytest.raises(SearcherStateError):
        MPNASSearch("nasbench201").restore(str(path))


@pytest.mark.parametrize("version", [2, 3, 5])
def test_a_state_of_another_version_is_refused_by_its_format(version: int, tmp_path: Path) -> None:
    text = json.dumps({"format": version, "searcher": "RandomSearch", "space": "nasbench201"})
    with (tmp_path / "state").open("wb") as file:
        np.savez(file, plain=np.frombuffer(text.encode(), dtype=np.uint8))
    with pytest.raises(SearcherStateError, match=f"has format {version}; this version of mpnas-ray reads 4"):
        RandomSearch("nasbench201").restore(str(tmp_path / "state"))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"refit_every": 0}, "refit_every"),
        ({"num_candidates": 0}, "num_candidates"),
        ({"predictor": 3}, "predictor"),
        ({"max_concurrent": 0}, "max_concurrent"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        mpnas(**arguments)
    with pytest.raises(SearchSpaceError, match="There are"):
        MPNASSearch("nasbench")


def test_a_trial_that_is_told_of_again_does_not_bring_the_end_of_the_experiment_nearer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where a run is resumed, each time: the actor of the refits would be released in the middle of it."""
    released: list[int] = []
    monkeypatch.setattr(BackgroundWorker, "release", lambda refitting: released.append(1))
    searcher = MPNASSearch("transnasbench101", predictor=None, seed=0)
    searcher.set_search_properties("score", "max", {}, num_samples=4)
    for number in range(3):
        searcher.suggest(str(number))
        searcher.on_trial_complete(str(number), {"score": float(number)})
    searcher.save(str(tmp_path / "state"))
    resumed = MPNASSearch("transnasbench101", predictor=None, seed=0)
    resumed.restore(str(tmp_path / "state"))
    resumed.set_search_properties("score", "max", {}, num_samples=4)
    for number in range(3):
        resumed.on_trial_complete(str(number), {"score": float(number)})
    assert not released
    resumed.suggest("3")
    resumed.on_trial_complete("3", error=True)
    assert released == [1]
