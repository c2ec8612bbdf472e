"""Proxy scores of many architectures, each built as the network with which a training on the task would begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mpnas_ray.checks import make_plain, require_bool, require_count, require_one_of, require_seed
from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import Architectures, parse_architecture
from trainables.networks.limits import NetworkSizes
from trainables.networks.network import build_network, get_macro
from trainables.networks.shapes import checked_shape
from trainables.proxies.registry import Batch, Loss, Proxy
from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.core.task import Task
from trainables.training.data import PreparedData

__all__ = ["Inputs", "Probe", "ProxySettings", "random_probe", "score_archs", "task_probe"]

Inputs = Literal["task", "random"]

_THIN_CHANNELS, _THIN_SIDE, _NUM_THIN_INPUTS = 1, 3, 3_000  # as in TE-NAS


@dataclass(frozen=True)
class ProxySettings:
    """Settings that proxy values depend on besides network and task; kept with the values.

    Attributes:
        preset: Sizes of the networks.
        batch_size: Samples of the one batch, at least 2, since proxies compare them.
        seed: Seed of weights, batch and everything else that is drawn.
        inputs: ``task``: samples of the training part. ``random``: standard normal numbers in their place, with the
            targets of those samples.

    Raises:
        TaskError: If one is out of range.
    """

    preset: str = "small"
    batch_size: int = 32
    seed: int = 0
    inputs: Inputs = "task"

    def __post_init__(self) -> None:
        make_plain(self)
        get_macro(self.preset)
        require_count("batch_size", self.batch_size, 2, error=TaskError)
        require_seed("seed", self.seed, error=TaskError)
        require_one_of("inputs", self.inputs, get_args(Inputs), error=TaskError)

    def __str__(self) -> str:
        return f"preset {self.preset}, batch size {self.batch_size}, seed {self.seed}, inputs {self.inputs}, train mode"


@dataclass(frozen=True, eq=False)
class Probe:
    """A batch and a loss to score networks on.

    Attributes:
        batch: Batch on the device to compute on.
        loss: Loss of outputs and targets.
        num_outputs: Number of outputs of the networks.
        dense: Whether they predict at every position.
    """

    batch: Batch
    loss: Loss
    num_outputs: int
    dense: bool = False

    def __post_init__(self) -> None:
        require_count("num_outputs", self.num_outputs, error=TaskError)
        require_bool("dense", self.dense, error=TaskError)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.batch.inputs.shape[1:])


def task_probe(task: Task, data: PreparedData, settings: ProxySettings) -> Probe:
    """Draw a batch of the training part of a task, encoded as in trainings.

    Raises:
        TaskError: If the part has fewer samples than a batch.
    """
    train = data.parts["train"]
    if settings.batch_size > len(train):
        raise TaskError(
            f"A batch of {settings.batch_size} is larger than the training part of {task.name}, which has {len(train)} "
            f"samples: take a smaller batch_size."
        )
    generator = torch.Generator().manual_seed(settings.seed)
    ((inputs, targets),) = train.batches([torch.randperm(len(train), generator=generator)[: settings.batch_size]])
    if settings.inputs == "random":
        inputs = torch.randn(inputs.shape, generator=generator).to(inputs)
    return Probe(Batch(inputs, targets), _Decoded(data.decoder, task.loss), task.num_outputs, task.dense)


def random_probe(input_shape: Sequence[int], num_classes: int, settings: ProxySettings) -> Probe:
    """Draw standard normal inputs and uniform classes, for tables whose data set is not at hand.

    Mellor et al. 2021 found that this changes scores little.

    Args:
        input_shape: ``(channels, length)`` or ``(channels, height, width)``.
        num_classes: Number of classes, at least 1.
        settings: Settings of the proxies.

    Raises:
        TaskError: If a number is not a whole one of at least 1.
    """
    require_count("num_classes", num_classes, error=TaskError)
    checked_shape(input_shape, num_classes, dense=False)
    generator = torch.Generator().manual_seed(settings.seed)
    inputs = torch.randn(settings.batch_size, *input_shape, generator=generator)
    targets = torch.randint(num_classes, (settings.batch_size,), generator=generator)
    return Probe(Batch(inputs, targets), cross_entropy, num_classes)


def score_archs(proxy: Proxy, archs: Architectures, probe: Probe, settings: ProxySettings) -> NDArray[np.float64]:
    """Compute the proxy's score of each architecture, ``[N]``; higher is better, NaN where there is none.

    A cell without a path from input to output computes a constant. Its score on a batch would say nothing, so
    proxies that need one give NaN; other proxies give the value of their definition.

    Raises:
        TaskError: If the proxy is not defined for these networks or this task.
    """
    proxy.check(probe.batch)
    if proxy.counted is not None:
        sizes = NetworkSizes(probe.input_shape, probe.num_outputs, probe.dense, settings.preset)
        return proxy.counted(sizes, archs).astype(np.float64)
    scores = np.full(len(archs), np.nan)
    there = np.ones(len(archs), dtype=bool) if proxy.needs == "weights" else archs.graphs().live().any(axis=1)
    batch = _thin_batch(probe, settings) if proxy.thin else probe.batch
    for row in np.flatnonzero(there).tolist():
        network = _network(str(archs[row]), batch, probe, settings, thin=proxy.thin)
        scores[row] = proxy.consume(network, batch, probe.loss, seed=settings.seed)
    return scores


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A task's loss of a network's outputs, which are decoded first."""

    decoder: nn.Module
    loss: Loss

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.loss(self.decoder(outputs), targets)


def _network(arch: str, batch: Batch, probe: Probe, settings: ProxySettings, *, thin: bool) -> nn.Module:
    """Build a network with the weights with which a training of this seed begins."""
    channels = tuple(_THIN_CHANNELS for _ in get_macro(settings.preset).channels) if thin else None
    stacked = not parse_architecture(arch).space.has_attributes  # others have no stacks of cells
    cells = 1 if thin and stacked else None
    shape = tuple(batch.inputs.shape[1:])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build_network(
            arch, shape, probe.num_outputs, probe.dense, settings.preset, cells_per_stack=cells, channels=channels
        )
    return network.to(batch.inputs.device)


def _thin_batch(probe: Probe, settings: ProxySettings) -> Batch:
    """Draw 3,000 inputs of one channel and nine positions, without targets."""
    num_axes = len(probe.input_shape) - 1
    sides = [_THIN_SIDE] * 2 if num_axes == 2 else [_THIN_SIDE**2]
    generator = torch.Generator().manual_seed(settings.seed)
    inputs = torch.randn(_NUM_THIN_INPUTS, _THIN_CHANNELS, *sides, generator=generator)
    return Batch(inputs.to(probe.batch.inputs.device), torch.zeros(0))
