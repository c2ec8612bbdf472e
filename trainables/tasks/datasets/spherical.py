"""Images on a rotated sphere: `spherical` (CIFAR-100, NAS-Bench-360's files) and `spherical-digits` (projected here).

The projection of Cohen et al. 2018. A sphere of radius 1 rests on the image plane; a ray from its top through a point
of the sphere meets the image, which is a square of side 3 around the point where the sphere rests. The points are the
grid of Driscoll and Healy of bandwidth b: colatitudes pi (2j + 1) / 4b and longitudes pi k / b, j and k from 0 to 2b -
1. A rotation of the sphere, drawn uniformly, turns the grid.
"""

from __future__ import annotations

import gzip
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from mpnas_ray.checks import require_count, require_seed
from mpnas_ray.errors import TaskError
from trainables.tasks.core.cache import cached_arrays
from trainables.tasks.core.files import reads
from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.core.metrics import accuracy, error_rate
from trainables.tasks.core.published import bucket_file
from trainables.tasks.core.recipes import table10_recipe
from trainables.tasks.core.splits import hold_out_last
from trainables.tasks.core.task import Recipe, Split, Task, TaskData, register_task
from trainables.tasks.datasets.digits import load_digit_parts
from trainables.tasks.formats import load_plain_pickle

__all__ = ["load_spherical", "project", "random_rotation", "spherical_digits_task"]

_FILE = bucket_file("spherical/s2_cifar100.gz", 272, "CC BY-SA")
_VERSION = 1  # raise it when the projection's output changes, since files are kept by name


