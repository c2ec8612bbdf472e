from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from mpnas_ray.errors import TaskError
from trainables import get_task, spherical_digits_task
from trainables.tasks.datasets.cifar import AlterImages, load_cifar100
from trainables.tasks.datasets.digits import load_digit_parts
from trainables.tasks.datasets.spherical import load_spherical, project, random_rotation
from trainables.training.data import PreparedData


def cifar_part(count: int, seed: int) -> dict[str, object]:
    """A part of the Python version, as its page describes it."""
    rng = np.random.default_rng(seed)
    return {
        "data": rng.integers(256, size=(count, 3072), dtype=np.uint8),
        "fine_labels": rng.integers(100, size=count).tolist(),
        "coarse_labels": [0] * count,
        "filenames": ["a.png"] * count,
        "batch_label": "training batch 1 of 1",
    }


def write_archive(path: Path, parts: dict[str, dict[str, object]]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, part in parts.items():
            content = pickle.dumps(part, 2)
            member = tarfile.TarInfo(f"cifar-100-python/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_cifar100_reads_the_archive_and_what_it_unpacks_to(tmp_path: Path) -> None:
    parts = {"train": cifar_part(20, 0), "test": cifar_part(6, 1)}
    archive = tmp_path / "cifar-100-python.tar.gz"
    write_archive(archive, parts)
    data = load_cifar100(tmp_path)
    pixels, labels = parts["train"]["data"], parts["train"]["fine_labels"]
    assert isinstance(pixels, np.ndarray)
    assert isinstance(labels, list)
    assert data.train.inputs.shape == (16, 3, 32, 32)
    assert data.train.targets.tolist() == labels[:16]
    assert data.validation.targets.tolist() == labels[16:], "the last fifth"
    assert data.test.targets.tolist() == parts["test"]["fine_labels"]
    # 1,024 values of red, then green, then blue, row by row
    assert data.validation.inputs[0, 2, 1, 5] * 255 == pytest.approx(pixels[16, 2 * 1024 + 32 + 5])

    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(TaskError, match=r"tar\.gz is damaged"):
        load_cifar100(tmp_path)
    archive.unlink()
    assert torch.equal(load_cifar100(tmp_path).test.inputs, data.test.inputs)


def test_cifar100_is_standardised_by_the_published_constants(tmp_path: Path) -> None:
    part = cifar_part(125, 0)
    part["fine_labels"] = [n % 100 for n in range(125)]
    write_archive(tmp_path / "cifar-100-python.tar.gz", {"train": part, "test": part})
    prepared = PreparedData(get_task("cifar100"), tmp_path, torch.device("cpu"))
    raw = load_cifar100(tmp_path).test.inputs[3, 1, 4, 4]
    assert float(prepared.parts["test"].inputs[3, 1, 4, 4]) == pytest.approx((float(raw) - 0.4867) / 0.2565, abs=1e-5)


def test_altered_images_are_shifts_mirror_images_and_holes() -> None:
    image = torch.arange(1.0, 65.0).view(1, 1, 8, 8)
    alter = AlterImages(padding=2, cutout=0, black=(-9.0,))
    generator = torch.Generator().manual_seed(0)
    padded = torch.full((12, 12), -9.0)
    padded[2:10, 2:10] = image[0, 0]
    windows = {(r, c, m): padded[r : r + 8, c : c + 8] for r in range(5) for c in range(5) for m in (0, 1)}
    possible = {key: window.flip(1) if key[2] else window for key, window in windows.items()}
    seen = set()
    for out in alter(image.expand(2000, 1, 8, 8), generator):
        (found,) = [key for key, window in possible.items() if torch.equal(out[0], window)]
        seen.add(found)
    assert seen == possible.keys()

    holes = AlterImages(padding=0, cutout=4, black=(0.0,))(torch.ones(500, 2, 8, 8), generator)
    assert (holes[:, 0] == holes[:, 1]).all()
    sizes = (holes[:, 0] == 0).flatten(1).sum(1)
    assert sizes.max() == 16
    assert sizes.min() == 4, "a hole in a corner is cut off"
    again = alter(image.expand(5, 1, 8, 8), torch.Generator().manual_seed(3))
    assert torch.equal(again, alter(image.expand(5, 1, 8, 8), torch.Generator().manual_seed(3)))


def write_spherical(path: Path, side: int = 60) -> dict[str, dict[str, np.ndarray]]:  # type: ignore[type-arg]
    rng = np.random.default_rng(0)
    content = {
        part: {
            "images": rng.integers(256, size=(count, 3, side, side), dtype=np.uint8),
            "labels": rng.integers(100, size=count),
        }
        for part, count in (("train", 10), ("test", 3))
    }
    path.parent.mkdir(exist_ok=True)
    with gzip.open(path, "wb", compresslevel=1) as file:
        pickle.dump(content, file)
    return content


def test_spherical_is_the_published_file_untouched(tmp_path: Path) -> None:
    content = write_spherical(tmp_path / "spherical" / "s2_cifar100.gz")
    data = load_spherical(tmp_path)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [8, 2, 3]
    assert data.train.inputs.dtype == torch.float32
    assert (data.validation.inputs.numpy() == content["train"]["images"][8:]).all()
    assert data.validation.targets.tolist() == content["train"]["labels"][8:].tolist()
    assert (data.test.inputs.numpy() == content["test"]["images"]).all()
    assert get_task("spherical").input_scaling == "none"
    assert get_task("spherical").augment is None

    (tmp_path / "spherical" / "s2_cifar100.gz").rename(tmp_path / "s2_cifar100.gz")
    assert len(load_spherical(tmp_path).test) == 3, "found without the bucket's folder"
    whole = (tmp_path / "s2_cifar100.gz").read_bytes()
    (tmp_path / "s2_cifar100.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TaskError, match=r"s2_cifar100\.gz is damaged"):
        load_spherical(tmp_path)
    write_spherical(tmp_path / "s2_cifar100.gz", side=32)
    with pytest.raises(TaskError, match=r"\[10, 3, 32, 32\], not \[N, 3, 60, 60\]"):
        load_spherical(tmp_path)


def test_missing_files_say_what_to_get_from_where(tmp_path: Path) -> None:
    with pytest.raises(TaskError) as error:
        get_task("spherical").load_checked(tmp_path)
    message = str(error.value)
    for part in (str(tmp_path / "spherical" / "s2_cifar100.gz"), "272 MB", "CC BY-SA", "https://", "--data-dir"):
        assert part in message


def test_the_projection_is_that_of_cohen_et_al() -> None:
    sphere = project(np.ones((2000, 2000)), 30)  # so fine that its blurred edge holds no point
    assert sphere.shape == (60, 60)
    inside = sphere > 0
    assert np.flatnonzero(inside.any(axis=1)).tolist() == list(range(30, 60)), "the lower half"
    assert inside.mean() == pytest.approx(0.446, abs=0.001)  # of the published generator
    # Row 59 is all around where the sphere rests: the middle of the image.
    blob = np.zeros((9, 9))
    blob[4, 4] = blob[5, 4] = blob[4, 5] = blob[5, 5] = 1.0
    assert project(blob, 30)[59].min() > 0.5
    # A point by hand: b = 1, colatitude 3 pi / 4, longitude 0; its ray meets the plane at sin / (1.001 - cos) * 2.001.
    x = np.sin(3 * np.pi / 4) * 2.001 / (1.001 - np.cos(3 * np.pi / 4))
    row = (x + 1.5) / 3 * 30
    ramp = np.repeat(np.arange(30.0)[:, None], 30, axis=1)
    assert project(ramp, 1)[1, 0] == pytest.approx(row)


def test_rotations_are_rotations_and_uniform() -> None:
    rng = np.random.default_rng(0)
    rotations = np.stack([random_rotation(rng) for _ in range(4000)])
    assert np.allclose(rotations @ rotations.transpose(0, 2, 1), np.eye(3))
    assert np.allclose(np.linalg.det(rotations), 1)
    assert np.abs(rotations.mean(axis=0)).max() < 0.03
    assert (rotations**2).mean(axis=0) == pytest.approx(np.full((3, 3), 1 / 3), abs=0.02)
    half_turn = np.diag([-1.0, -1.0, 1.0])  # about the axis: longitudes move by half a circle
    image = np.random.default_rng(1).random((8, 8))
    assert np.allclose(project(image, 6, half_turn), np.roll(project(image, 6), 6, axis=1))


@pytest.mark.long
def test_spherical_digits(data_dir: Path) -> None:
    task = spherical_digits_task("tiny-sphere", bandwidth=4, rotations=2)
    data = task.load_checked(data_dir)
    parts = load_digit_parts()
    assert data.train.inputs.shape == (2 * 1197, 1, 8, 8)
    assert data.train.targets[::2].tolist() == data.train.targets[1::2].tolist() == parts["train"][1].tolist()
    assert data.test.targets.tolist() == parts["test"][1].tolist()
    assert len(data.validation) == len(data.test) == 300
    assert not torch.equal(data.train.inputs[0], data.train.inputs[1]), "each copy has a rotation of its own"
    assert data.train.inputs.flatten(1).amin(1).max() == 0
    assert data.train.inputs.flatten(1).amax(1).min() == 255
    with pytest.raises(TaskError, match="bandwidth"):
        spherical_digits_task("none", bandwidth=1)
