"""A supernet as the score of a search: found by its run, and refused where it is of something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cluster.run.assemble.searcher import make_searcher
from cluster.run.assemble.supernet_score import chosen_cells, supernet_score, supernet_weights
from cluster.run.assemble.zero_cost import zero_cost_score
from cluster.run.checking import check_config
from cluster.run.config import SearchConfig
from mpnas_ray.errors import RunError, TaskError
from mpnas_ray.spaces import Architectures
from trainables import CellTrainable, SupernetTrainable, get_task
from trainables.tune.saved_supernet import read_inherited
from trainables.tune.supernet_score import SupernetScore

PATHLESS = "transnasbench101:64-41414-0_00_000"
CONSTANTS = {"task": "osuleaf", "space": "transnasbench101", "protocol": "short", "preset": "small", "epochs": 1}
NAMES = ("rsps.0", "rsps.1")


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with a run of two supernets, of which the second is not trained."""
    storage = tmp_path_factory.mktemp("runs")
    names = [{"model": name, "method": "rsps", "seed": seed} for seed, name in enumerate(NAMES)]
    checkpoint = storage / "sn" / "trial" / "checkpoint_000000"
    checkpoint.mkdir(parents=True)
    (storage / "sn" / "supernets.json").write_text(json.dumps({"constants": CONSTANTS, "supernets": names}))
    trained = SupernetTrainable.__new__(SupernetTrainable)
    trained.setup({**CONSTANTS, **names[0], "device": "cpu", "batch_size": 32, "num_samples": 2})
    assert trained.step()["done"]
    trained.save_checkpoint(str(checkpoint))
    return storage


def config(storage: Path, proxy: str, **changed: Any) -> SearchConfig:
    given = {"task": "osuleaf", "space": "transnasbench101", "storage": storage, "proxy": proxy}
    return SearchConfig(**{**given, **changed})


@pytest.mark.long
def test_its_scores_are_those_of_the_supernet(storage: Path) -> None:
    asked = config(storage, "supernet:sn:rsps.0", searcher="naswot")
    check_config(asked)
    task = get_task("osuleaf")
    score = zero_cost_score(asked, task, task.load_checked(None))
    assert isinstance(score, SupernetScore)
    space = Architectures.of([PATHLESS]).space
    archs = Architectures.of([*space.sample_many(3, np.random.default_rng(0)), PATHLESS])
    threads = torch.get_num_threads()
    scores = score(archs)
    assert np.isnan(scores[3])
    assert ((scores[:3] >= 0) & (scores[:3] <= 1)).all()
    assert np.array_equal(score(archs[[2, 0]]), scores[[2, 0]])
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("proxy", "changed", "message"),
    [
        ("supernet:other", {}, "holds no supernets: name a run of `mpnas supernet`"),
        ("supernet:sn", {}, r"holds several supernets: name one, such as supernet:sn:rsps.0"),
        ("supernet:sn:rsps.2", {}, "There is no supernet 'rsps.2'. There are: rsps.0, rsps.1"),
        ("supernet:sn:rsps.1", {}, "is not trained to its end"),
        (
            "supernet:sn:rsps.0",
            {"space": "nasbench201"},
            "transnasbench101 on osuleaf, and this search is of nasbench201",
        ),
        ("supernet:sn:rsps.0", {"task": "digits"}, "on osuleaf, and this search is of transnasbench101 on digits"),
    ],
)
def test_other_supernets_are_refused(storage: Path, proxy: str, changed: dict[str, Any], message: str) -> None:
    asked = config(storage, proxy, **changed)
    with pytest.raises(RunError, match=message):
        supernet_score(asked, get_task(asked.task))
    assert not (storage / "other").exists()


def test_a_one_shot_search_begins_with_the_cells_that_were_chosen(storage: Path) -> None:
    """And goes on with the best of the others; limits hold for chosen cells, too."""
    asked = config(storage, "supernet:sn:rsps.0", searcher="oneshot")
    check_config(asked)
    (chosen,) = chosen_cells(asked)
    task = get_task("osuleaf")

    def count_convolutions(archs: Architectures) -> NDArray[np.float64]:
        return np.asarray((archs.codes == 3).sum(axis=1), dtype=np.float64)

    searcher = make_searcher(asked, task, None, count_convolutions)
    assert searcher.suggest("first") == {"arch": chosen}
    others = [searcher.suggest(f"trial-{number}")["arch"] for number in range(3)]
    assert chosen not in others
    counts = count_convolutions(Architectures.of(others))
    assert (np.diff(counts) <= 0).all()
    forbidden = make_searcher(asked, task, lambda archs: [str(arch) != chosen for arch in archs], count_convolutions)
    assert forbidden.suggest("first") != {"arch": chosen}


@pytest.mark.parametrize("proxy", [None, "naswot"])
def test_a_one_shot_search_needs_a_supernet(storage: Path, proxy: str | None) -> None:
    with pytest.raises(RunError, match="oneshot needs a supernet: --proxy supernet:RUN"):
        check_config(config(storage, proxy, searcher="oneshot"))  # type: ignore[arg-type]


def test_networks_start_from_the_weights_that_the_supernet_holds(storage: Path) -> None:
    asked = config(storage, None, weights="supernet:sn:rsps.0")  # type: ignore[arg-type]
    check_config(asked)
    task = get_task("osuleaf")
    checkpoint = supernet_weights(asked, task)
    assert checkpoint is not None
    arch = "transnasbench101:64-41414-1_01_123"
    trial = {"arch": arch, "task": "osuleaf", "preset": "small", "epochs": 1, "device": "cpu", "seed": 3}
    cold, warm = (CellTrainable.__new__(CellTrainable) for _ in range(2))
    cold.setup(trial)
    warm.setup({**trial, "weights": checkpoint})
    random, started = (each._training.state_dict()["network"] for each in (cold, warm))
    held = read_inherited(checkpoint, arch, task, "small")
    assert started.keys() == held.keys() == random.keys()
    assert all(torch.equal(started[name], held[name]) for name in held)
    assert not torch.equal(started["head.weight"], random["head.weight"])
    assert warm.step()["train_loss"] != cold.step()["train_loss"]


@pytest.mark.parametrize(
    ("weights", "changed", "message"),
    [
        ("supernet:sn:rsps.1", {}, "is not trained to its end"),
        ("supernet:sn:rsps.0", {"space": "nasbench201"}, "of its own space and task alone"),
        ("supernet:sn:rsps.0", {"preset": "paper"}, "is of preset 'small', not 'paper'"),
    ],
)
def test_weights_of_another_supernet_are_refused(
    storage: Path, weights: str, changed: dict[str, Any], message: str
) -> None:
    asked = config(storage, None, weights=weights, **changed)  # type: ignore[arg-type]
    with pytest.raises((RunError, TaskError), match=message):
        supernet_weights(asked, get_task(asked.task))


def test_weights_are_those_of_a_supernet(storage: Path) -> None:
    with pytest.raises(RunError, match="such as supernet:sn for the run sn"):
        check_config(config(storage, None, weights="sn"))  # type: ignore[arg-type]
