from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mpnas_ray.errors import TaskError
from trainables import CellTrainable, Task, darcy_task, get_task, load_network
from trainables.networks import save_network
from trainables.training.data import PreparedData
from trainables.training.loop import Training, recipe_of
from trainables.tune.trial import score_test

ARCH = "mixed:nasbench101:|conv3-d1~0|maxpool~0|output~0~1~2|"
OTHER = "nasbench201:|nor_conv_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|"
TINY = darcy_task("tiny", resolution=9, num_train=21, num_validation=10, num_test=10)
CONFIG: dict[str, Any] = {"arch": ARCH, "preset": "small", "epochs": 4, "batch_size": 5, "task": "tiny"}


def make(config: dict[str, Any], data_dir: Path, task: Task = TINY) -> CellTrainable:
    trainable = CellTrainable.__new__(CellTrainable)  # without the log folders that Tune's constructor makes
    trainable.setup({**config, "data_dir": str(data_dir)}, task)
    return trainable


def weights(trainable: CellTrainable) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainable._training.network.state_dict().items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


@pytest.mark.long
def test_a_small_network_learns_darcy(data_dir: Path) -> None:
    task = darcy_task("learn", resolution=15, num_train=120, num_validation=30, num_test=30)
    training = Training(ARCH, task, PreparedData(task, data_dir, torch.device("cpu")), preset="small")
    scores = []
    while not training.finished:
        scores.append(training.run_epoch()[task.metric_key])
    assert len(scores) == task.recipe.epochs
    assert scores[-1] < 0.15  # the mean field gives about 0.25


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_killed_and_restored_is_bit_for_bit_the_same(data_dir: Path, tmp_path: Path, stop_after: int) -> None:
    straight = make(CONFIG, data_dir)
    results = [straight.step() for _ in range(4)]
    stopped = make(CONFIG, data_dir)
    for _ in range(stop_after):
        stopped.step()
    stopped.save_checkpoint(str(tmp_path))
    torch.manual_seed(999)  # another process has another global state
    restored = make(CONFIG, data_dir)
    restored.load_checkpoint(str(tmp_path))
    later = [restored.step() for _ in range(4 - stop_after)]
    assert_equal(weights(straight), weights(restored))
    key = TINY.metric_key
    assert [r[key] for r in later] == [r[key] for r in results[stop_after:]]
    assert later[-1]["done"]


def test_a_reused_actor_trains_as_a_fresh_one(data_dir: Path) -> None:
    fresh = make({**CONFIG, "arch": OTHER}, data_dir)
    reused = make(CONFIG, data_dir)
    reused.step()
    prepared = reused._prepared
    assert reused.reset_config({**CONFIG, "arch": OTHER, "data_dir": str(data_dir)})
    assert reused._prepared is prepared, "data stay loaded"
    for _ in range(4):
        fresh_result, reused_result = fresh.step(), reused.step()
    assert_equal(weights(fresh), weights(reused))
    assert fresh_result[TINY.metric_key] == reused_result[TINY.metric_key]


def test_reports(data_dir: Path) -> None:
    trainable = make(CONFIG, data_dir)
    results = [trainable.step() for _ in range(4)]
    assert [r["epoch"] for r in results] == [1, 2, 3, 4]
    assert [r["done"] for r in results] == [False, False, False, True]
    seconds = {"seconds", "training_seconds", "samples_per_second"}
    assert (
        results[0].keys()
        == {TINY.metric_key, "train_loss", "epoch", "training_iteration", "parameters", "data_in", "done"} | seconds
    )
    assert not any("test" in key for key in results[-1])
    assert results[0]["parameters"] == sum(p.numel() for p in trainable._training.network.parameters())
    assert results[0]["seconds"] > 0


def test_a_training_that_diverges_ends_with_nan(data_dir: Path) -> None:
    trainable = make({**CONFIG, "learning_rate": 1e30}, data_dir)
    for _ in range(4):
        result = trainable.step()
        if result["done"]:
            break
    assert result["done"]
    assert math.isnan(result[TINY.metric_key])


def test_batches_are_never_too_small_for_batch_norm(data_dir: Path) -> None:
    # 21 samples in batches of 20 would leave one of a single sample; the paper preset shrinks 9x9 to 3x3, 4x4 to 1x1.
    trainable = make({**CONFIG, "batch_size": 20, "epochs": 1}, data_dir)
    assert math.isfinite(trainable.step()["train_loss"])
    with pytest.raises(TaskError, match="batches of at least 2"):
        make({**CONFIG, "batch_size": 1}, data_dir)


