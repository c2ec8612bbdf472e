"""Outlines of leaves as series (Grandhi 2003, UCR archive): 6 kinds of tree, 427 steps.

The archive's test part is the test part; a quarter of its training part, class by class, is held out for validation.
"""

from __future__ import annotations

from pathlib import Path

import torch

from trainables.tasks.core.files import CarriedFile, reads
from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.core.metrics import accuracy
from trainables.tasks.core.splits import stratified_parts
from trainables.tasks.core.task import Recipe, Split, Task, TaskData, register_task
from trainables.tasks.formats import load_ts

__all__ = ["load_osuleaf"]

_TRAIN, _TEST = (
    CarriedFile("sktime", f"sktime/datasets/data/OSULeaf/OSULeaf_{part}.ts", "data of the UCR archive; package BSD-3")
    for part in ("TRAIN", "TEST")
)


@reads(_TRAIN, _TEST)
def load_osuleaf(data_dir: Path | None = None) -> TaskData:
    """Load series ``[N, 1, 427]``, each of mean 0 and standard deviation 1 as published."""
    series, labels = load_ts(_TRAIN.need(data_dir))
    test_series, test_labels = load_ts(_TEST.need(data_dir))
    train, validation = (
        Split(torch.from_numpy(series[rows]), torch.from_numpy(labels[rows]))
        for rows in stratified_parts(series, labels, (0.25,))
    )
    return TaskData(train, validation, Split(torch.from_numpy(test_series), torch.from_numpy(test_labels)))


register_task(
    Task(
        "osuleaf",
        load_osuleaf,
        num_outputs=6,
        loss=cross_entropy,
        metric=accuracy,
        recipe=Recipe(epochs=40, batch_size=20, learning_rate=1e-2),
        files=(_TRAIN, _TEST),
        description="outlines of leaves, 1x427, 6 classes, 151/49/242 real series",
        source="OSULeaf of the UCR archive, inside sktime",
    )
)
