"""Meta-training: the outer loop, with meta-validation, early stopping, and checkpoints to continue from.

Each outer step draws a meta-batch, adapts to all its support sets at once and follows the gradient of the mean query
loss with AdamW. Every so often the present initialisation is adapted to episodes of architectures held apart, always
the same ones; the best initialisation so far is kept as a copy and is what training returns.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from mpnas_ray.errors import PredictorError
from mpnas_ray.files.json_records import parse_json
from mpnas_ray.meta_learning.common.network import Parameters, forward, initial_parameters, stacked
from mpnas_ray.meta_learning.common.resuming import identity, read_state, write_state
from mpnas_ray.meta_learning.gradient.config import MetaConfig
from mpnas_ray.meta_learning.gradient.episodes import EpisodePart, EpisodePool, Episodes
from mpnas_ray.meta_learning.gradient.inner_loop import OuterGradient, adapt
from mpnas_ray.optimizers import AdamW
from mpnas_ray.stats import spearman
from mpnas_ray.tables import TableTask

__all__ = ["MetaResult", "Progress", "Validation", "meta_train", "outer_loss", "outer_rate", "validate"]


@dataclass(frozen=True)
class Progress:
    """State of meta-training after one outer step.

    Attributes:
        iteration: Outer steps taken.
        iterations: Outer steps there will be at most.
        loss: Query loss of this step.
        validation: Mean Spearman correlation of meta-validation, if this step had one.
        best: The highest one so far; -inf before the first.
        seconds: Spent on training so far, over all interruptions.
    """

    iteration: int
    iterations: int
    loss: float
    validation: float | None
    best: float
    seconds: float


@dataclass(frozen=True)
class Validation:
    """One meta-validation: the number of outer steps before it, and its mean Spearman correlation."""

    iteration: int
    spearman: float


@dataclass(frozen=True)
class MetaResult:
    """The result of meta-training.

    Attributes:
        parameters: The best initialisation that meta-validation saw.
        validations: All meta-validations in order.
        iterations: Outer steps taken.
        seconds: Spent, over all interruptions.
        stopped_early: True if patience ran out.
    """

    parameters: Parameters
    validations: tuple[Validation, ...]
    iterations: int
    seconds: float
    stopped_early: bool


@dataclass
class _State:
    """All that changes while training, and so all that a checkpoint holds."""

    parameters: Parameters
    optimizer: AdamW
    episodes: Generator
    dropout: torch.Generator
    iteration: int = 0
    seconds: float = 0.0
    validations: list[Validation] = field(default_factory=list)
    best: Parameters = field(default_factory=dict)

    @property
    def best_spearman(self) -> float:
        return max((validation.spearman for validation in self.validations), default=-math.inf)

    def patience_used(self) -> int:
        """Number of meta-validations since the best one."""
        values = [validation.spearman for validation in self.validations]
        return len(values) - 1 - values.index(max(values)) if values else 0


def meta_train(
    tasks: Mapping[str, TableTask],
    config: MetaConfig | None = None,
    *,
    device: torch.device | str = "cpu",
    checkpoint: str | Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> MetaResult:
    """Learn an initialisation from measured tasks.

    Interrupted and called again with the same arguments and a checkpoint file, it goes on from its last meta-validation
    and ends with exactly the result of an uninterrupted run.

    Args:
        tasks: Name -> task to learn from; see `mpnas_ray.tables.leaves_out` for what must not be among them.
        config: `MetaConfig()` if None.
        device: Device to compute on.
        checkpoint: File to continue from, if it is there, and to write at each meta-validation.
        on_progress: Called after each outer step; what it raises ends the training.

    Raises:
        PredictorError: If a task is too small for an episode, the loss is no longer finite, or the checkpoint is
            damaged or of another training.
    """
    config = config or MetaConfig()
    state = _initial_state(config, device, any(task.archs.space.has_attributes for task in tasks.values()))
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None and path.exists():
        _restore(path, state, config, tasks)
    preparation = np.random.default_rng([config.seed, 0])
    training, apart = EpisodePool.of(tasks, config, preparation, device).held_apart(
        config.validation_fraction, preparation
    )
    held_apart = _validation_episodes(apart, preparation)

    started = time.perf_counter() - state.seconds
    while state.iteration < config.iterations and not _out_of_patience(state, config):
        loss = _outer_step(state, training.draw(state.episodes), config)
        state.iteration += 1
        state.seconds = time.perf_counter() - started
        validation = None
        if state.iteration % config.validation_every == 0 or state.iteration == config.iterations:
            validation = validate(state.parameters, held_apart, config)
            if validation > state.best_spearman:
                state.best = {name: tensor.detach().clone() for name, tensor in state.parameters.items()}
            state.validations.append(Validation(state.iteration, validation))
            state.seconds = time.perf_counter() - started
            if path is not None:
                _save(path, state, config, tasks)
        if on_progress is not None:
            on_progress(
                Progress(state.iteration, config.iterations, loss, validation, state.best_spearman, state.seconds)
            )
    return MetaResult(
        state.best, tuple(state.validations), state.iteration, state.seconds, _out_of_patience(state, config)
    )


def outer_loss(
    parameters: Parameters,
    episodes: Episodes,
    config: MetaConfig,
    dropout_generator: torch.Generator | None = None,
) -> Tensor:
    """Compute the mean squared error on each task's query set, ``[tasks]``, after adaptation to its support set."""
    order: OuterGradient = "first" if config.first_order else "second"
    adapted = _adapted(parameters, episodes.support, config, order)
    predicted = forward(adapted, episodes.query.graphs, config.gcn, dropout_generator)
    return (predicted - episodes.query.scores).square().mean(dim=1)


