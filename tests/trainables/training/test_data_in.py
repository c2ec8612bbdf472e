"""Data on disk train networks as data in memory do, bit for bit, and are chosen where memory is small."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mpnas_ray.errors import TaskError
from trainables import DataOptions, Task, darcy_task, get_task
from trainables.networks import scaling
from trainables.networks.scaling import fit_scaling
from trainables.training import data as data_module
from trainables.training import parts as parts_module
from trainables.training.data import PreparedData, encoded_bytes
from trainables.training.loop import Training
from trainables.training.memory import choose_data_in, device_memory
from trainables.training.parts import PartInMemory, PartOnDisk

ARCH = "nasbench201:|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPNAS_CACHE_DIR", str(tmp_path / "cache"))


def archive(folder: Path, shape: tuple[int, ...]) -> str:
    rng = np.random.default_rng(0)
    np.savez(folder / "noise.npz", inputs=rng.normal(2, 3, (50, *shape)), targets=np.arange(50) % 3)
    return f"npz:{folder / 'noise.npz'}"


CASES: dict[str, Any] = {
    "grey images": ((1, 8, 8), DataOptions(augment="flip,crop,cutout")),
    "coloured images": ((3, 8, 8), DataOptions(augment="crop,mixup")),
    "series": ((2, 16), DataOptions(augment="jitter,scaling")),
    "features": ((6,), DataOptions()),
}


def task_of(case: str, folder: Path) -> Task:
    if case == "darcy":  # coordinates, and targets at every position that are scaled
        return darcy_task("tiny", resolution=9, num_train=21, num_validation=10, num_test=10)
    shape, options = CASES[case]
    return get_task(archive(folder, shape), options)


def trained(training: Training, epochs: int) -> list[tuple[float, float]]:
    results = [training.run_epoch() for _ in range(epochs)]
    return [(result[training.task.metric_key], result["train_loss"]) for result in results]


def assert_same_weights(one: Training, other: Training) -> None:
    theirs = other.network.state_dict()
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name


@pytest.mark.parametrize("case", [*CASES, "darcy"])
def test_networks_come_out_bit_for_bit_the_same(case: str, tmp_path: Path, data_dir: Path) -> None:
    """Also where a training goes on from a checkpoint of one that had its data elsewhere."""
    task = task_of(case, tmp_path)
    task = replace(task, recipe=replace(task.recipe, epochs=2, batch_size=8))
    memory, disk = (PreparedData(task, data_dir, CPU, data_in=place) for place in ("memory", "disk"))
    assert isinstance(memory.parts["train"], PartInMemory)
    assert isinstance(disk.parts["train"], PartOnDisk)
    assert memory.encoded_shape == disk.encoded_shape == tuple(memory.parts["train"].inputs.shape[1:])
    one, other, resumed = (Training(ARCH, task, data, preset="small") for data in (memory, disk, disk))
    first = trained(one, 1)
    resumed.load_state_dict(deepcopy(one.state_dict()))
    expected = first + trained(one, 1)
    torch.manual_seed(999)  # another process has another global state
    assert trained(other, 2) == expected
    assert trained(resumed, 1) == expected[1:]
    for training in (other, resumed):
        assert_same_weights(one, training)
        assert training.score("test") == one.score("test")
        assert torch.equal(training.predict("test"), one.predict("test"))


def test_reading_does_not_change_what_a_network_draws(tmp_path: Path) -> None:
    task = task_of("coloured images", tmp_path)
    task = replace(task, recipe=replace(task.recipe, epochs=1, batch_size=8))
    results = []
    for place in ("memory", "disk"):
        training = Training(ARCH, task, PreparedData(task, None, CPU, data_in=place), preset="small")
        torch.manual_seed(1)
        drawn: list[float] = []
        training.network.register_forward_hook(lambda *_, drawn=drawn: drawn.append(float(torch.rand(()))))
        trained(training, 1)
        results.append(drawn)
    assert results[0] == results[1]


def test_batches_are_the_same_by_any_number_of_processes(tmp_path: Path) -> None:
    part = PreparedData(task_of("coloured images", tmp_path), None, CPU, data_in="disk").parts["train"]
    assert isinstance(part, PartOnDisk)
    order = [torch.tensor([3, 1]), slice(5, 9), torch.tensor([0])]
    alone, helped = list(part._read(order, 0)), list(part._read(order, 2))
    assert [len(inputs) for inputs, _ in alone] == [2, 4, 1]
    for (inputs, targets), (their_inputs, their_targets) in zip(alone, helped, strict=True):
        assert torch.equal(inputs, their_inputs)
        assert torch.equal(targets, their_targets)
        assert inputs.stride() == their_inputs.stride()


def test_the_disk_is_taken_where_the_memory_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task = task_of("coloured images", tmp_path)
    assert PreparedData(task, None, CPU).data_in == "memory"
    assert PreparedData(task, None, CPU, memory=1_000).data_in == "disk"
    assert "more than 0.5 of the memory for a training, 1e-06 GB: batches are read from" in caplog.text
    assert PreparedData(task, None, CPU, memory=1_000, data_in="memory").data_in == "memory"
    monkeypatch.setattr("trainables.training.memory.MEMORY_SHARE", 1e-9)
    assert PreparedData(task, None, CPU).data_in == "disk"
    monkeypatch.setattr(data_module, "device_memory", lambda device: None)
    assert PreparedData(task, None, CPU).data_in == "memory", "as of a machine that does not tell"


def test_the_choice(tmp_path: Path) -> None:
    assert choose_data_in("auto", 50, 100) == "memory"
    assert choose_data_in("auto", 51, 100) == "disk"
    assert choose_data_in("disk", 1, 100) == "disk"
    with pytest.raises(TaskError, match="data_in"):
        choose_data_in("ram", 1, 100)
    memory = device_memory(CPU)
    assert memory is not None
    assert memory > 10**8
    task = darcy_task("tiny", resolution=9, num_train=21, num_validation=10, num_test=10)
    data = task.load_checked(tmp_path)
    assert encoded_bytes(task, data) == 41 * 81 * 4 * (3 + 1), "the field, two coordinates and the target"


def test_data_of_any_task_are_put_on_disk_once(tmp_path: Path, data_dir: Path) -> None:
    task = darcy_task("tiny", resolution=9, num_train=21, num_validation=10, num_test=10)
    before = PreparedData(task, data_dir, CPU, data_in="disk").parts["train"]
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.npy")}
    assert len(files) == 6
    PreparedData(task, data_dir, CPU, data_in="disk")
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.npy")} == files
    assert torch.equal(before.targets, task.load_checked(data_dir).train.targets)


@pytest.mark.parametrize("case", ["grey images", "coloured images", "series"])
def test_data_are_encoded_in_pieces(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(case, tmp_path)
    whole = PreparedData(task, None, CPU).parts["train"]
    monkeypatch.setattr(parts_module, "_PIECE", 400)
    pieces = PreparedData(task, None, CPU).parts["train"]
    assert isinstance(whole, PartInMemory)
    assert isinstance(pieces, PartInMemory)
    assert torch.equal(whole.inputs, pieces.inputs)
    assert whole.inputs.stride() == pieces.inputs.stride()


@pytest.mark.parametrize("scaled", ["channel", "position"])
@pytest.mark.parametrize("shape", [(103, 3, 5, 4), (103, 6)])
def test_scaling_of_data_read_in_pieces(
    scaled: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = torch.from_numpy(np.random.default_rng(0).normal(1e3, 2, shape).astype(np.float32))
    expected = fit_scaling(values, scaled)
    monkeypatch.setattr(scaling, "_AT_ONCE", 1_000)
    found = fit_scaling(values, scaled)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=0)
