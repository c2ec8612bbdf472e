"""The parts of a one-shot search that methods work on: their settings, the logits of operations, data and networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from mpnas_ray.checks import (
    make_plain,
    require_bool,
    require_count,
    require_number,
    require_one_of,
    require_text,
)
from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import Architecture
from mpnas_ray.spaces.operations import ZERO
from trainables.oneshot.gates import Gates
from trainables.oneshot.policy import Policy
from trainables.oneshot.skeleton import Skeleton
from trainables.oneshot.supernet import Supernet
from trainables.tasks.core.task import Split, Task

__all__ = ["Alphas", "Batch", "Method", "Norm", "Relaxation", "Search", "SearchData", "Settings"]

Norm = Literal["calibrated", "batch", "running"]
"""Statistics of batch norm by which architectures are scored: computed anew over training inputs for each architecture,
those of each batch itself, or the running ones, which mix all architectures."""


@dataclass(frozen=True)
class Settings:
    """Numbers of a one-shot search; each method has its authors' and short ones for small tasks.

    Attributes:
        epochs: Epochs of the supernet, at least 1, without those in which perturbation tunes it.
        batch_size: Samples of a step, at least 2.
        learning_rate: Learning rate of the weights (SGD) at the start, above 0.
        final_learning_rate: Rate at the end of the cosine schedule, at least 0.
        restart_epochs: Length of the first cosine period, the next ones are twice as long each; 0 for one over all.
        momentum: Momentum of SGD, from 0 to below 1.
        weight_decay: Weight decay of the weights, at least 0.
        clip_norm: Longest gradient of the weights; None for no limit.
        arch_learning_rate: Learning rate of Adam for logits or policy, above 0.
        arch_betas: The two coefficients of that Adam, from 0 to below 1.
        arch_weight_decay: Weight decay of the logits, at least 0.
        arch_from_epoch: First epoch in which logits move.
        start_scale: Standard deviation of the logits at the start.
        temperature: Temperature of Gumbel softmax at the start and at the end, above 0; linear in between.
        partial: Number of parts of the channels, one of which goes through the operations (PC-DARTS's K).
        path_dropout: Probability with which all inputs of a node are dropped, at the end.
        drop_path: Probability of dropping an operation for a sample, at the end.
        ghosts: Parts of a batch, each with gates and batch statistics of its own.
        num_samples: Architectures that are compared with shared weights in the end, at least 1.
        norm: Statistics of batch norm by which they are.
        policy_steps: Steps of the policy in an epoch.
        policy_draws: Architectures drawn for each of them.
        tune_epochs: Epochs between two projections of DARTS-PT.

    Raises:
        TaskError: If one is out of its range.
    """

    epochs: int = 50
    batch_size: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    restart_epochs: int = 0
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip_norm: float | None = 5.0
    arch_learning_rate: float = 3e-4
    arch_betas: tuple[float, float] = (0.5, 0.999)
    arch_weight_decay: float = 1e-3
    arch_from_epoch: int = 0
    start_scale: float = 1e-3
    temperature: tuple[float, float] = (10.0, 0.1)
    partial: int = 1
    path_dropout: float = 0.0
    drop_path: float = 0.0
    ghosts: int = 1
    num_samples: int = 100
    norm: Norm = "calibrated"
    policy_steps: int = 50
    policy_draws: int = 20
    tune_epochs: int = 5

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("epochs", "partial", "ghosts", "num_samples", "policy_steps", "policy_draws", "tune_epochs"):
            require_count(name, getattr(self, name), error=TaskError)
        require_count("batch_size", self.batch_size, 2, error=TaskError)
        for name in ("restart_epochs", "arch_from_epoch"):
            require_count(name, getattr(self, name), 0, error=TaskError)
        for name in ("learning_rate", "arch_learning_rate"):
            require_number(name, getattr(self, name), above=0, error=TaskError)
        for name in ("final_learning_rate", "weight_decay", "arch_weight_decay", "start_scale"):
            require_number(name, getattr(self, name), at_least=0, error=TaskError)
        for name in ("momentum", "path_dropout", "drop_path"):
            require_number(name, getattr(self, name), at_least=0, below=1, error=TaskError)
        if self.clip_norm is not None:
            require_number("clip_norm", self.clip_norm, above=0, error=TaskError)
        for beta in _pair("arch_betas", self.arch_betas):
            require_number("Each of arch_betas", beta, at_least=0, below=1, error=TaskError)
        for temperature in _pair("temperature", self.temperature):
            require_number("Each of temperature", temperature, above=0, error=TaskError)
        require_one_of("norm", self.norm, get_args(Norm), error=TaskError)


def _pair(name: str, values: Any) -> Sequence[float]:
    if not isinstance(values, tuple) or len(values) != 2:
        raise TaskError(f"{name} must be a tuple of two numbers, not {values!r}.")
    return values


class Alphas(nn.Module):
    """Logits of the operations of each slot, and of the slots' links.

    Attributes:
        operations: Logits ``[slots, choices]``.
        links: Logits ``[slots]``, for PC-DARTS.
        is_open: bool ``[slots, choices]``, False for choices that a slot does not have or no longer has.
    """

    is_open: Tensor

    def __init__(self, skeleton: Skeleton, scale: float, generator: torch.Generator, *, with_zero: bool = True) -> None:
        """Draw the logits.

        Args:
            skeleton: Skeleton that has slots.
            scale: Standard deviation of the logits.
            generator: Generator of the draws, on the CPU.
            with_zero: Whether the choice of no operation is open.
        """
        super().__init__()
        most = max(len(slot.kinds) for slot in skeleton.slots)
        shape = (len(skeleton.slots), most)
        self.operations = nn.Parameter(scale * torch.randn(shape, generator=generator))
        self.links = nn.Parameter(scale * torch.randn(shape[0], generator=generator))
        rows = [
            [with_zero or kind not in (ZERO, -1) for kind in slot.kinds] + [False] * (most - len(slot.kinds))
            for slot in skeleton.slots
        ]
        self.register_buffer("is_open", torch.tensor(rows))

    def masked(self) -> Tensor:
        """Return the logits of operations, minus infinity where a choice is not open."""
        return self.operations.masked_fill(~self.is_open, -torch.inf)

    def open_choices(self) -> NDArray[np.bool_]:
        """Return `is_open` as an array."""
        found: NDArray[np.bool_] = self.is_open.cpu().numpy()
        return found

    def entropy(self) -> float:
        """Compute the entropy in nats of the softmax of a slot's logits, the mean over slots."""
        log_p = torch.log_softmax(self.masked().detach().double(), dim=1)
        return float(torch.special.entr(log_p.exp()).sum(dim=1).mean())

    def are_finite(self) -> bool:
        """Tell whether all logits are finite."""
        return bool(torch.isfinite(self.operations).all() and torch.isfinite(self.links).all())


@dataclass(frozen=True, eq=False)
class Batch:
    """Some samples: encoded inputs and targets of the loss."""

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True, eq=False)
class SearchData:
    """The data of a one-shot search.

    Attributes:
        task: Task, whose loss is trained on and whose metric compares.
        weights: Samples that fit the weights.
        alphas: Samples that fit logits or policy; the same as ``weights`` for methods that have neither.
        validation: Samples by which architectures are compared.
        decoder: Decoder of the network's outputs.
    """

    task: Task
    weights: Split
    alphas: Split
    validation: Split
    decoder: nn.Module

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the task's loss of a network's outputs."""
        return self.task.loss(self.decoder(outputs), targets)

    def better(self, value: float) -> float:
        """Turn a value of the task's metric into one that is higher where it is better."""
        return value if self.task.metric.mode == "max" else -value


