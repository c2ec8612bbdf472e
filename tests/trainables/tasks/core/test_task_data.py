"""Wrong data of a task are refused when they are loaded, and the message says what was found and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mpnas_ray.errors import TaskError
from trainables import (
    FixedScaling,
    FocalLoss,
    Metric,
    Recipe,
    Split,
    Task,
    TaskData,
    accuracy,
    cross_entropy,
    mean_relative_l2,
    record_f1_error,
    relative_l2,
)
from trainables.tasks.core.subset import with_fewer_samples
from trainables.training.data import PreparedData
from trainables.training.loop import Training

SIZES = {"train": 12, "validation": 8, "test": 6}
PARTS = tuple(SIZES)
CPU = torch.device("cpu")


def inputs_of(part: str, channels: int = 2, length: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(PARTS.index(part))
    return torch.randn(SIZES[part], channels, length, generator=generator)


def classes(part: str, num: int = 3) -> Tensor:
    return torch.arange(SIZES[part]) % num


def fields(part: str) -> Tensor:
    return inputs_of(part)[:, :1] + 10.0


def make_task(targets: Callable[[str], Any] = classes, changes: Any = None, **settings: Any) -> Task:
    """A task of three classes; ``changes`` are fields of Splits, by part."""

    def load(data_dir: Path | None) -> TaskData:
        splits = {part: Split(inputs_of(part), targets(part)) for part in PARTS}
        for part, fields_of_split in (changes or {}).items():
            splits[part] = replace(splits[part], **fields_of_split)
        return TaskData(**splits)

    given: dict[str, Any] = {"num_outputs": 3, "loss": cross_entropy, "metric": accuracy}
    return Task("mine", load, **{**given, "recipe": Recipe(epochs=1, batch_size=4), **settings})


DENSE = {"num_outputs": 1, "dense": True, "loss": relative_l2, "metric": mean_relative_l2}
REGRESSION = {"num_outputs": 1, "loss": F.mse_loss, "metric": mean_relative_l2}
OWN = Metric("own", "max", lambda outputs, targets: 0.0)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t[:, None], r"int64 \[N, 1\]; they must be int64 class numbers \[N\], from 0 to 2: .*squeeze\(1\)"),
        (lambda t: t.int(), r"int32 \[N\]; they must be int64 class numbers \[N\].*\.long\(\)"),
        (lambda t: t.to(torch.uint8), r"uint8 \[N\]; they must be int64"),
        (lambda t: t > 0, r"bool \[N\]; they must be int64"),
        (lambda t: t.float(), r"float32 \[N\]; they must be int64"),
        (lambda t: t.float()[:, None], r"float32 \[N, 1\]; they must be int64"),
        (lambda t: F.one_hot(t, 3), r"int64 \[N, 3\]; they must be int64 class numbers \[N\].*argmax"),
        (lambda t: F.one_hot(t, 3).float(), r"float32 \[N, 3\]; they must be int64 class numbers \[N\].*argmax"),
        (lambda t: t[0], r"targets int64 \[\]"),
        (lambda t: t - 1, r"labels from -1 to 1, outside 0 ... 2; its targets are int64 \[N\]"),
        (lambda t: t + 1, r"labels from 1 to 3, outside 0 ... 2"),
        (lambda t: t[:-1], r"N inputs and \d+ targets"),
        (lambda t: t[:0], "N inputs and 0 targets"),
        (lambda t: t.numpy(), r"targets that are a ndarray \(int64 \[N\]\).*torch.from_numpy"),
        (lambda t: t.tolist(), "targets that are a list.*tensor"),
        (lambda t: t.to("meta"), "on device meta"),
        (lambda t: t.to_sparse(), "plain numbers"),
    ],
)
def test_wrong_class_targets_of_one_part_are_refused(part: str, change: Callable[[Tensor], Any], expected: str) -> None:
    task = make_task(changes={part: {"targets": change(classes(part))}})
    with pytest.raises(TaskError, match=f"mine: the {part} part .*{expected.replace('N', str(SIZES[part]))}"):
        PreparedData(task, None, CPU)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: x.long(), r"inputs int64 \[N, 2, 9\]; they must be float32 .*\.float\(\)"),
        (lambda x: x.double(), r"inputs float64 \[N, 2, 9\]; they must be float32"),
        (lambda x: x > 0, r"inputs bool \[N, 2, 9\]; they must be float32"),
        (lambda x: x.half(), r"inputs float16"),
        (lambda x: x.numpy(), r"inputs that are a ndarray \(float32 \[N, 2, 9\]\)"),
        (lambda x: x[:, 0], r"inputs float32 \[N, 9\]; they must be float32 \[N, "),
        (lambda x: x[:, :, None, None], r"inputs float32 \[N, 2, 1, 1, 9\]"),
        (lambda x: x[:, :0], r"inputs float32 \[N, 0, 9\]"),
        (lambda x: x[..., :0], r"inputs float32 \[N, 2, 0\]"),
        (lambda x: x[0, 0, 0], r"inputs float32 \[\]"),
        (lambda x: x[:0], r"0 inputs and \d+ targets"),
        (lambda x: x.index_fill(0, torch.tensor([3]), torch.nan), r"NaN or infinite values in its inputs, float32 \[N"),
        (lambda x: x.index_fill(0, torch.tensor([3]), torch.inf), "NaN or infinite values"),
        (lambda x: x.index_fill(0, torch.tensor([3]), -torch.inf), "NaN or infinite values"),
        (lambda x: x.to("meta"), "on device meta"),
    ],
)
def test_wrong_inputs_of_one_part_are_refused(part: str, change: Callable[[Tensor], Any], expected: str) -> None:
    task = make_task(changes={part: {"inputs": change(inputs_of(part))}})
    pattern = expected.replace(r"\[N, 2", rf"\[{SIZES[part]}, 2").replace(r"\[N", r"\[\w+")
    with pytest.raises(TaskError, match=f"the {part} part .*{pattern}"):
        task.load_checked(None)


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("shape", [(3, 9), (2, 8), (2, 3, 3)])
def test_parts_must_have_the_shape_of_the_train_part(part: str, shape: tuple[int, ...]) -> None:
    task = make_task(changes={part: {"inputs": torch.zeros(SIZES[part], *shape)}})
    with pytest.raises(TaskError, match=rf"the {part} part .*they must be float32 \[N, 2, 9\], as in the train part"):
        task.load_checked(None)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:, 0, 0],
        lambda t: t[:, 0],
        lambda t: t[..., :-1],
        lambda t: t.expand(-1, 2, -1),
        lambda t: t.double(),
        lambda t: t.long(),
        lambda t: t[:, :, :, None],
    ],
)
def test_wrong_fields_are_refused(part: str, change: Callable[[Tensor], Tensor]) -> None:
    task = make_task(fields, {part: {"targets": change(fields(part))}}, **DENSE)
    with pytest.raises(TaskError, match=rf"the {part} part has targets .*dense ones are float32 \[{SIZES[part]}, 1, 9"):
        task.load_checked(None)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("part", PARTS)
def test_fields_that_are_not_finite_are_refused(part: str, value: float) -> None:
    bad = fields(part).index_fill(0, torch.tensor([2]), value)
    with pytest.raises(TaskError, match=f"the {part} part holds NaN or infinite values in its targets"):
        make_task(fields, {part: {"targets": bad}}, **DENSE).load_checked(None)


def test_the_loss_says_whether_targets_are_classes_or_values() -> None:
    def labels(part: str) -> Tensor:
        return F.one_hot(classes(part), 3).float()  # several labels a sample

    for loss in (
        F.binary_cross_entropy_with_logits,
        nn.BCEWithLogitsLoss(),
        lambda o, t: (o.sigmoid() - t).square().mean(),
    ):
        assert make_task(labels, loss=loss, metric=OWN).load_checked(None).test.targets.shape == (6, 3)
    for loss in (cross_entropy, FocalLoss(2, 1), partial(cross_entropy), nn.CrossEntropyLoss()):
        make_task(loss=loss).load_checked(None)
        with pytest.raises(TaskError, match="int64 class numbers"):
            make_task(labels, loss=loss).load_checked(None)
    for loss in (F.mse_loss, nn.MSELoss(), F.binary_cross_entropy_with_logits, nn.L1Loss()):
        with pytest.raises(TaskError, match=r"they must be float32 \[12, 3\]"):
            make_task(loss=loss, metric=OWN).load_checked(None)
    mixed = make_task(labels, {"test": {"targets": classes("test")}}, loss=lambda o, t: o.mean(), metric=OWN)
    with pytest.raises(TaskError, match=r"the test part .*float32, as in the train part"):
        mixed.load_checked(None)


@pytest.mark.parametrize("part", PARTS)
def test_regression_wants_the_shape_of_the_outputs(part: str) -> None:
    make_task(lambda part: fields(part)[:, :, 0], **REGRESSION).load_checked(None)
    for wrong in (fields(part)[:, 0, 0], fields(part)[:, :, :2], fields(part)[:, :, 0].double()):
        task = make_task(lambda part: fields(part)[:, :, 0], {part: {"targets": wrong}}, **REGRESSION)
        with pytest.raises(TaskError, match=rf"the {part} part .*float32 \[{SIZES[part]}, 1\], as the outputs"):
            task.load_checked(None)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda outputs, targets: F.mse_loss(outputs, targets), "the loss fails on outputs.*target size"),
        (lambda outputs, targets: F.binary_cross_entropy_with_logits(outputs, targets), "the loss fails on outputs"),
        (lambda outputs, targets: (outputs - targets).square().mean(), "the loss fails on outputs"),
        (lambda outputs, targets: F.cross_entropy(outputs, targets, reduction="none"), "one number"),
        (lambda outputs, targets: F.cross_entropy(outputs, targets).item(), "one number"),
    ],
)
@pytest.mark.parametrize("num_outputs", [2, 3])
def test_a_loss_that_does_not_go_with_the_targets_is_refused(loss: Any, expected: str, num_outputs: int) -> None:
    task = make_task(lambda part: classes(part, num_outputs), num_outputs=num_outputs, loss=loss, metric=OWN)
    with pytest.raises(TaskError, match=f"Task mine: .*{expected}"):
        task.load_checked(None)


def test_a_loss_that_always_fails_is_not_the_fault_of_the_data() -> None:
    def broken(outputs: Tensor, targets: Tensor) -> Tensor:
        raise RuntimeError("out of order")

    make_task(loss=broken, metric=OWN).load_checked(None)  # trials fail, and say why


def test_groups_and_scaling_are_checked_too() -> None:
    groups = {part: {"groups": torch.arange(SIZES[part]) // 2} for part in PARTS}
    make_task(changes=groups, metric=record_f1_error).load_checked(None)
    for wrong in (None, torch.zeros(3, dtype=torch.int64), groups["test"]["groups"].int(), [0] * 6):
        task = make_task(changes={**groups, "test": {"groups": wrong}}, metric=record_f1_error)
        with pytest.raises(TaskError, match=r"the test part .*groups"):
            task.load_checked(None)
    with pytest.raises(TaskError, match="input_scaling is for 3 channels, but inputs have 2"):
        make_task(input_scaling=FixedScaling((0.0,) * 3, (1.0,) * 3)).load_checked(None)
    with pytest.raises(TaskError, match="cannot be standardised"):
        make_task(target_scaling="channel").load_checked(None)


@pytest.mark.parametrize("split", [None, (1, 2), {"inputs": 1}])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_no_split_is_refused(part: str, split: Any) -> None:
    good = make_task().load_checked(None)
    task = replace(make_task(), load=lambda data_dir: replace(good, **{part: split}))
    with pytest.raises(TaskError, match=f"the {part} part is a {type(split).__name__}; it must be a Split"):
        task.load_checked(None)


def test_one_training_sample_is_too_few() -> None:
    one = {"train": {"inputs": inputs_of("train")[:1], "targets": classes("train")[:1]}}
    with pytest.raises(TaskError, match="needs at least 2"):
        make_task(lambda part: classes(part) * 0, one, num_outputs=1, loss=lambda o, t: o.mean()).load_checked(None)


def test_what_is_harmless_trains_to_the_same_weights() -> None:
    def trained(task: Task) -> list[Tensor]:
        training = Training("wrn-16-1", task, PreparedData(task, None, CPU))
        training.run_epoch()
        assert 0 <= training.score("validation") <= 1
        return [parameter.detach() for parameter in training.network.parameters()]

    plain = trained(make_task())
    strided = {part: {"inputs": inputs_of(part).transpose(1, 2).contiguous().transpose(1, 2)} for part in PARTS}
    wide = {part: {"targets": classes(part).repeat_interleave(2)[::2]} for part in PARTS}
    wanting = {part: {"inputs": inputs_of(part).requires_grad_()} for part in PARTS}
    for changes in (strided, wide, wanting):
        assert all(
            torch.equal(one, other) for one, other in zip(plain, trained(make_task(changes=changes)), strict=True)
        )


def test_the_check_does_not_copy_the_data() -> None:
    data = make_task().load_checked(None)
    checked = replace(make_task(), load=lambda data_dir: data).load_checked(None)
    for part in PARTS:
        assert getattr(checked, part).inputs.data_ptr() == getattr(data, part).inputs.data_ptr()


def test_a_task_with_fewer_samples_is_checked_as_well() -> None:
    with pytest.raises(TaskError, match=r"the validation part .*int64 class numbers \[8\]"):
        with_fewer_samples(
            make_task(changes={"validation": {"targets": classes("validation")[:, None]}}), 6
        ).load_checked(None)
