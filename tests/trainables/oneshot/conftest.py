"""A task of a few short series, and supernets on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.oneshot.methods import get_method, settings_of
from trainables.oneshot.training import SupernetTraining
from trainables.tasks import Split, Task, TaskData, accuracy, cross_entropy
from trainables.training.data import PreparedData

MakeTraining = Callable[..., SupernetTraining]


def series(num: int, seed: int) -> Split:
    """Three classes of noisy waves of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(num) % 3
    waves = torch.sin(torch.arange(8.0) * (targets[:, None] + 1))[:, None]
    return Split(waves + 0.1 * torch.randn(num, 1, 8, generator=generator), targets)


def load(_: Path | None) -> TaskData:
    return TaskData(series(24, 0), series(12, 1), series(12, 2))


WAVES = Task("waves", load, num_outputs=3, loss=cross_entropy, metric=accuracy)


@pytest.fixture(scope="session")
def waves() -> PreparedData:
    return PreparedData(WAVES, None, torch.device("cpu"))


@pytest.fixture
def make_training(waves: PreparedData) -> MakeTraining:
    def make(
        method: str, space: str = "transnasbench101", family: str | None = None, **changed: Any
    ) -> SupernetTraining:
        small = {"epochs": 3, "batch_size": 6, "num_samples": 3, "policy_steps": 2, "policy_draws": 2, "tune_epochs": 1}
        settings = settings_of(get_method(method), **{**small, "arch_from_epoch": 0, **changed})
        return SupernetTraining(
            WAVES, waves, space=space, family=family, method=method, preset="small", settings=settings
        )

    return make