@dataclass(eq=False)
class Search:
    """A one-shot search at some moment, as the functions of a method see it.

    Attributes:
        method: Method of the search.
        settings: Settings of the search.
        skeleton: Skeleton of the space.
        net: The supernet.
        data: Data, on the device of the supernet.
        alphas: Logits; None for methods without.
        policy: Policy that draws architectures; None for methods without.
        weight_optimizer: Optimiser of the weights.
        arch_optimizer: Optimiser of logits or policy; None without either.
        seed: Seed of all draws.
        epoch: Number of the epoch, from 0.
        generator: Generator of torch's draws in this epoch, on the CPU.
        rng: Generator of numpy's draws in this epoch.
        history: Records of the epochs so far: ``arch``, the architecture chosen after it, and what the method notes.
    """

    method: Method
    settings: Settings
    skeleton: Skeleton
    net: Supernet
    data: SearchData
    alphas: Alphas | None
    policy: Policy | None
    weight_optimizer: Optimizer
    arch_optimizer: Optimizer | None
    seed: int
    epoch: int = 0
    generator: torch.Generator = field(default_factory=torch.Generator)
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def progress(self) -> float:
        """Share of the epochs that are done, 0 in the first and 1 in the last."""
        return min(1.0, self.epoch / max(1, self.settings.epochs - 1))

    @property
    def logits(self) -> Alphas:
        """The logits of a method that has them."""
        assert self.alphas is not None, f"{self.method.name} has no logits"
        return self.alphas

    def begin(self, epoch: int) -> None:
        """Begin an epoch: its draws depend on the seed and its number alone, so that none have to be saved."""
        self.epoch = epoch
        self.generator.manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
        self.rng = np.random.default_rng([self.seed, epoch])

    def random_batch(self, split: Split) -> Batch:
        """Draw a batch of a part of the data."""
        rows = torch.randperm(len(split), generator=self.generator)[: self.settings.batch_size]
        rows = rows.to(split.inputs.device)
        return self.augmented(Batch(split.inputs[rows], split.targets[rows]))

    def augmented(self, batch: Batch) -> Batch:
        """Augment the inputs of a batch as the task says."""
        augment = self.data.task.augment
        return batch if augment is None else Batch(augment(batch.inputs, self.generator), batch.targets)


