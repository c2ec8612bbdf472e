from __future__ import annotations

import copy
import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import KINDS, Architecture, get_space
from trainables import get_task
from trainables.networks.network import build_network
from trainables.oneshot.gates import gates_of
from trainables.oneshot.methods import get_method, method_names, register_method, settings_of
from trainables.oneshot.relaxations import uniform
from trainables.oneshot.search import Batch, Search
from trainables.oneshot.supernet import inherited_weights
from trainables.oneshot.training import SupernetTraining
from trainables.training.data import PreparedData

MakeTraining = Callable[..., SupernetTraining]

SOON = ["oneshot", "rsps", "enas", "darts2", "gdas", "drnas", "darts-pt", "rdarts-dp"]
"""Methods that together use every part of the state."""


def without_seconds(record: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in record.items() if name != "seconds"}


def saved(training: SupernetTraining) -> dict[str, object]:
    file = io.BytesIO()
    torch.save(training.state_dict(), file)
    file.seek(0)
    state: dict[str, object] = torch.load(file, weights_only=True)
    return state


def assert_equal(one: object, other: object) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)  # type: ignore[arg-type]
    elif isinstance(one, dict):
        assert one.keys() == other.keys()  # type: ignore[attr-defined]
        for key in one:
            assert_equal(one[key], other[key])  # type: ignore[index]
    elif isinstance(one, list):
        for first, second in zip(one, other, strict=True):  # type: ignore[call-overload]
            assert_equal(first, second)
    else:
        assert one == other


@pytest.mark.long
@pytest.mark.parametrize(
    "method", [name if name in SOON else pytest.param(name, marks=pytest.mark.slow) for name in method_names()]
)
def test_a_restored_search_goes_on_bit_for_bit(make_training: MakeTraining, method: str) -> None:
    whole = make_training(method)
    records = []
    while not whole.finished:
        records.append(whole.run_epoch())
    first = make_training(method)
    at = 1 if whole.num_epochs == 3 else 4  # while slots are projected
    for _ in range(at):
        first.run_epoch()
    second = make_training(method)
    second.load_state_dict(saved(first))
    for expected in records[at:]:
        assert without_seconds(second.run_epoch()) == without_seconds(expected)
    assert_equal(second.state_dict(), whole.state_dict())
    assert second.finished
    assert second.arch == whole.arch


@pytest.mark.slow
@pytest.mark.parametrize("method", method_names())
@pytest.mark.parametrize(
    ("space", "family"),
    [
        ("nasbench101", None),
        ("nasbench201", None),
        ("nasbenchasr", None),
        ("mixed", None),
        ("mixed", "nasbench101"),
        ("mixed", "nasbench201"),
        ("mixed", "nasbenchasr"),
    ],
)
def test_every_method_on_every_space_that_fits(
    make_training: MakeTraining, method: str, space: str, family: str | None
) -> None:
    free = space == "nasbench101" or (space == "mixed" and family in (None, "nasbench101"))
    if free and get_method(method).needs_slots:
        with pytest.raises(TaskError, match="take a method that samples cells"):
            make_training(method, space, family)
        return
    training = make_training(method, space, family, epochs=1)
    while not training.finished:
        result = training.run_epoch()
    assert result["arch"] in get_space(space)
    assert 0 <= result["validation_accuracy"] <= 1
    assert result["arch"].startswith(f"mixed:{family}:" if family else space)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["darcy16", "splice", "digits"])
@pytest.mark.parametrize("method", ["rsps", "enas", "darts", "darts-pt"])
def test_fields_images_and_series(task: str, method: str) -> None:
    data = PreparedData(get_task(task), None, torch.device("cpu"))
    settings = settings_of(get_method(method), epochs=1, num_samples=2, policy_steps=1, tune_epochs=1)
    training = SupernetTraining(
        get_task(task), data, space="transnasbench101", method=method, preset="small", settings=settings
    )
    result = training.run_epoch()
    assert np.isfinite(result[get_task(task).metric_key])


