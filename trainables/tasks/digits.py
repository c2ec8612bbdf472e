"""Handwritten digits: the 1,797 real 8x8 images that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from trainables.tasks.metrics import accuracy, cross_entropy
from trainables.tasks.task import Recipe, Split, Task, TaskData, register_task

__all__: list[str] = []


def _load(data_dir: Path | None) -> TaskData:
    """1,197 to train, 300 to validate, 300 to test, stratified, the same each time."""
    images, labels = load_digits(return_X_y=True)
    rest_images, test_images, rest_labels, test_labels = train_test_split(
        images, labels, test_size=300, random_state=0, stratify=labels
    )
    train_images, validation_images, train_labels, validation_labels = train_test_split(
        rest_images, rest_labels, test_size=300, random_state=0, stratify=rest_labels
    )

    def split(images: object, labels: object) -> Split:
        inputs = torch.as_tensor(images, dtype=torch.float32).view(-1, 1, 8, 8)
        return Split(inputs, torch.as_tensor(labels, dtype=torch.int64))

    return TaskData(
        train=split(train_images, train_labels),
        validation=split(validation_images, validation_labels),
        test=split(test_images, test_labels),
    )


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
    )
)
