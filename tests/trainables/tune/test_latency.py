"""Latencies that trials measure of their networks."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mpnas_ray.errors import TaskError
from trainables import CellTrainable, darcy_task
from trainables.tune import latency
from trainables.tune.latency import latency_of, one_at_a_time

ARCH = "mixed:nasbench101:|conv3-d1~0|maxpool~0|output~0~1~2|"
TINY = darcy_task("tiny-latency", resolution=9, num_train=21, num_validation=10, num_test=10)


def make(data_dir: Path, **config: Any) -> CellTrainable:
    trainable = CellTrainable.__new__(CellTrainable)  # without the log folders that Tune's constructor makes
    full = {"arch": ARCH, "preset": "small", "epochs": 2, "batch_size": 5, "data_dir": str(data_dir), **config}
    trainable.setup(full, TINY)
    return trainable


def test_the_last_report_of_a_trial_has_the_latency_and_how_it_was_measured(data_dir: Path) -> None:
    trainable, plain = make(data_dir, measure_latency=True, latency_batch=12), make(data_dir)

    first, last = trainable.step(), trainable.step()

    assert "latency_ms" not in first
    assert last["latency_ms"] > 0
    assert last["latency_batch"] == 12, "more than the validation part has"
    assert last["latency_threads"] == torch.get_num_threads()
    assert last["latency_device"]
    assert trainable.step()["latency_ms"] == last["latency_ms"], "measured once"
    plain.step()
    assert not any(name.startswith("latency") for name in plain.step())
    ours, theirs = trainable._training.network.state_dict(), plain._training.network.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items()), "it changes nothing"


def test_the_latency_is_the_median_of_thirty_passes_after_five(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[bool] = []

    class Network(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            assert not torch.is_grad_enabled()
            passes.append(self.training)
            return inputs

    clock = iter([moment for number in range(35) for moment in (100.0 * number, 100.0 * number + duration(number))])
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(clock))
    network = Network().train()

    assert latency_of(network, torch.zeros(1, 3)) == pytest.approx(15.5)
    assert passes == [False] * 35
    assert network.training


def duration(number: int) -> float:
    """Return the seconds of a pass: a minute for warm-ups, then 1 to 30 ms."""
    return 60.0 if number < 5 else (number - 4) / 1e3


def test_one_trial_of_a_node_measures_at_a_time(tmp_path: Path) -> None:
    entered, order = threading.Event(), []

    def second() -> None:
        entered.set()
        with one_at_a_time(tmp_path):
            order.append("second")

    with one_at_a_time(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        entered.wait()
        thread.join(0.05)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]


@pytest.mark.parametrize("bad", [{"measure_latency": "yes"}, {"latency_batch": 0}, {"latency_batch": 1.5}])
def test_wrong_entries_are_refused(bad: dict[str, Any], data_dir: Path) -> None:
    with pytest.raises(TaskError, match="latency"):
        make(data_dir, **bad)