Relaxation = Callable[[Search], "Gates | list[Gates]"]
"""Function that makes the gates of a forward pass, for all cells or for each of them."""


@dataclass(frozen=True)
class Method:
    """A one-shot method.

    Attributes:
        name: Name for users.
        description: Definition in a few words, and its source.
        weight_gates: Gates of each step of the weights.
        choose: Function that chooses the architecture after an epoch; the second argument says whether it was the last.
        short: Settings for small tasks.
        authors: Settings of the method's authors.
        arch_gates: Gates of each step of the logits; None for methods without.
        arch_step: Step of the logits, given a batch that fits logits and one that fits weights.
        penalty: Term that is added to the loss of the logits.
        after_epoch: Functions that are called after an epoch, before the choice.
        stop: Function that is called after the choice; it returns why to stop, and with which architecture.
        needs_slots: Whether it weights or counts the choices of slots, which cells with free edges have not.
        has_policy: Whether a policy draws architectures.
        with_zero: Whether ``zero`` competes with the other operations.
        projects: Whether slots are projected one by one after the training.

    Raises:
        TaskError: If one of these is of a wrong type.
    """

    name: str
    description: str
    weight_gates: Relaxation
    choose: Callable[[Search, bool], Architecture]
    short: Settings
    authors: Settings
    arch_gates: Relaxation | None = None
    arch_step: Callable[[Search, Batch, Batch], None] | None = None
    penalty: Callable[[Search], Tensor] | None = None
    after_epoch: tuple[Callable[[Search], None], ...] = ()
    stop: Callable[[Search], tuple[str, Architecture] | None] | None = None
    needs_slots: bool = True
    has_policy: bool = False
    with_zero: bool = True
    projects: bool = False

    def __post_init__(self) -> None:
        require_text("The name of a method", self.name, error=TaskError)
        for name in ("needs_slots", "has_policy", "with_zero", "projects"):
            require_bool(name, getattr(self, name), error=TaskError)

    @property
    def halves(self) -> bool:
        """True if a half of the training part is kept for logits, policy or curvature."""
        return self.arch_step is not None or self.has_policy or self.stop is not None

    def num_epochs(self, settings: Settings, skeleton: Skeleton) -> int:
        """Count all epochs: after the last of the training one slot is projected, the others each after a tuning."""
        return settings.epochs + (settings.tune_epochs * (len(skeleton.slots) - 1) if self.projects else 0)
