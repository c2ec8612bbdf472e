"""The memory that belongs to a trial."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from trainables.training.memory import device_memory
from trainables.tune import memory
from trainables.tune.memory import memory_of_trial, share_of_node

CPU = torch.device("cpu")


def test_a_share_goes_with_the_cores() -> None:
    assert share_of_node({"CPU": 4.0, "memory": 8e9}, 1.0) == 2e9
    assert share_of_node({"CPU": 4.0, "memory": 8e9}, 0.0) == 8e9
    assert share_of_node({"CPU": 1.0, "memory": 8e9}, 2.0) == 8e9
    assert share_of_node({"memory": 8e9}, 1.0) == 8e9
    assert share_of_node({"CPU": 4.0}, 1.0) is None


def test_outside_of_ray_it_is_the_whole_memory() -> None:
    assert memory_of_trial(CPU) == device_memory(CPU)


@pytest.mark.parametrize(
    ("assigned", "device", "expected"),
    [
        ({"CPU": 1.0}, "cpu", 2e9),
        ({"CPU": 1.0, "GPU": 0.25}, "cuda", 4e9),
        ({"CPU": 1.0, "GPU": 2.0}, "cuda", 16e9),
        ({"CPU": 1.0}, "cuda", 16e9),
    ],
)
def test_the_share_of_a_trial(
    assigned: dict[str, float], device: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ray and a GPU of 16 GB would tell."""
    context = SimpleNamespace(get_assigned_resources=lambda: assigned, get_node_id=lambda: "b")
    nodes = [
        {"NodeID": "a", "Resources": {"CPU": 1.0, "memory": 1e9}},
        {"NodeID": "b", "Resources": {"CPU": 4.0, "memory": 8e9}},
    ]
    ray = SimpleNamespace(is_initialized=lambda: True, get_runtime_context=lambda: context, nodes=lambda: nodes)
    monkeypatch.setattr(memory, "ray", ray)
    monkeypatch.setattr(memory, "device_memory", lambda device: 16 * 10**9)
    assert memory_of_trial(torch.device(device)) == expected