def test_config_overrides_the_recipe() -> None:
    recipe = recipe_of(TINY, {"epochs": 3, "learning_rate": 0.5, "arch": ARCH})
    assert recipe == replace(TINY.recipe, epochs=3, learning_rate=0.5)
    assert recipe_of(TINY, {}) == TINY.recipe


@pytest.mark.parametrize(
    ("change", "named"),
    [({"arch": "nasbench201:nonsense"}, "nasbench201"), ({"preset": "huge"}, "small, *paper|paper, small")],
)
def test_what_cannot_be_trained_is_refused(data_dir: Path, change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        make({**CONFIG, **change}, data_dir)
    with pytest.raises(TaskError, match="arch"):
        make({"task": "tiny"}, data_dir)


def test_the_found_network_is_scored_saved_and_loaded(data_dir: Path, tmp_path: Path) -> None:
    config = {**CONFIG, "data_dir": str(data_dir)}
    trainable = make(config, data_dir)
    for _ in range(4):
        last = trainable.step()
    trainable.save_checkpoint(str(tmp_path))

    found = score_test(config, TINY, str(tmp_path))
    assert found.card.scores["validation_relative_l2"] == pytest.approx(last[TINY.metric_key], rel=1e-6)
    assert found.card.scores["test_relative_l2"] != found.card.scores["validation_relative_l2"]

    save_network(tmp_path / "best", found)
    loaded = load_network(tmp_path / "best")
    test = TINY.load_checked(data_dir).test
    with torch.no_grad():
        outputs = loaded(test.inputs)
    assert TINY.metric.function(outputs, test.targets) == pytest.approx(found.card.scores["test_relative_l2"], rel=1e-5)
    assert loaded.card == found.card
    assert not loaded.training


def test_networks_that_cannot_be_loaded_say_why(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="holds no network"):
        load_network(tmp_path)
    trainable = make({**CONFIG, "epochs": 1}, data_dir)
    trainable.step()
    trainable.save_checkpoint(str(tmp_path))
    save_network(tmp_path, score_test({**CONFIG, "data_dir": str(data_dir)}, TINY, str(tmp_path)))
    card = json.loads((tmp_path / "network.json").read_text())
    (tmp_path / "network.json").write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(TaskError, match="newer version"):
        load_network(tmp_path)
    (tmp_path / "network.json").write_text(json.dumps(card))
    weights_file = tmp_path / "network.safetensors"
    weights_file.write_bytes(weights_file.read_bytes()[:-100])
    with pytest.raises(TaskError, match="damaged"):
        load_network(tmp_path)


@pytest.mark.long
def test_digits_train() -> None:
    task = get_task("digits")
    data = PreparedData(task, None, torch.device("cpu"))
    training = Training(ARCH, task, data, preset="small", recipe=replace(task.recipe, epochs=5))
    while not training.finished:
        result = training.run_epoch()
    assert result["validation_accuracy"] > 0.8


RECIPES = {
    "adamw": TINY.recipe,
    "adamw, clipped": replace(TINY.recipe, clip_norm=0.1, summed_loss=True),
    "sgd": replace(TINY.recipe, optimizer="sgd", schedule="steps", milestones=(0.25, 0.5), learning_rate=0.05),
    "sgd, one-cycle": replace(TINY.recipe, optimizer="sgd", momentum=0.0, learning_rate=0.05),
    "adam, averaged": replace(TINY.recipe, optimizer="adam", schedule="cosine", ema=0.9),
    "rmsprop, with patience": replace(
        TINY.recipe, optimizer="rmsprop", learning_rate=1e-3, schedule="constant", patience=3
    ),
    "of one's own, averaged, with patience": replace(
        TINY.recipe,
        optimizer=partial(torch.optim.NAdam, betas=(0.8, 0.99)),
        schedule=torch.optim.lr_scheduler.CosineAnnealingLR,
        ema=0.99,
        patience=4,
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_goes_on_bit_for_bit(data_dir: Path, tmp_path: Path, recipe: str) -> None:
    """Also on an actor that trained something else before, as after a pause by a scheduler."""
    task = replace(TINY, recipe=RECIPES[recipe])
    config = {**CONFIG, "data_dir": str(data_dir)}
    straight, paused, other = make(config, data_dir, task), make(config, data_dir, task), make(config, data_dir, task)
    while not (last := straight.step())["done"]:
        pass
    paused.step()
    paused.save_checkpoint(str(tmp_path))
    other.reset_config({**config, "arch": OTHER})
    other.step()
    other.reset_config(config)
    other.load_checkpoint(str(tmp_path))
    while not (resumed := other.step())["done"]:
        pass
    assert_equal(weights(straight), weights(other))
    assert_equal(straight._training.kept.state_dict(), other._training.kept.state_dict())
    timed = {"seconds", "training_seconds", "samples_per_second"}
    assert {name: resumed[name] for name in resumed.keys() - timed} == {
        name: last[name] for name in last.keys() - timed
    }


class _SmallMemory:
    """The memory of a device that holds so many samples."""

    def __init__(self, samples: int) -> None:
        self.samples, self.largest = samples, 0

    def __call__(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > self.samples:
            raise torch.cuda.OutOfMemoryError("out of memory")
        self.largest = max(self.largest, len(inputs[0]))


def test_batches_that_do_not_fit_are_cut_and_their_gradients_added_up(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = PreparedData(TINY, data_dir, torch.device("cpu"))
    recipe = replace(TINY.recipe, batch_size=21, epochs=2)
    whole, cut = (Training(ARCH, TINY, data, preset="small", recipe=recipe) for _ in range(2))
    memory = _SmallMemory(6)
    cut.network.register_forward_pre_hook(memory)
    for training in (whole, cut):  # batch norm sees pieces: without it the two are the same
        for module in training.network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.register_forward_pre_hook(lambda module, inputs: module.eval() and None)
    one, other = whole.run_epoch(), cut.run_epoch()
    assert memory.largest == 6, "21 samples in four pieces"
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "added up over 4 pieces" in caplog.text
    assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5)
    for mine, theirs in zip(whole.network.parameters(), cut.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
    again = Training(ARCH, TINY, data, preset="small", recipe=recipe)
    again.load_state_dict(cut.state_dict())
    again.network.register_forward_pre_hook(_SmallMemory(6))
    again.run_epoch()
    assert len(caplog.records) == 2, "it remembers"

    none = Training(ARCH, TINY, data, preset="small", recipe=recipe)
    none.network.register_forward_pre_hook(_SmallMemory(1))
    with pytest.raises(TaskError, match="too small for two samples"):
        none.run_epoch()


@pytest.mark.long
@pytest.mark.parametrize("name", [ARCH, "fno-2d", "wrn-16-1"])
def test_bfloat16_trains_float32_weights(data_dir: Path, name: str) -> None:
    task = darcy_task("tiny16", resolution=16, num_train=20, num_validation=10, num_test=10)
    data = PreparedData(task, data_dir, torch.device("cpu"))
    losses = {}
    for precision in ("float32", "bfloat16"):
        training = Training(name, task, data, preset="small", precision=precision)  # type: ignore[arg-type]
        seen: set[torch.dtype] = set()
        kinds = (nn.Conv2d,)
        convolution = next(module for module in training.network.modules() if isinstance(module, kinds))
        convolution.register_forward_hook(lambda module, inputs, output, seen=seen: seen.add(output.dtype))
        losses[precision] = [training.run_epoch()["train_loss"] for _ in range(2)][-1]
        assert seen == {getattr(torch, precision)}
        assert {parameter.dtype for parameter in training.network.parameters()} == {torch.float32}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.1)
    assert losses["bfloat16"] != losses["float32"]
    with pytest.raises(TaskError, match="float32 and bfloat16"):
        Training(name, task, data, precision="float16")  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_compiled_network_trains_the_same(data_dir: Path, tmp_path: Path) -> None:
    plain, compiled = make(CONFIG, data_dir), make({**CONFIG, "compile": True}, data_dir)
    for _ in range(2):
        one, other = plain.step(), compiled.step()
    assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-3)
    compiled.save_checkpoint(str(tmp_path))
    plain.load_checkpoint(str(tmp_path))
    assert_equal(weights(plain), weights(compiled))


def test_a_batch_larger_than_the_data_is_refused(data_dir: Path) -> None:
    with pytest.raises(TaskError, match="A batch of 22 is larger than the training part of tiny, which has 21"):
        make({**CONFIG, "batch_size": 22}, data_dir)
