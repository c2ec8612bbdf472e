"""NumPy archives: arrays of several forms, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mpnas_ray.errors import TaskError
from trainables import DataOptions, get_task
from trainables.tasks.sources.npz import read_npz

RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(30, 2, 16))
HALVES = np.arange(30) % 2


def archive(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def refused(file: Path, options: DataOptions | None = None) -> str:
    with pytest.raises(TaskError) as error:
        get_task(f"npz:{file}", options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_digits(own_data: Path) -> None:
    from sklearn.datasets import load_digits

    samples = read_npz(str(own_data / "digits.npz"), DataOptions())
    np.testing.assert_array_equal(samples.inputs[:, 0], load_digits().images[:300])
    task = get_task(f"npz:{own_data / 'digits.npz'}")
    assert (task.name, task.num_outputs, task.metric.name) == ("npz-digits", 10, "accuracy")
    assert task.classes == tuple(map(str, range(10)))


@pytest.mark.parametrize(
    ("inputs", "form", "shape"),
    [
        (np.arange(60).reshape(30, 2), "features", (1, 2)),
        (SERIES, "series", (2, 16)),
        (
            np.zeros((30, 3, 4, 5), dtype=np.uint8) + np.arange(30, dtype=np.uint8)[:, None, None, None],
            "images",
            (3, 4, 5),
        ),
    ],
)
def test_forms(tmp_path: Path, inputs: Any, form: str, shape: tuple[int, ...]) -> None:
    samples = read_npz(str(archive(tmp_path, inputs=inputs, targets=HALVES)), DataOptions())
    assert (samples.form, samples.inputs.shape[1:], samples.inputs.dtype) == (form, shape, np.float32)


@pytest.mark.parametrize(
    ("targets", "kind", "num_outputs"),
    [
        (HALVES, "classes", 2),
        (np.array(["no", "yes"])[HALVES], "classes", 2),
        (RNG.normal(size=30), "values", 1),
        (RNG.normal(size=(30, 3)), "values", 3),
        (RNG.integers(0, 2, size=(30, 3)), "labels", 3),
        (RNG.normal(size=(30, 2, 16)), "values", 2),
    ],
)
def test_targets(tmp_path: Path, targets: Any, kind: str, num_outputs: int) -> None:
    file = archive(tmp_path, inputs=SERIES, targets=targets)
    found = read_npz(str(file), DataOptions()).targets
    assert (found.kind, found.num_outputs) == (kind, num_outputs)
    task = get_task(f"npz:{file}")
    task.load_checked(None)
    assert task.dense == (targets.ndim == 3)


def test_parts_of_its_own(tmp_path: Path) -> None:
    """Parts that a file does not have are dealt out of its training part."""
    parts = {"train_inputs": SERIES, "train_targets": HALVES, "test_inputs": SERIES[:7], "test_targets": HALVES[:7]}
    data = get_task(f"npz:{archive(tmp_path, **parts)}").load_checked(None)
    assert [len(split) for split in vars(data).values()] == [24, 6, 7]
    torch.testing.assert_close(data.test.inputs, torch.from_numpy(SERIES[:7]).float())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        pytest.param({"inputs": SERIES}, "has no array 'targets'; it has inputs", id="no targets"),
        pytest.param(
            {"input": SERIES, "targets": HALVES}, "has no array 'inputs'; it has input, targets", id="similar"
        ),
        pytest.param(
            {"inputs": SERIES, "targets": HALVES, "names": HALVES}, "an array 'names', which is not", id="more"
        ),
        pytest.param({"inputs": SERIES, "targets": HALVES[:9]}, "there are 30 inputs and 9 targets", id="lengths"),
        pytest.param({"inputs": SERIES[:, 0, 0], "targets": HALVES}, "inputs have shape [30]", id="one axis"),
        pytest.param({"inputs": SERIES * np.nan, "targets": HALVES}, "hold NaN or infinite", id="nan"),
        pytest.param({"inputs": SERIES + 1j, "targets": HALVES}, "must be numbers", id="complex"),
        pytest.param({"inputs": SERIES, "targets": SERIES[:, :, :9]}, "targets have shape [30, 2, 9]", id="positions"),
        pytest.param({"inputs": np.array([{}] * 30), "targets": HALVES}, "holds Python objects", id="objects"),
        pytest.param(
            {"train_inputs": SERIES, "train_targets": HALVES, "test_inputs": SERIES[:, :, :9], "test_targets": HALVES},
            "must be like train_inputs, float64 [30, 2, 16]",
            id="unlike train",
        ),
    ],
)
def test_refusals(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    assert message in refused(archive(tmp_path, **arrays))


def test_no_archive(tmp_path: Path) -> None:
    assert "There is no file" in refused(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("x")
    assert "cannot be read as a NumPy archive" in refused(tmp_path / "text.npz")
    (tmp_path / "empty.npz").touch()
    assert "is empty" in refused(tmp_path / "empty.npz")


def test_more_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = archive(tmp_path, inputs=SERIES, targets=HALVES)
    monkeypatch.setattr("os.sysconf", lambda name: 1)
    assert "unpacked, would take 0.0 GB of memory" in refused(file)
