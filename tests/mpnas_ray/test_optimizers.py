from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR

from mpnas_ray import optimizers

ARGUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"momentum": 0.9, "nesterov": True, "fused": True}),
    ("Adam", {"betas": (0.9, 0.99), "fused": True}),
    ("AdamW", {"fused": True}),
    ("AdamW", {"foreach": True}),
]


@pytest.mark.parametrize(("name", "arguments"), ARGUMENTS)
def test_they_learn_as_those_of_torch_do(name: str, arguments: dict[str, Any]) -> None:
    learned, states = [], []
    for module in (torch.optim, optimizers):
        weights = torch.nn.Parameter(torch.arange(5.0))
        optimizer = getattr(module, name)([weights], lr=0.1, weight_decay=0.01, **arguments)
        schedule = OneCycleLR(optimizer, 0.1, total_steps=6, cycle_momentum=False)
        for _ in range(5):
            optimizer.zero_grad()
            (weights**2).sum().backward()
            optimizer.step()
            schedule.step()
        assert optimizer.param_groups[0]["lr"] < 0.01, "the schedule's"
        state = optimizer.state_dict()
        optimizer = getattr(module, name)([weights], lr=9.0, **arguments)
        optimizer.load_state_dict(state)
        optimizer.step()
        learned.append(weights.detach())
        states.append(optimizer.state_dict())
    assert torch.equal(*learned)
    assert not torch.equal(learned[0], torch.arange(5.0))
    assert str(states[0]) == str(states[1])


TRIAL = """
import sys
import tempfile
from dataclasses import replace
from ray.tune import with_parameters
from mpnas_ray.spaces import Architectures
from trainables import get_task
from trainables.networks.limits import NetworkSizes
from trainables.tune.cell import CellTrainable
from trainables.tasks.core.subset import with_fewer_samples

digits = with_fewer_samples(get_task("digits"), 60)
for optimizer in ("adamw", "sgd"):
    task = replace(digits, recipe=replace(digits.recipe, optimizer=optimizer))
    config = {"task": "digits", "model": "wrn-16-1", "preset": "small", "epochs": 2}
    trial = with_parameters(CellTrainable, task=task)(config)
    trial.step()
    with tempfile.TemporaryDirectory() as folder:
        trial.save_checkpoint(folder)
        trial.load_checkpoint(folder)
    assert trial.step()["done"]
sizes = NetworkSizes((1, 8, 8), 10, preset="small")
archs = Architectures.of(["nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|avg_pool_3x3~2|"])
assert min(sizes.flops(archs), sizes.training_bytes(archs, 1)) > 0
print([name for name in sys.modules if name.startswith(("torch._dynamo", "torch._inductor"))])
"""


@pytest.mark.long
def test_neither_trials_nor_sizes_import_the_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", TRIAL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
