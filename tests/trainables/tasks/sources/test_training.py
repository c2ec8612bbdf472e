"""Networks learn from each kind of targets and inputs: better than by chance after a few epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from trainables import DataOptions, get_task
from trainables.training.data import PreparedData
from trainables.training.loop import Training

ARCH = "nasbench201:|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


def last_score(task_name: str, options: DataOptions, epochs: int = 6) -> float:
    task = get_task(task_name, options)
    data = PreparedData(task, None, torch.device("cpu"))
    training = Training(ARCH, task, data, preset="small")
    for _ in range(epochs):
        result = training.run_epoch()
    assert np.isfinite(result["train_loss"])
    return float(result[task.metric_key])


def of_digits(folder: Path, make_targets: Any) -> str:
    """An archive of 300 digits with targets that are made of the images and their classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images: NDArray[np.float64] = digits.images[:300]
    np.savez(folder / "made.npz", inputs=images[:, None], targets=make_targets(images, digits.target[:300]))
    return f"npz:{folder / 'made.npz'}"


@pytest.mark.long
@pytest.mark.parametrize(
    ("make_targets", "options", "least"),
    [
        pytest.param(
            lambda images, classes: np.stack([classes % 2, classes > 4], axis=1),
            DataOptions(augment="mixup", class_weights="balanced"),
            0.6,  # by chance 0.5
            id="labels",
        ),
        pytest.param(
            lambda images, classes: np.stack([images.mean((1, 2)), 1e5 * images[:, :, 4:].mean((1, 2))], axis=1),
            DataOptions(augment="mixup", metric="spearman"),
            0.5,
            id="two values of different units",
        ),
        pytest.param(
            lambda images, classes: 7 + 100 * images[:, None] ** 0.5,
            DataOptions(loss="huber"),
            0.5,
            id="a value at every position",
        ),
        pytest.param(
            lambda images, classes: classes,
            DataOptions(loss="ordinal", augment="mixup", class_weights="balanced", metric="quadratic_kappa"),
            0.2,
            id="classes in order",
        ),
    ],
)
def test_kinds_of_targets(tmp_path: Path, make_targets: Any, options: DataOptions, least: float) -> None:
    assert last_score(of_digits(tmp_path, make_targets), options) > least


@pytest.mark.long
def test_a_csv_file_of_series(tmp_path: Path) -> None:
    """Rows of the digits as series of eight channels, altered in all ways that there are for series."""
    from sklearn.datasets import load_digits

    digits = load_digits(as_frame=True).frame[:300].rename(columns={"target": "digit"})
    digits.to_csv(tmp_path / "rows.csv", index=False)
    options = DataOptions(target="digit", augment="jitter,scaling,mixup")
    assert get_task(f"csv:{tmp_path / 'rows.csv'}", options).load_checked(None).train.inputs.shape == (180, 8, 8)
    assert last_score(f"csv:{tmp_path / 'rows.csv'}", options, 10) > 0.3


@pytest.mark.long
def test_a_csv_file_of_features(own_data: Path) -> None:
    assert last_score(f"csv:{own_data / 'iris.csv'}", DataOptions(target="species"), 10) > 0.6
    assert last_score(f"csv:{own_data / 'diabetes.csv'}", DataOptions(target="target", metric="spearman"), 10) > 0.3
