from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mpnas_ray.errors import TaskError
from trainables import Recipe, Split, Task, TaskData, accuracy, cross_entropy, darcy_task, get_task, relative_l2
from trainables.networks.scaling import Decoder, Encoder, fit_scaling
from trainables.tasks.core.cache import cached_arrays
from trainables.tasks.core.task import register_task, task_names
from trainables.tasks.datasets.darcy import sample_permeability, solve_darcy

CENTRE = 0.07367135328  # u(1/2, 1/2) of -Laplace u = 1, u = 0 on the boundary: summed Fourier series, below


def test_darcy_with_constant_permeability_has_the_analytic_centre_value() -> None:
    odd = np.arange(1, 400, 2)
    signs = (-1.0) ** ((odd - 1) // 2)
    series = 16 / np.pi**4 * (np.outer(signs, signs) / (np.outer(odd, odd) * (odd[:, None] ** 2 + odd**2))).sum()
    assert series == pytest.approx(CENTRE, abs=1e-8)
    errors = [abs(solve_darcy(np.ones((1, s, s)))[0, s // 2, s // 2] - CENTRE) for s in (21, 41, 81)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx([2.0, 2.0], abs=0.05)
    assert errors[-1] < 1e-5


def test_darcy_with_smooth_permeability_conserves_mass_and_converges_to_second_order() -> None:
    def residual(s: int) -> float:
        x = np.linspace(0, 1, s)
        a = np.broadcast_to(1 + x[:, None], (s, s))
        u = solve_darcy(a[None])[0]
        h = x[1]
        mid = (a[1:] + a[:-1]) / 2
        flux_x = mid[:, 1:-1] * np.diff(u[:, 1:-1], axis=0) / h
        flux_y = ((a[:, 1:] + a[:, :-1]) / 2)[1:-1] * np.diff(u[1:-1], axis=1) / h
        divergence = np.diff(flux_x, axis=0) / h + np.diff(flux_y, axis=1) / h
        return float(np.abs(divergence + 1).max())

    assert residual(17) < 1e-9
    fine = solve_darcy(np.broadcast_to(1 + np.linspace(0, 1, 161)[:, None], (1, 161, 161)))[0, ::4, ::4]
    coarse = [solve_darcy(np.broadcast_to(1 + np.linspace(0, 1, s)[:, None], (1, s, s)))[0] for s in (11, 21, 41)]
    errors = [np.abs(u - fine[:: 40 // (len(u) - 1), :: 40 // (len(u) - 1)]).max() for u in coarse]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.15)


def test_darcy_fields() -> None:
    fields = sample_permeability(200, 17, np.random.default_rng(0))
    assert set(np.unique(fields)) == {3.0, 12.0}
    assert (fields == 12).mean() == pytest.approx(0.5, abs=0.03)
    pressure = solve_darcy(fields)
    assert (pressure[:, 0] == 0).all()
    assert (pressure[:, 1:-1, 1:-1] > 0).all()


def test_darcy_is_kept_on_disk_and_parts_differ(data_dir: Path) -> None:
    task = darcy_task("tiny", resolution=9, num_train=6, num_validation=4, num_test=5)
    first = task.load_checked(data_dir)
    assert [len(part) for part in (first.train, first.validation, first.test)] == [6, 4, 5]
    before = {path: path.stat().st_mtime_ns for path in data_dir.iterdir()}
    second = task.load_checked(data_dir)
    assert {path: path.stat().st_mtime_ns for path in data_dir.iterdir()} == before
    assert torch.equal(first.test.targets, second.test.targets)
    assert not torch.equal(first.train.inputs[:4], first.validation.inputs)
    other_seed = darcy_task("tiny", resolution=9, num_train=6, num_validation=4, num_test=5, seed=1)
    assert not torch.equal(other_seed.load_checked(data_dir).train.inputs, first.train.inputs)


def test_damaged_and_unwritable_caches_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 not an archive")
    with pytest.raises(TaskError, match="delete it"):
        cached_arrays(tmp_path, "a.npz", dict)
    (tmp_path / "file").touch()
    with pytest.raises(TaskError, match="cannot be written"):
        cached_arrays(tmp_path / "file", "b.npz", lambda: {"x": np.zeros(1, dtype=np.float32)})


def test_digits_are_split_without_overlap() -> None:
    data = get_task("digits").load_checked(None)
    parts = (data.train, data.validation, data.test)
    assert [len(part) for part in parts] == [1197, 300, 300]
    images = torch.cat([part.inputs for part in parts]).flatten(1)
    assert len(images) == 1797
    assert len(torch.unique(images, dim=0)) == 1797
    for part in parts:
        assert torch.bincount(part.targets, minlength=10).min() >= len(part) * 0.09


def test_relative_l2_by_hand() -> None:
    targets = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    outputs = torch.tensor([[3.0, 1.0], [0.0, 2.0]])
    assert float(relative_l2(outputs, targets)) == pytest.approx((3 / 5 + 0) / 2)


@pytest.mark.parametrize("scaling", ["channel", "position"])
def test_encoding_standardises_the_training_part_and_decoding_inverts_it(scaling: str) -> None:
    values = torch.randn(64, 2, 5, 5) * 7 + 3
    values[:, :, 0, 0] = 0.0  # a boundary: no deviation there
    mean, deviation = fit_scaling(values, scaling)
    encoded = Encoder(mean, deviation, coordinates=False)(values)
    assert torch.isfinite(encoded).all()
    assert encoded.mean().abs() < 1e-3
    assert torch.allclose(Decoder(mean, deviation)(encoded), values, atol=1e-4)


def test_coordinates_run_from_0_to_1() -> None:
    encoded = Encoder(torch.zeros(1, 1, 1), torch.ones(1, 1, 1), coordinates=True)(torch.zeros(2, 1, 3, 5))
    assert encoded.shape == (2, 3, 3, 5)
    assert encoded[0, 1, :, 0].tolist() == [0.0, 0.5, 1.0]
    assert encoded[1, 2, 0].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]


def make_task(inputs: torch.Tensor, targets: torch.Tensor, **changes: object) -> Task:
    split = Split(inputs, targets)
    fields = {"num_outputs": 3, "loss": cross_entropy, "metric": accuracy, "recipe": Recipe()}
    return Task("bad", lambda _: TaskData(split, split, split), **{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("inputs", "targets", "changes", "named"),
    [
        (torch.zeros(0, 1, 4), torch.zeros(0, dtype=torch.int64), {}, "0 inputs"),
        (torch.zeros(4, 1, 4), torch.zeros(3, dtype=torch.int64), {}, "4 inputs and 3 targets"),
        (torch.zeros(4, 4), torch.zeros(4, dtype=torch.int64), {}, "must be float32"),
        (torch.full((4, 1, 4), math.nan), torch.zeros(4, dtype=torch.int64), {}, "NaN"),
        (torch.zeros(4, 1, 4), torch.tensor([0, 1, 2, 3]), {}, "labels from 0 to 3"),
        (torch.zeros(4, 1, 4), torch.zeros(4, 1, 5), {"dense": True, "num_outputs": 1}, "dense ones"),
    ],
)
def test_data_that_nothing_could_be_trained_on_are_refused(
    inputs: torch.Tensor,
    targets: torch.Tensor,
    changes: dict,
    named: str,  # type: ignore[type-arg]
) -> None:
    with pytest.raises(TaskError, match=f"train part.*{named}"):
        make_task(inputs, targets, **changes).load_checked(None)


def test_names_of_tasks(tmp_path: Path) -> None:
    assert {"darcy", "digits"} <= set(task_names())
    with pytest.raises(TaskError, match=r"There are: .*darcy"):
        get_task("darsy")
    with pytest.raises(TaskError, match=r"Did you mean 'images'\?"):
        get_task("image:flowers")
    with pytest.raises(TaskError, match="cannot be imported"):
        get_task("no_such_module:TASK")
    with pytest.raises(TaskError, match="not a Task"):
        get_task("math:pi")
    with pytest.raises(TaskError, match="another name"):
        register_task(darcy_task("darcy", resolution=17))


@pytest.mark.long
def test_a_task_in_a_users_module_is_found_where_the_command_is_started(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from trainables import darcy_task\nTASK = darcy_task('mine', resolution=9)\n")
    code = "import sys; sys.path.remove(''); from trainables import get_task; print(get_task('mine:TASK').name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "mine"