@reads(_FILE)
def load_spherical(data_dir: Path | None) -> TaskData:
    """Load spherical CIFAR-100 from its published file; validation is the last fifth of the training images."""
    path = _FILE.need(data_dir)
    with gzip.open(path) as file:
        content = load_plain_pickle(file, path)  # type: ignore[arg-type]

    def part(name: str) -> Split:
        try:
            images = np.asarray(content[name]["images"])
            labels = np.asarray(content[name]["labels"]).astype(np.int64)
            if images.ndim != 4 or images.shape[1:] != (3, 60, 60):
                raise ValueError(f"images {list(images.shape)}, not [N, 3, 60, 60]")
        except (KeyError, TypeError, ValueError) as error:
            raise TaskError(f"{path} is not the published file ({error}): get it from {_FILE.source}.") from error
        return Split(torch.from_numpy(images.astype(np.float32)), torch.from_numpy(labels))

    train = part("train")
    return hold_out_last(train, part("test"), len(train) // 5)


def random_rotation(rng: Generator) -> NDArray[np.float64]:
    """Draw a rotation matrix ``[3, 3]``, uniform over all rotations: that of a random unit quaternion."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def project(image: ArrayLike, bandwidth: int, rotation: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Project an image ``[height, width]`` onto the sphere, ``[2 bandwidth, 2 bandwidth]``: colatitude by longitude.

    It is bilinear between pixels and 0 outside the image. (The published generator takes the pixels before and after
    each point rather than those around it, which blurs a little.)
    """
    pixels = np.asarray(image, dtype=np.float64)
    height, width = pixels.shape
    steps = np.arange(2 * bandwidth)
    colatitude, longitude = np.pi * (2 * steps[:, None] + 1) / (4 * bandwidth), np.pi * steps / bandwidth
    points = np.stack(
        np.broadcast_arrays(
            np.sin(colatitude) * np.cos(longitude), np.sin(colatitude) * np.sin(longitude), np.cos(colatitude)
        ),
        axis=-1,
    )
    if rotation is not None:
        points = points @ rotation.T
    top = 2.001  # a little above the sphere, as published: from its top itself, that point has no ray
    stretch = top / (top - 1 - points[..., 2])
    row, column = ((points[..., axis] * stretch + 1.5) / 3 * side for axis, side in ((0, height), (1, width)))
    top_row, left_column = np.floor(row), np.floor(column)
    down, right = row - top_row, column - left_column
    padded = np.pad(pixels, 1)  # so that what is outside reads as 0

    def pixel(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
        values: NDArray[np.float64] = padded[
            np.clip(rows + 1, 0, height + 1).astype(int), np.clip(columns + 1, 0, width + 1).astype(int)
        ]
        return values

    upper = pixel(top_row, left_column) * (1 - right) + pixel(top_row, left_column + 1) * right
    lower = pixel(top_row + 1, left_column) * (1 - right) + pixel(top_row + 1, left_column + 1) * right
    return np.asarray(upper * (1 - down) + lower * down)


def _rotated(images: NDArray[np.float64], copies: int, bandwidth: int, rng: Generator) -> NDArray[np.float32]:
    """Project ``copies`` of each image, each under a rotation of its own and stretched to 0 ... 255 as published."""
    side = 2 * bandwidth
    projected = np.zeros((len(images) * copies, 1, side, side), dtype=np.float32)
    for place, image in enumerate(np.repeat(images, copies, axis=0)):
        values = project(image, bandwidth, random_rotation(rng))
        low, high = values.min(), values.max()
        if high > low:
            projected[place, 0] = np.round(255 * (values - low) / (high - low))
    return projected


def _load_digits(bandwidth: int, rotations: int, seed: int, data_dir: Path | None) -> TaskData:
    parts = load_digit_parts()

    def make() -> dict[str, NDArray[np.float32]]:
        streams = np.random.SeedSequence(seed).spawn(3)
        return {
            name: _rotated(images, rotations if name == "train" else 1, bandwidth, np.random.default_rng(stream))
            for (name, (images, _)), stream in zip(parts.items(), streams, strict=True)
        }

    arrays = cached_arrays(data_dir, f"spherical-digits-v{_VERSION}-b{bandwidth}-{rotations}-seed{seed}.npz", make)

    def split(name: str) -> Split:
        labels = np.repeat(parts[name][1], rotations if name == "train" else 1)
        return Split(torch.from_numpy(arrays[name]), torch.as_tensor(labels, dtype=torch.int64))

    return TaskData(train=split("train"), validation=split("validation"), test=split("test"))


def spherical_digits_task(
    name: str = "spherical-digits", *, bandwidth: int = 15, rotations: int = 4, seed: int = 0
) -> Task:
    """Make a task of scikit-learn's digits on rotated spheres.

    Projecting takes about 1 ms an image; the data are kept for the next time.

    Args:
        name: Name of the task.
        bandwidth: Half the number of grid points a side, at least 2; 30 is that of Cohen et al. and of `spherical`.
        rotations: Rotations of each training image, at least 1; validation and test images have one each.
        seed: Seed of the rotations.

    Raises:
        TaskError: If a number is less, or is not whole.
    """
    require_count("bandwidth", bandwidth, 2, error=TaskError)
    require_count("rotations", rotations, error=TaskError)
    require_seed("seed", seed, error=TaskError)
    side = 2 * bandwidth
    return Task(
        name,
        partial(_load_digits, bandwidth, rotations, seed),
        num_outputs=10,
        loss=cross_entropy,
        metric=accuracy,
        recipe=Recipe(epochs=15, batch_size=64, learning_rate=1e-2),
        description=f"digits on rotated spheres, {side}x{side}, 10 classes, {1197 * rotations:,}/300/300 samples",
        source="scikit-learn's digits (CC BY 4.0), projected here as Cohen et al. 2018 do",
        family="handwritten-digits",
    )


register_task(
    Task(
        "spherical",
        load_spherical,
        num_outputs=100,
        loss=cross_entropy,
        metric=error_rate,
        recipe=table10_recipe(64),
        input_scaling="none",
        protocol="nb360",
        files=(_FILE,),
        description="CIFAR-100 on rotated spheres, 3x60x60, 100 classes, 40,000/10,000/10,000 samples",
        source="NAS-Bench-360",
        family="cifar100",
    )
)
register_task(spherical_digits_task())
