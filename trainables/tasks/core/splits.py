"""Splits of data that are published without one, and the published ones that are cut by position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from mpnas_ray.checks import require_count, require_number
from mpnas_ray.errors import TaskError
from trainables.tasks.core.task import Split, TaskData

__all__ = ["hold_out_last", "split_by_rows", "stratified_parts"]


def hold_out_last(train: Split, test: Split, num_validation: int) -> TaskData:
    """Hold out for validation the last ``num_validation`` samples of what was published for training.

    Raises:
        TaskError: If there are no more samples than that, or it is not a whole number of at least 1.
    """
    require_count("num_validation", num_validation, error=TaskError)
    if num_validation >= len(train):
        raise TaskError(
            f"{len(train)} training samples are too few to hold {num_validation} out for validation: the file is not "
            "the published one."
        )
    kept = len(train) - num_validation
    return TaskData(
        train=Split(train.inputs[:kept], train.targets[:kept]),
        validation=Split(train.inputs[kept:], train.targets[kept:]),
        test=test,
    )


def stratified_parts(inputs: ArrayLike, labels: ArrayLike, shares: Sequence[float]) -> list[NDArray[np.int64]]:
    """Deal out each class to the parts by their shares, the same rows each time, equal samples to the same part.

    Args:
        inputs: Inputs ``[N, ...]``, by which repeated samples are found.
        labels: Classes ``[N]``; a repeated sample counts as of the class of its first occurrence.
        shares: Shares of the parts after the first, which gets the rest; each above 0, together less than 1.

    Returns:
        Sorted rows of each part.

    Raises:
        TaskError: If there are no such shares.
    """
    for share in shares:
        require_number("Each of shares", share, above=0, below=1, error=TaskError)
    require_number("The sum of shares", sum(shares), below=1, error=TaskError)
    rows, labels = np.asarray(inputs), np.asarray(labels)
    _, first, member = np.unique(rows.reshape(len(rows), -1), axis=0, return_index=True, return_inverse=True)
    sample = first[member.ravel()]  # for each row, the row in which its values occur first
    rng = np.random.default_rng(0)
    part_of = np.zeros(len(rows), dtype=np.int64)
    for label in np.unique(labels[first]):
        distinct = rng.permutation(np.sort(first[labels[first] == label]))
        start = 0
        for part, share in enumerate(shares, start=1):
            end = start + round(share * len(distinct))
            part_of[distinct[start:end]] = part
            start = end
    part_of = part_of[sample]
    return [np.flatnonzero(part_of == part) for part in range(len(shares) + 1)]


def split_by_rows(inputs: NDArray[np.float32], labels: ArrayLike, parts: Sequence[NDArray[np.int64]]) -> TaskData:
    """Split data into train, validation and test by their rows."""
    values = np.ascontiguousarray(inputs, dtype=np.float32)
    classes = np.asarray(labels, dtype=np.int64)
    return TaskData(*(Split(torch.from_numpy(values[rows]), torch.from_numpy(classes[rows])) for rows in parts))
