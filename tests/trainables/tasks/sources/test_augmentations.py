"""Augmentations: what each does to a batch, that the generator alone decides, and that a training carries them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainables import DataOptions, data_options, get_task
from trainables.tasks.sources.augmentations import Augment, Mixup
from trainables.training.data import PreparedData
from trainables.training.loop import Training

NAMES = sorted({name for names in data_options.AUGMENTATIONS.values() for name in names} - {"mixup"})


def images(count: int = 64) -> torch.Tensor:
    return torch.arange(count * 3 * 8 * 16, dtype=torch.float32).reshape(count, 3, 8, 16) + 1


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_decides(name: str) -> None:
    batch = images()
    before = batch.clone()
    first, again, other = (Augment((name,))(batch, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(batch, before), "the data stay as they are"
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == batch.shape
    assert first.dtype == batch.dtype


def test_flip() -> None:
    batch = images()
    flipped = Augment(("flip",))(batch, seeded())
    mirrored = (flipped == batch.flip(-1)).flatten(1).all(dim=1)
    assert ((flipped == batch).flatten(1).all(dim=1) ^ mirrored).all()
    assert 16 < mirrored.sum() < 48


def test_crop_shifts_and_repeats_the_border() -> None:
    batch = torch.arange(16.0).expand(64, 1, 8, 16)
    moved = Augment(("crop",))(batch, seeded())[:, 0, 4]
    shifts = moved[:, 8] - 8
    assert set(shifts.int().tolist()) == {-2, -1, 0, 1, 2}, "an eighth of 16"
    expected = (torch.arange(16.0)[None] + shifts[:, None]).clamp(0, 15)
    assert torch.equal(moved, expected)


def test_cutout_takes_a_square_of_the_same_place_in_all_channels() -> None:
    cut = Augment(("cutout",))(images(), seeded()) == 0
    assert (cut.all(dim=1) == cut.any(dim=1)).all()
    rows, columns = cut[:, 0].any(dim=2).sum(dim=1), cut[:, 0].any(dim=1).sum(dim=1)
    assert rows.max() == 4
    assert columns.max() == 8
    assert rows.min() >= 2


def test_jitter_and_scaling_are_of_a_tenth() -> None:
    series = torch.ones(500, 2, 10)
    noise = Augment(("jitter",))(series, seeded()) - 1
    assert noise.std().item() == pytest.approx(0.1, rel=0.05)
    factors = Augment(("scaling",))(series, seeded())
    assert (factors == factors[:, :, :1]).all(), "one factor a channel"
    assert factors[:, :, 0].std().item() == pytest.approx(0.1, rel=0.1)


def test_mixup_mixes_inputs_and_targets_by_the_same_share() -> None:
    classes = torch.arange(64) % 4
    inputs = classes[:, None, None].float().expand(64, 1, 5)
    mixed, targets = Mixup(4)(inputs, classes, seeded(3))
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(64))
    torch.testing.assert_close((targets @ torch.arange(4.0))[:, None, None].expand(64, 1, 5), mixed)
    assert ((targets > 0).sum(dim=1) <= 2).all()
    values = torch.randn(64, 3)
    again, mixed_values = Mixup(None)(values, values, seeded(3))
    assert torch.equal(again, mixed_values)


def test_several_are_done_one_after_the_other() -> None:
    batch, generator = images(), seeded()
    expected = Augment(("cutout",))(Augment(("flip",))(batch, generator), generator)
    assert torch.equal(Augment(("flip", "cutout"))(batch, seeded()), expected)


@pytest.mark.long
def test_a_training_goes_on_as_if_it_had_not_stopped(own_data: Path) -> None:
    options = DataOptions(image_size=8, augment="flip,crop,cutout,mixup", class_weights="balanced")
    task = get_task(f"images:{own_data / 'digits'}", options)
    data = PreparedData(task, None, torch.device("cpu"))
    arch = "nasbench201:|nor_conv_1x1~0|+|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    whole, halves, rest = (Training(arch, task, data, preset="small") for _ in range(3))
    expected = [whole.run_epoch() for _ in range(2)]
    first = halves.run_epoch()
    rest.load_state_dict(halves.state_dict())
    second = rest.run_epoch()
    for found, wanted in zip((first, second), expected, strict=True):
        assert found["train_loss"] == wanted["train_loss"]
        assert found["validation_accuracy"] == wanted["validation_accuracy"]
