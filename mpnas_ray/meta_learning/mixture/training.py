"""Meta-training of the mixture: first the source network, then the prior over what a new task may be like."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.common.pooling import SpacePool, pool_by_space
from mpnas_ray.meta_learning.common.resuming import identity
from mpnas_ray.meta_learning.gradient.training import Progress
from mpnas_ray.meta_learning.mixture.config import MixtureConfig
from mpnas_ray.meta_learning.mixture.knowledge import Source
from mpnas_ray.meta_learning.mixture.learning import EpisodeSource, learn_prior, validate_prior
from mpnas_ray.meta_learning.mixture.memory import Memory
from mpnas_ray.meta_learning.mixture.predictor import MixturePredictor
from mpnas_ray.meta_learning.mixture.process.prior import Prior
from mpnas_ray.meta_learning.mixture.source_network import train_sources
from mpnas_ray.tables import TableTask, origins

__all__ = ["MixtureResult", "meta_train_mixture"]

_FEWEST = 100
"""Number of architectures that a task must have: episodes take up to 98 of them."""


@dataclass(frozen=True)
class MixtureResult:
    """The result of meta-training.

    Attributes:
        predictor: Ranks zero-shot.
        validation: Task -> mean Spearman correlation with it as the new task, given 5 architectures, without the
            sources of its data sets. The network's features have seen it, so that a new task is a little harder.
        seconds: Spent since it was last begun or continued.
    """

    predictor: MixturePredictor
    validation: Mapping[str, float]
    seconds: float


def meta_train_mixture(
    tasks: Mapping[str, TableTask],
    config: MixtureConfig | None = None,
    *,
    remember: Collection[str] | None = None,
    device: torch.device | str = "cpu",
    checkpoint: str | Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> MixtureResult:
    """Learn a predictor from measured tasks.

    Interrupted and called again with the same arguments and a checkpoint file, it goes on from there and ends with
    exactly the result of an uninterrupted run. (Learning the prior takes seconds and is begun again.)

    Args:
        tasks: Name -> task to learn from; see `mpnas_ray.tables.leaves_out` for what must not be among them.
        config: `MixtureConfig()` if None.
        remember: Names of the tasks whose measurements the predictor carries with it
            (`mpnas_ray.meta_learning.mixture.memory`); all if None.
        device: Device to compute on.
        checkpoint: File to continue from, if it is there, and to write every 200 steps.
        on_progress: Called after each step; what it raises ends the training. Its loss is that of the source network,
            then 1 - the mean correlation in the prior's episodes, at last that in meta-validation.

    Raises:
        PredictorError: If a task is too small, the loss is no longer finite, or the checkpoint is damaged or of another
            training.
    """
    config = config or MixtureConfig()
    small = [name for name, task in tasks.items() if len(task) < _FEWEST]
    if small:
        raise PredictorError(f"{small[0]} has {len(tasks[small[0]])} architectures; to learn from it takes {_FEWEST}.")
    started, total = time.perf_counter(), config.iterations + config.prior_iterations

    def report(step: int, loss: float, validation: float | None = None) -> None:
        if on_progress is not None:
            spent = time.perf_counter() - started
            on_progress(Progress(step, total, loss, validation, -np.inf if validation is None else validation, spent))

    names = list(tasks)
    pools = pool_by_space(tasks, config.archs_per_task, np.random.default_rng([config.seed, 0]))
    network = train_sources(
        pools,
        names,
        config,
        device=device,
        identity=identity(config.to_dict(), tasks),
        checkpoint=Path(checkpoint) if checkpoint is not None else None,
        on_step=report,
    )
    sources = [Source(name, task.archs.space.name, task.kind) for name, task in tasks.items()]
    memory = Memory.of(tasks, names, names if remember is None else remember)
    unlearned = MixturePredictor(config, sources, network, Prior.start(len(sources)), memory, device=device)
    episodes = _episode_sources(tasks, pools, unlearned)
    prior = learn_prior(episodes, config, lambda step, correlation: report(config.iterations + step, 1 - correlation))
    rng = np.random.default_rng([config.seed, 3])
    validation = {name: validate_prior(source, prior, rng) for name, source in zip(names, episodes, strict=True)}
    reached = float(np.mean(list(validation.values())))
    report(total, 1 - reached, reached)
    predictor = MixturePredictor(config, sources, network, prior, memory, device=device)
    return MixtureResult(predictor, validation, time.perf_counter() - started)


def _episode_sources(
    tasks: Mapping[str, TableTask], pools: Sequence[SpacePool], predictor: MixturePredictor
) -> list[EpisodeSource]:
    """Prepare the sources, in their order, for episodes to be drawn from them."""
    seen = {name: origins((*task.datasets, *task.devices)) for name, task in tasks.items()}
    found = {}
    for pool in pools:
        known = predictor.known(pool.archs)
        for name, measured in pool.tasks.items():
            usable = np.array([name != other and seen[name].isdisjoint(seen[other]) for other in tasks])
            found[name] = EpisodeSource(known, measured.rows, measured.scores, tasks[name].kind, usable)
    return [found[name] for name in tasks]
