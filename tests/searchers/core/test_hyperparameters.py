"""The entries that a `param_space` leaves open beside the architecture."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import optuna
import pytest
import ray
from packaging.version import Version
from ray import tune
from ray.tune.search.sample import Domain

from mpnas_ray.errors import SearchSpaceError
from searchers import MPNASSearch, RandomSearch
from searchers.core.architecture_searcher import ArchitectureSearcher
from searchers.core.hyperparameters.space import Hyperparameters

DOMAINS: dict[str, Domain] = {
    "uniform": tune.uniform(-1, 2),
    "loguniform": tune.loguniform(1e-4, 1e-1),
    "quniform": tune.quniform(0, 1, 0.25),
    "qloguniform": tune.qloguniform(1e-2, 1, 1e-2),
    "randn": tune.randn(5, 2),
    "qrandn": tune.qrandn(5, 2, 0.5),
    "randint": tune.randint(2, 5),
    "lograndint": tune.lograndint(1, 100),
    "qrandint": tune.qrandint(0, 10, 5),
    "qrandint by 1": tune.qrandint(0, 4, 1),
    "qrandint between": tune.qrandint(1, 11, 5),
    "lograndint low": tune.lograndint(1, 5),
    "qlograndint": tune.qlograndint(2, 64, 2),
    "choice": tune.choice(["a", ("b", 2), {"c": 3}]),
}


def sampled(domain: Any, number: int = 300) -> list[Any]:
    """As trials receive them."""
    hyperparameters = Hyperparameters.of({"a": {"b": domain}, "constant": 3})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    distributions, rng = hyperparameters.distributions(), np.random.default_rng(0)
    return [hyperparameters.config(study.ask(distributions).params, rng)["a"]["b"] for _ in range(number)]


@pytest.mark.parametrize("name", DOMAINS)
def test_values_are_those_that_tune_draws(name: str) -> None:
    """The same type, and the same distribution (two samples, by Kolmogorov and Smirnov)."""
    from scipy.stats import ks_2samp

    ours, theirs = sampled(DOMAINS[name]), [DOMAINS[name].sample() for _ in range(300)]
    if name == "choice":
        assert {str(value) for value in ours} == {str(value) for value in theirs}
        return
    assert {type(value) for value in ours} == {type(value) for value in theirs}
    if Version(ray.__version__) >= Version("2.60") or not name.startswith(("qrandint", "qlograndint")):
        assert ks_2samp(ours, theirs).pvalue > 1e-4  # before, Tune drew the ends of such a range less often
    if isinstance(theirs[0], int) and len(set(theirs)) < 8:
        assert set(ours) == set(theirs)


@pytest.mark.parametrize("name", DOMAINS)
def test_what_was_drawn_is_found_again(name: str) -> None:
    hyperparameters = Hyperparameters.of({"a": {"b": DOMAINS[name]}})
    for value in sampled(DOMAINS[name], 20):
        drawn = hyperparameters.drawn({"a": {"b": value}, "arch": "x"})
        assert drawn is not None
        again = hyperparameters.config(drawn, np.random.default_rng(0))["a"]["b"]
        assert again == value or math.isclose(again, value, rel_tol=1e-6)
    assert hyperparameters.drawn({"a": {}}) is None
    assert hyperparameters.drawn({"a": {"b": "nothing of the kind"}}) is None


@pytest.mark.parametrize("domain", [tune.grid_search([1, 2]), tune.sample_from(lambda _: 1)])
def test_what_is_not_drawn_independently_is_refused_by_name(domain: Any) -> None:
    with pytest.raises(SearchSpaceError, match="optimizer/lr of param_space is open as"):
        Hyperparameters.of({"optimizer": {"lr": domain}, "momentum": tune.uniform(0, 1)})
    with pytest.raises(SearchSpaceError, match='gives "arch" as something else'):
        RandomSearch("mixed").set_search_properties("score", "max", {"arch": tune.uniform(0, 1)})


SPACE = {"optimizer": {"lr": tune.loguniform(1e-4, 1.0), "name": "sgd"}, "batch": tune.choice([16, 32]), "epochs": 3}


def searcher(kind: type[ArchitectureSearcher] = RandomSearch, **arguments: Any) -> ArchitectureSearcher:
    made = kind("transnasbench101", "score", "max", seed=2, **arguments)
    made.set_search_properties(None, None, SPACE)
    return made


def run(made: ArchitectureSearcher, first: int, last: int) -> list[dict[str, Any]]:
    """The nearer the learning rate to 0.01, the better."""
    configs = []
    for number in range(first, last):
        config = made.suggest(str(number))
        configs.append(config)
        score = -abs(math.log10(config["optimizer"]["lr"]) + 2)
        made.on_trial_complete(str(number), result={"score": score, "training_iteration": 1, "config": config})
    return configs


def test_a_proposal_has_all_that_is_open_nested_as_it_was() -> None:
    config = searcher().suggest("a")
    assert config.keys() == {"arch", "optimizer", "batch"}
    assert config["optimizer"].keys() == {"lr"}, "constants reach the trial by themselves"
    assert config["batch"] in (16, 32)


def test_the_sampler_learns_from_results() -> None:
    configs = run(searcher(), 0, 60)
    distance = [abs(math.log10(config["optimizer"]["lr"]) + 2) for config in configs]
    assert np.median(distance[40:]) < np.median(distance[:10]) / 2


def test_another_sampler() -> None:
    asked: list[int] = []

    def sampler(seed: int) -> optuna.samplers.BaseSampler:
        asked.append(seed)
        return optuna.samplers.RandomSampler(seed)

    configs = run(searcher(hyperparameter_sampler=sampler), 0, 5)
    assert len(set(asked)) == 5
    assert len({config["optimizer"]["lr"] for config in configs}) == 5


def test_a_sampler_that_fails_is_counted_and_answered_at_random(caplog: pytest.LogCaptureFixture) -> None:
    def broken(seed: int) -> optuna.samplers.BaseSampler:
        raise RuntimeError("injected")

    made = searcher(hyperparameter_sampler=broken)
    assert len(run(made, 0, 4)) == 4
    assert made.num_failures == 4
    assert "hyperparameters are random" in caplog.text


@pytest.mark.long
@pytest.mark.parametrize("kind", [RandomSearch, MPNASSearch])
def test_saved_and_restored_it_goes_on_the_same(kind: type[ArchitectureSearcher], tmp_path: Path) -> None:
    arguments = {"synchronous": True} if kind is MPNASSearch else {}
    whole = run(searcher(kind, **arguments), 0, 16)
    first = searcher(kind, **arguments)
    begun = run(first, 0, 12)
    first.save(str(tmp_path / "state"))
    bare = searcher(kind, **arguments)
    bare.restore(str(tmp_path / "state"))
    assert begun + run(bare, 12, 16) == whole
    copy = pickle.loads(cloudpickle.dumps(first))
    assert run(copy, 12, 16) == whole[12:]


def test_points_come_with_their_hyperparameters() -> None:
    archs = [config["arch"] for config in run(searcher(), 0, 3)]
    points = [
        {"arch": archs[0], "optimizer": {"lr": 0.5}, "batch": 32},
        {"arch": archs[1], "optimizer": {"lr": 0.25}, "batch": 16},
        {"arch": archs[2]},
    ]
    made = searcher(points_to_evaluate=points, evaluated_rewards=[0.9])
    first, second = made.suggest("a"), made.suggest("b")
    assert (first["arch"], first["optimizer"], first["batch"]) == (archs[1], {"lr": 0.25}, 16)
    assert second["arch"] == archs[2]
    assert second["optimizer"]["lr"] not in (0.25, 0.5)
    with pytest.raises(SearchSpaceError, match="plain values only"):
        searcher(points_to_evaluate=[{"arch": archs[0], "batch": object()}])
    (known,) = made.observations.completed
    assert known.config == {"optimizer": {"lr": 0.5}, "batch": 32}
