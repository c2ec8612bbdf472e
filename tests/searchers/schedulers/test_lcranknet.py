"""The LCRankNet scheduler with fake trials, and in one real experiment."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from mpnas_ray.curves import LCRankNetMethod, PartialCurves, RankNetConfig, pretrain, save_network
from mpnas_ray.errors import PredictorError, SearcherStateError
from mpnas_ray.spaces import get_space
from searchers import RandomSearch
from searchers.schedulers.lcranknet import LCRankNetScheduler

CONTINUE, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP
MAX_T = 9
SPACE = get_space("nasbench201")
ARCHS = [str(arch) for arch in SPACE.sample_many(60, np.random.default_rng(0))]


def score_at(quality: float, epoch: int) -> float:
    return quality * (0.5 + 0.5 * epoch / MAX_T)


def curves(qualities: np.ndarray, seed: int = 0) -> PartialCurves:
    scores = np.stack([score_at(qualities, epoch) for epoch in range(1, MAX_T + 1)], axis=1)
    archs = SPACE.sample_many(len(qualities), np.random.default_rng(seed))
    return PartialCurves(scores, 2 - scores, MAX_T, archs)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pre-train a network on tasks where the better training is better at each epoch."""
    path = tmp_path_factory.mktemp("networks") / "net"
    qualities = [np.random.default_rng(seed).uniform(size=60) for seed in range(2)]
    tasks = [(curves(quality, seed), quality) for seed, quality in enumerate(qualities)]
    save_network(path, pretrain(tasks, RankNetConfig(iterations=80)), ["one", "two"])
    return path


@dataclass(eq=False)
class FakeTrial:
    trial_id: str
    config: dict[str, Any]
    status: str = Trial.PENDING
    last_result: dict[str, Any] = field(default_factory=dict)
    metric_n_steps: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def scheduler(network: Path | None, mode: str = "max", **arguments: Any) -> LCRankNetScheduler:
    made = LCRankNetScheduler(MAX_T, network=network, **arguments)
    assert made.set_search_properties("score", mode)
    return made


def result(quality: float, epoch: int, mode: str = "max", **more: Any) -> dict[str, Any]:
    score = score_at(quality, epoch)
    return {
        "score": score if mode == "max" else -score,
        "train_loss": 2 - score,
        "training_iteration": epoch,
        **more,
    }


def train(
    made: LCRankNetScheduler, name: str, quality: float, mode: str = "max", *, arch: bool = True, until: int = MAX_T
) -> int:
    """Epochs that a trial was given."""
    trial = FakeTrial(name, {"arch": ARCHS[int(name) % len(ARCHS)]} if arch else {})
    made.on_trial_add(None, trial)
    for epoch in range(1, until + 1):
        reported = result(quality, epoch, mode)
        if made.on_trial_result(None, trial, reported) == STOP:
            made.on_trial_complete(None, trial, reported)
            return epoch
    return until


@pytest.mark.long
@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("arch", [True, False])
def test_bad_trials_are_stopped_and_good_ones_are_not(network: Path, mode: str, arch: bool) -> None:
    made = scheduler(network, mode)
    qualities = [0.5, 0.6, 0.4, 0.7, 0.55]

    epochs = [train(made, str(number), quality, mode, arch=arch) for number, quality in enumerate(qualities)]

    assert epochs[0] == MAX_T  # there is none to compare it with
    assert train(made, "10", 0.9, mode, arch=arch) == MAX_T
    assert train(made, "11", 0.1, mode, arch=arch) == 1
    assert made.num_stopped >= 1
    assert made.num_failures == 0


def test_nothing_is_judged_before_the_grace_period(network: Path) -> None:
    made = scheduler(network, grace_period=4)
    train(made, "0", 0.9)

    assert train(made, "1", 0.05) == 4


@pytest.mark.long
def test_delta_decides_how_many_go_on(network: Path) -> None:
    qualities = np.random.default_rng(3).uniform(size=20)
    spent = []
    for delta in (0.05, 0.45, 0.9):
        made = scheduler(network, delta=delta)
        spent.append(sum(train(made, str(number), quality) for number, quality in enumerate(qualities)))

    assert spent[0] > spent[1] > spent[2]


@pytest.mark.parametrize(
    "bad", [{"score": float("nan")}, {"score": None}, {"score": "high"}, {"training_iteration": 0}]
)
def test_a_result_that_says_nothing_stops_no_trial(network: Path, bad: dict[str, Any]) -> None:
    made = scheduler(network)
    train(made, "0", 0.9)
    trial = FakeTrial("1", {"arch": ARCHS[1]})

    assert made.on_trial_result(None, trial, {**result(0.01, 1), **bad}) == CONTINUE
    assert made.on_trial_result(None, trial, {"training_iteration": 1}) == CONTINUE
    assert made.num_failures == 0


def test_without_a_train_loss_and_with_an_unknown_architecture_it_still_judges(network: Path) -> None:
    made = scheduler(network)
    train(made, "0", 0.9)
    trial = FakeTrial("1", {"arch": "no such space:x"})
    reported = result(0.05, 1)
    del reported["train_loss"]

    assert made.on_trial_result(None, trial, reported) == STOP
    assert made.num_failures == 0


def test_a_trial_that_reached_max_t_is_stopped_and_a_failed_one_forgotten(network: Path) -> None:
    made = scheduler(network)
    trial = FakeTrial("0", {"arch": ARCHS[0]})
    assert made.on_trial_result(None, trial, result(1.0, MAX_T + 3)) == STOP

    made.on_trial_error(None, trial)
    assert train(made, "1", 0.05) == MAX_T  # as if it were the first