def test_a_step_leaves_weights_of_operations_not_drawn_as_they_were(make_training: MakeTraining) -> None:
    """Not even momentum and weight decay move them, nor do their statistics change."""
    training = make_training("rsps", "nasbench201")
    training.run_epoch()
    search = training.search
    search.begin(7)
    arch = search.skeleton.sample(1, np.random.default_rng([0, 7]))[0]
    used = {f"operations.{v}.{KINDS[kind]}" for v, kinds in gates_of(arch).operations.items() for kind in kinds}
    before = copy.deepcopy(search.net.state_dict())
    training._step_weights(search.random_batch(search.data.weights))
    moved = set()
    for name, value in search.net.state_dict().items():
        if not torch.equal(value, before[name]) and ".operations." in name:
            moved.add(".".join(name.split(".")[2:5]))
    assert moved
    assert moved <= used


def test_ghosts_are_parts_of_a_batch_with_statistics_of_their_own(make_training: MakeTraining) -> None:
    """The gradient of a batch of two ghosts is the mean of those of its halves; with one ghost, it is a plain step."""
    settings = {"path_dropout": 0.0, "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0, "clip_norm": None}
    moved, expected = [], []
    for ghosts in (1, 2):
        training = make_training("oneshot", ghosts=ghosts, **settings)
        net, data = training.search.net, training.search.data
        batch = Batch(data.weights.inputs[:8], data.weights.targets[:8])
        weight = net.stem[0].weight
        before = weight.detach().clone()
        training._step_weights(batch)
        moved.append(before - weight.detach())
        other = make_training("oneshot", ghosts=ghosts, **settings).search
        gates = other.method.weight_gates(other)
        for inputs, targets in zip(batch.inputs.chunk(ghosts), batch.targets.chunk(ghosts), strict=True):
            (data.loss(other.net(inputs, gates), targets) / ghosts).backward()
        group = training.search.weight_optimizer.param_groups[0]
        expected.append(group["lr"] * other.net.stem[0].weight.grad)
    assert torch.allclose(moved[0], expected[0], atol=1e-7)
    assert torch.allclose(moved[1], expected[1], atol=1e-7)
    assert not torch.allclose(moved[0], moved[1], atol=1e-5)


@pytest.mark.long
def test_curvature_that_grows_ends_the_search_with_the_earlier_cell(
    make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([1.0] * 6 + [2.0, 4.0, 8.0, 16.0])
    monkeypatch.setattr("trainables.oneshot.stopping.largest_curvature", lambda _search, _batch: next(values))
    training = make_training("darts-es", epochs=40, arch_learning_rate=0.5)
    archs = []
    while not training.finished:
        result = training.run_epoch()
        archs.append(training.search.history[-1]["arch"])
    assert training.epoch == 15  # the eighth evaluation: means of five 2.0 and, four before, 1.0
    assert result["stopped"] == "the curvature has grown since epoch 6"
    assert result["arch"] == str(training.arch) == archs[6]
    assert result["curvature"] == 4.0


@pytest.mark.parametrize("what", ["logits", "weights"])
def test_numbers_that_are_not_finite_end_the_search_with_the_last_good_cell(
    make_training: MakeTraining, what: str
) -> None:
    training = make_training("darts")
    good = training.run_epoch()["arch"]
    search = training.search
    broken = search.logits.operations if what == "logits" else search.net.stem[0].weight
    broken.data.view(-1)[0] = torch.nan
    result = training.run_epoch()
    assert training.finished
    assert result["stopped"] == "loss or logits are not finite"
    assert result["arch"] == good
    assert np.isnan(result["validation_accuracy"])
    at_once = make_training("darts")
    at_once.search.net.stem[0].weight.data.fill_(torch.nan)
    with pytest.raises(TaskError, match="take a smaller learning rate"):
        at_once.run_epoch()


def test_logits_wait_for_their_first_epoch(make_training: MakeTraining) -> None:
    training = make_training("pc-darts", arch_from_epoch=1)
    before = training.search.logits.operations.detach().clone()
    training.run_epoch()
    assert torch.equal(training.search.logits.operations, before)
    training.run_epoch()
    assert not torch.equal(training.search.logits.operations, before)


def test_fixed_logits_stay(make_training: MakeTraining) -> None:
    training = make_training("darts-pt-fixed")
    before = training.search.logits.operations.detach().clone()
    training.run_epoch()
    assert torch.equal(training.search.logits.operations, before)


def test_the_halves_are_disjoint_and_sampling_takes_all(make_training: MakeTraining) -> None:
    halved, whole = make_training("darts").search.data, make_training("rsps").search.data
    assert len(halved.weights) + len(halved.alphas) == len(whole.weights) == 24
    both = torch.cat([halved.weights.inputs, halved.alphas.inputs]).flatten(1)
    assert len(both.unique(dim=0)) == 24
    assert len(halved.validation) == 12


def test_the_chosen_network_inherits_its_weights(make_training: MakeTraining) -> None:
    training = make_training("rsps")
    training.run_epoch()
    arch, net = training.arch, training.search.net.eval()
    network = build_network(arch, (1, 8), 3, preset="small").eval()
    network.load_state_dict(inherited_weights(net, arch))
    inputs = training.search.data.validation.inputs
    assert torch.equal(network(inputs), net(inputs, gates_of(arch)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "dart"}, "There is no one-shot method 'dart'.*Did you mean 'darts'"),
        ({"method": "darts", "space": "nasbench101"}, r"take a method that samples cells \(oneshot, rsps, enas\)"),
        ({"method": "darts", "space": "mixed"}, "one of its families, nasbench201 or nasbenchasr"),
        ({"method": "darts", "batch_size": 13}, "24 samples, half of which fits.*too few for batches of 13"),
        ({"method": "rsps", "batch_size": 25}, "24 samples: too few for batches of 25"),
        ({"method": "pc-darts", "partial": 3}, "8 channels cannot be parted into 3"),
        ({"method": "darts", "epoch": 3}, "has no setting 'epoch'. Did you mean 'epochs'"),
        ({"method": "darts", "norm": "batches"}, "norm must be one of calibrated, batch and running"),
        ({"method": "gdas", "temperature": (10.0, 0.0)}, "Each of temperature must be above 0"),
        ({"method": "gdas", "temperature": 10.0}, "temperature must be a tuple of two numbers"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    make_training: MakeTraining, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(TaskError, match=message):
        make_training(**arguments)


def test_a_checkpoint_of_another_search_is_refused(make_training: MakeTraining) -> None:
    training = make_training("darts")
    state = saved(training)
    with pytest.raises(TaskError, match="method 'darts', not 'darts2'"):
        make_training("darts2").load_state_dict(state)
    with pytest.raises(TaskError, match="space 'transnasbench101', not 'nasbench201'"):
        make_training("darts", "nasbench201").load_state_dict(state)
    state["identity"]["task"] = "digits"  # type: ignore[index]
    with pytest.raises(TaskError, match="task 'digits', not 'waves'"):
        training.load_state_dict(state)


def test_a_method_of_the_users_own(make_training: MakeTraining, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.oneshot.methods._METHODS", dict.fromkeys(()))

    def last_drawn(search: Search, last: bool) -> Architecture:
        return search.skeleton.sample(1, search.rng)[0]

    rsps = replace(_RSPS, name="mine", weight_gates=uniform, choose=last_drawn)
    register_method(rsps)
    register_method(rsps)
    training = make_training("mine")
    assert training.run_epoch()["arch"] in get_space("transnasbench101")
    with pytest.raises(TaskError, match="already a one-shot method 'mine'"):
        register_method(replace(rsps, description="another"))


_RSPS = get_method("rsps")


def test_protocols_have_names() -> None:
    for name in method_names():
        method = get_method(name)
        assert settings_of(method, "authors") == method.authors
        assert settings_of(method) == method.short
    with pytest.raises(TaskError, match="protocol must be one of short and authors"):
        settings_of(_RSPS, "author")
