"""CIFAR-100 (Krizhevsky 2009), 32x32 colour images of 100 classes, as NAS-Bench-360 splits and prepares it.

Networks are trained on the first 40,000 training images and validated on the last 10,000. Pixels from 0 to 1 are
standardised by published means and standard deviations; training images are shifted by up to 4 pixels, mirrored at
random and lose a square of 16x16 (Cutout, DeVries and Taylor 2017). Validation images are not altered, unlike in
NAS-Bench-360's own code.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mpnas_ray.checks import require_count, require_number
from mpnas_ray.errors import TaskError
from trainables.tasks.core.files import DataFile, reads
from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.core.metrics import error_rate
from trainables.tasks.core.recipes import table10_recipe
from trainables.tasks.core.splits import hold_out_last
from trainables.tasks.core.task import FixedScaling, Split, Task, TaskData, register_task
from trainables.tasks.formats import load_plain_pickle

__all__ = ["AlterImages", "load_cifar100"]

_FILE = DataFile(
    ("cifar-100-python.tar.gz", "cifar-100-python"),
    169,
    "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    "CC BY 4.0, as NAS-Bench-360 states it",
)
_SCALING = FixedScaling(mean=(0.5071, 0.4867, 0.4408), standard_deviation=(0.2675, 0.2565, 0.2761))


@dataclass(frozen=True)
class AlterImages:
    """Random shifts, mirror images and Cutout of encoded images.

    Attributes:
        padding: Largest shift, in pixels; pixels from outside of the image are black.
        cutout: Side of the square that is set to the mean, its centre anywhere in the image.
        black: Encoded value of a black pixel, of each channel.

    Raises:
        TaskError: If a size is not a whole number of at least 0, or a value is not a number.
    """

    padding: int
    cutout: int
    black: tuple[float, ...]

    def __post_init__(self) -> None:
        require_count("padding", self.padding, 0, error=TaskError)
        require_count("cutout", self.cutout, 0, error=TaskError)
        for value in self.black:
            require_number("Each of black", value, error=TaskError)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return altered copies of ``images [N, channels, height, width]``; the generator is on the CPU."""
        n, _, height, width = images.shape
        device = images.device

        def draw(high: int) -> Tensor:
            return torch.randint(high, (n, 1), generator=generator).to(device)

        down, right, mirrored = draw(2 * self.padding + 1), draw(2 * self.padding + 1), draw(2)
        centre_row, centre_column = draw(height), draw(width)
        rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
        from_rows = down + rows - self.padding
        from_columns = right + torch.where(mirrored == 1, columns.flip(0), columns) - self.padding
        inside = _within(from_rows, 0, height)[:, None, :, None] & _within(from_columns, 0, width)[:, None, None, :]
        sample = torch.arange(n, device=device)[:, None, None]
        moved = images.permute(0, 2, 3, 1)[
            sample, from_rows.clamp(0, height - 1)[:, :, None], from_columns.clamp(0, width - 1)[:, None, :]
        ].permute(0, 3, 1, 2)
        black = torch.tensor(self.black, device=device, dtype=images.dtype).view(1, -1, 1, 1)
        half = self.cutout // 2
        cut_rows = _within(rows, centre_row - half, centre_row + half)
        cut_columns = _within(columns, centre_column - half, centre_column + half)
        cut = cut_rows[:, None, :, None] & cut_columns[:, None, None, :]
        return torch.where(inside, moved, black).masked_fill(cut, 0.0)


def _within(values: Tensor, low: Tensor | int, high: Tensor | int) -> Tensor:
    return (values >= low) & (values < high)


@reads(_FILE)
def load_cifar100(data_dir: Path | None) -> TaskData:
    """Read the published archive, or the folder it unpacks to.

    Validation is the last fifth of the training images.
    """
    path = _FILE.need(data_dir)
    if path.is_dir():
        train, test = (_read((path / part).open("rb"), path / part) for part in ("train", "test"))
    else:
        try:
            with tarfile.open(path) as archive:
                train, test = (_member(archive, f"cifar-100-python/{part}", path) for part in ("train", "test"))
        except (OSError, EOFError, tarfile.TarError, KeyError) as error:
            raise TaskError(f"{path} is damaged ({error}): get it again from {_FILE.source}.") from error
    return hold_out_last(train, test, len(train) // 5)


def _member(archive: tarfile.TarFile, name: str, path: Path) -> Split:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is not a file")
    return _read(io.BytesIO(file.read()), path / name)


def _read(file: Any, path: Path) -> Split:
    with file:
        content = load_plain_pickle(file, path)
    try:
        pixels = np.asarray(content["data"], dtype=np.uint8).reshape(-1, 3, 32, 32)
        labels = np.asarray(content["fine_labels"], dtype=np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise TaskError(f"{path} is not a part of CIFAR-100 ({error}): get it again from {_FILE.source}.") from error
    return Split(torch.from_numpy(pixels.astype(np.float32) / 255), torch.from_numpy(labels))


register_task(
    Task(
        "cifar100",
        load_cifar100,
        num_outputs=100,
        loss=cross_entropy,
        metric=error_rate,
        recipe=table10_recipe(64),
        input_scaling=_SCALING,
        augment=AlterImages(
            4, 16, tuple(-mean / std for mean, std in zip(_SCALING.mean, _SCALING.standard_deviation, strict=True))
        ),
        protocol="nb360",
        files=(_FILE,),
        description="32x32 colour images, 100 classes, 40,000/10,000/10,000 real samples",
        source="CIFAR-100 (Krizhevsky 2009)",
    )
)
