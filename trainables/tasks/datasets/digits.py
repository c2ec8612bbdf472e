"""Handwritten digits: the 1,797 real 8x8 images that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.core.metrics import accuracy
from trainables.tasks.core.task import Recipe, Split, Task, TaskData, register_task

__all__ = ["load_digit_parts"]


def load_digit_parts() -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Load images ``[N, 8, 8]`` from 0 to 16 and labels ``[N]`` of each part.

    There are 1,197 to train, 300 to validate and 300 to test: a stratified split, always the same.
    """
    from sklearn.datasets import load_digits  # half a second to import: late, as few processes need it
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    rest_images, test_images, rest_labels, test_labels = train_test_split(
        images.reshape(-1, 8, 8), labels, test_size=300, random_state=0, stratify=labels
    )
    train_images, validation_images, train_labels, validation_labels = train_test_split(
        rest_images, rest_labels, test_size=300, random_state=0, stratify=rest_labels
    )
    return {
        "train": (train_images, train_labels),
        "validation": (validation_images, validation_labels),
        "test": (test_images, test_labels),
    }


def _load(data_dir: Path | None) -> TaskData:
    def split(images: object, labels: object) -> Split:
        inputs = torch.as_tensor(images, dtype=torch.float32)[:, None]
        return Split(inputs, torch.as_tensor(labels, dtype=torch.int64))

    return TaskData(**{part: split(*arrays) for part, arrays in load_digit_parts().items()})


register_task(
    Task(
        "digits",
        _load,
        num_outputs=10,
        loss=cross_entropy,
        metric=accuracy,
        recipe=Recipe(epochs=15, batch_size=64, learning_rate=1e-2),
        description="8x8 images of digits, 10 classes, 1,197/300/300 real samples",
        source="scikit-learn's load_digits (UCI optical digits, CC BY 4.0)",
        family="handwritten-digits",
    )
)