def validate(parameters: Parameters, episodes: Episodes, config: MetaConfig) -> float:
    """Compute the mean Spearman correlation on query sets, after adaptation as in meta-training.

    Query sets without an order count 0, as do constant predictions.
    """
    fixed = {name: tensor.detach() for name, tensor in parameters.items()}
    adapted = _adapted(fixed, episodes.support, config, "none")
    with torch.no_grad():
        predicted = forward(adapted, episodes.query.graphs, config.gcn).cpu().numpy()
    return float(np.mean(spearman(predicted, episodes.query.scores.cpu().numpy())))


def outer_rate(config: MetaConfig, iteration: int) -> float:
    """Return the learning rate of outer step ``iteration``, counted from 0."""
    if config.schedule == "constant":
        return config.outer_rate
    warmup = max(1, config.iterations // 10)
    if iteration < warmup:
        return config.outer_rate * (iteration + 1) / warmup
    done = (iteration - warmup) / max(1, config.iterations - warmup)
    return config.outer_rate * (1 + math.cos(math.pi * done)) / 2


def _adapted(parameters: Parameters, support: EpisodePart, config: MetaConfig, order: OuterGradient) -> Parameters:
    def support_loss(of_tasks: Parameters) -> Tensor:
        return (forward(of_tasks, support.graphs, config.gcn) - support.scores).square().mean(dim=1)

    initial = stacked(parameters, len(support.scores))
    return adapt(support_loss, initial, config.rates, config.training_steps, outer_gradient=order)


def _outer_step(state: _State, episodes: Episodes, config: MetaConfig) -> float:
    for group in state.optimizer.param_groups:
        group["lr"] = outer_rate(config, state.iteration)
    loss = outer_loss(state.parameters, episodes, config, state.dropout).mean()
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.parameters.values(), config.clip_norm)
    state.optimizer.step()
    value = loss.item()
    if not math.isfinite(value):
        raise PredictorError(
            f"The loss of outer step {state.iteration + 1} is {value}: lower inner_rate ({config.inner_rate}) or "
            f"outer_rate ({config.outer_rate})."
        )
    return value


def _initial_state(config: MetaConfig, device: torch.device | str, attributes: bool) -> _State:
    generator = torch.Generator().manual_seed(config.seed)
    weights = initial_parameters(config.gcn, generator, device, attributes=attributes)
    parameters = {name: tensor.requires_grad_() for name, tensor in weights.items()}
    optimizer = AdamW(parameters.values(), lr=config.outer_rate, weight_decay=config.weight_decay, foreach=True)
    dropout = torch.Generator(device).manual_seed(config.seed + 1)
    return _State(parameters, optimizer, np.random.default_rng([config.seed, 1]), dropout)


def _validation_episodes(pool: EpisodePool, rng: Generator) -> Episodes:
    """Draw equally many episodes of each task, of the size that the held-apart part of the smallest one allows."""
    smallest = min(pool.tasks, key=lambda name: len(pool.tasks[name].rows))
    available = len(pool.tasks[smallest].rows) - pool.config.num_support
    if available < 2:
        raise PredictorError(
            f"{smallest} has {len(pool.tasks[smallest].rows)} architectures for meta-validation, it takes at least "
            f"{pool.config.num_support + 2}: measure more, or raise validation_fraction."
        )
    names = tuple(pool.tasks) * pool.config.validation_episodes
    return pool.draw(rng, names=names, num_query=min(available, 128))


def _out_of_patience(state: _State, config: MetaConfig) -> bool:
    return config.patience is not None and state.patience_used() >= config.patience


def _save(path: Path, state: _State, config: MetaConfig, tasks: Mapping[str, TableTask]) -> None:
    content = {
        "parameters": {name: tensor.detach() for name, tensor in state.parameters.items()},
        "best": state.best,
        "optimizer": state.optimizer.state_dict(),
        "episodes": json.dumps(state.episodes.bit_generator.state),  # its integers have more than 64 bits
        "dropout": state.dropout.get_state(),
        "iteration": state.iteration,
        "seconds": state.seconds,
        "validations": [asdict(validation) for validation in state.validations],
    }
    write_state(path, identity(config.to_dict(), tasks), content)


def _restore(path: Path, state: _State, config: MetaConfig, tasks: Mapping[str, TableTask]) -> None:
    device = next(iter(state.parameters.values())).device
    content = read_state(path, identity(config.to_dict(), tasks), device)
    try:
        with torch.no_grad():
            for name, tensor in state.parameters.items():
                tensor.copy_(content["parameters"][name])
        state.optimizer.load_state_dict(content["optimizer"])
        state.episodes.bit_generator.state = parse_json(content["episodes"])
        state.dropout.set_state(content["dropout"].cpu())
        state.best = content["best"]
        state.iteration, state.seconds = content["iteration"], content["seconds"]
        state.validations = [Validation(**values) for values in content["validations"]]
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise PredictorError(f"{path} is damaged ({error}): delete it to start afresh.") from error