def test_what_goes_wrong_inside_is_counted_and_answered_by_going_on(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scheduler(network, refit_every=1)
    train(made, "0", 0.9)

    def broken(*_: Any) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(LCRankNetMethod, "predict", broken)
    monkeypatch.setattr(LCRankNetMethod, "fit", broken)

    assert train(made, "1", 0.05) == MAX_T
    assert made.num_failures >= 2  # one of judging, one of refitting


def test_completed_trials_refit_the_network(network: Path) -> None:
    made = scheduler(network, refit_every=2, delta=0.01)

    for number in range(4):
        train(made, str(number), 0.5 + 0.1 * number)

    assert made.num_refits == 2


@pytest.mark.long
def test_without_a_network_it_learns_from_its_own_trials() -> None:
    made = scheduler(None)
    qualities = np.random.default_rng(5).uniform(size=8)

    assert [train(made, str(number), quality) for number, quality in enumerate(qualities)] == [MAX_T] * 8
    assert made.num_refits == 1
    assert train(made, "20", -0.5) < MAX_T


def decisions(made: LCRankNetScheduler) -> list[int]:
    """Return the decisions from here on."""
    return [train(made, str(20 + number), quality) for number, quality in enumerate((0.3, 0.9, 0.55, 0.95, 0.2, 0.93))]


@pytest.fixture
def halfway(network: Path) -> LCRankNetScheduler:
    made = scheduler(network, refit_every=2, delta=0.3)
    for number, quality in enumerate((0.5, 0.7, 0.8, 0.4)):
        train(made, str(number), quality)
    train(made, "9", 0.6, until=1)
    return made


@pytest.mark.long
def test_saved_and_restored_it_goes_on_as_before(halfway: LCRankNetScheduler, network: Path, tmp_path: Path) -> None:
    halfway.save(str(tmp_path / "state"))
    restored = LCRankNetScheduler(MAX_T, network=network, refit_every=2, delta=0.3)

    restored.restore(str(tmp_path / "state"))

    assert restored.metric == "score"
    assert restored.num_refits == halfway.num_refits >= 1
    assert decisions(restored) == decisions(halfway)


@pytest.mark.long
@pytest.mark.parametrize("library", [pickle, cloudpickle])
def test_pickled_it_goes_on_as_before(halfway: LCRankNetScheduler, library: Any) -> None:
    copy = library.loads(library.dumps(halfway))

    assert decisions(copy) == decisions(halfway)


def test_a_state_of_something_else_is_refused(halfway: LCRankNetScheduler, tmp_path: Path) -> None:
    halfway.save(str(tmp_path / "state"))

    with pytest.raises(SearcherStateError, match="max_t 9, not 5"):
        LCRankNetScheduler(5).restore(str(tmp_path / "state"))
    with pytest.raises(SearcherStateError, match="no searcher state"):
        LCRankNetScheduler(MAX_T).restore(str(tmp_path / "nothing"))


def test_after_a_restore_tune_tells_of_earlier_trials(network: Path) -> None:
    made = scheduler(network)
    losses = [2 - score_at(0.9, epoch) for epoch in range(1, MAX_T + 1)]
    scores = [score_at(0.9, epoch) for epoch in range(1, MAX_T + 1)]
    earlier = FakeTrial("0", {"arch": ARCHS[0]}, Trial.TERMINATED, result(0.9, MAX_T))
    earlier.metric_n_steps = {"score": {"10": scores}, "train_loss": {"10": losses}}

    made.on_trial_add(None, earlier)

    assert train(made, "1", 0.05) == 1
    assert made.num_failures == 0


def test_arguments_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    for wrong in ({"grace_period": 0}, {"grace_period": MAX_T + 1}, {"delta": 0.0}, {"delta": 1.0}, {"mode": "best"}):
        with pytest.raises(ValueError, match="must be"):
            LCRankNetScheduler(MAX_T, **wrong)
    with pytest.raises(PredictorError, match="no pre-trained"):
        LCRankNetScheduler(MAX_T, network=tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"tune\.TuneConfig"):
        LCRankNetScheduler(MAX_T).on_trial_add(None, FakeTrial("0", {}))
    assert not LCRankNetScheduler(MAX_T, metric="score").set_search_properties("score", "max")


class Training(tune.Trainable):
    def setup(self, config: dict[str, Any]) -> None:
        self.quality = config["arch"].count("conv_3x3") / 6

    def step(self) -> dict[str, Any]:
        epoch = int(self.training_iteration) + 1
        return {**result(self.quality, epoch), "done": epoch >= MAX_T}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None: ...

    def load_checkpoint(self, checkpoint: Any) -> None: ...


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_in_tune_it_stops_trials_refits_beside_them_and_survives_a_restore(network: Path, tmp_path: Path) -> None:
    made = LCRankNetScheduler(MAX_T, network=network, refit_every=2, delta=0.3)
    config = tune.TuneConfig(
        metric="score",
        mode="max",
        search_alg=RandomSearch("nasbench201", seed=0),
        scheduler=made,
        num_samples=10,
        max_concurrent_trials=2,
        reuse_actors=True,
    )
    run = tune.RunConfig(name="stopped", storage_path=str(tmp_path), verbose=0)

    results = tune.Tuner(Training, tune_config=config, run_config=run, param_space={"preset": "none"}).fit()

    assert not results.errors
    epochs = [one.metrics["training_iteration"] for one in results]
    assert epochs.count(MAX_T) >= 1
    assert min(epochs) < MAX_T
    assert made.num_stopped + epochs.count(MAX_T) == 10
    assert made.num_failures == 0
    assert not tune.Tuner.restore(str(tmp_path / "stopped"), Training).fit().errors
