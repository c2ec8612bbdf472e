"""One graph network for all source tasks predicts the scores of architectures that none of them has measured.

The body is the GCN of the paper, without an inner loop. Each source task has two outputs of its own: its scores as
ranks, and as values clipped at three standard deviations, both to mean 0 and standard deviation 1. Its
predictions for the known tasks are the mixture's hypotheses about a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.common.network import Graphs, Parameters, embed, initial_parameters, stacked
from mpnas_ray.meta_learning.common.pooling import SpacePool
from mpnas_ray.meta_learning.common.resuming import read_state, write_state
from mpnas_ray.meta_learning.mixture.config import MixtureConfig
from mpnas_ray.meta_learning.mixture.description import NUM_INPUTS, described_graphs
from mpnas_ray.optimizers import AdamW
from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import normalize

__all__ = ["predict_sources", "source_scores", "train_sources"]

_CHUNK = 512
"""Number of architectures at once: their node states stay in the processor's cache."""

_SAVE_EVERY = 200


def predict_sources(parameters: Parameters, archs: Architectures, config: MixtureConfig) -> Tensor:
    """Predict outputs float64 ``[N, 2 K]``, the ranks of all K tasks before their values."""
    device = parameters["head.bias"].device
    if not len(archs):
        return torch.empty(0, len(parameters["head.bias"]), dtype=torch.float64)
    # Cells with equally many vertices side by side: nothing is computed for vertices that no cell of a chunk has.
    order = np.argsort((archs.graphs().kinds >= 0).sum(axis=1), kind="stable")
    chunks = np.array_split(order, -(-len(order) // _CHUNK))
    with torch.no_grad():
        graphs = (described_graphs(archs[chunk], device, padded=False) for chunk in chunks)
        outputs = [_forward(parameters, each, config) for each in graphs]
    return torch.cat(outputs).double()[torch.from_numpy(np.argsort(order))]


def train_sources(
    pools: Sequence[SpacePool],
    names: Sequence[str],
    config: MixtureConfig,
    *,
    device: torch.device | str = "cpu",
    identity: str = "",
    checkpoint: Path | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> Parameters:
    """Learn all source tasks at once by mean squared error.

    Args:
        pools: Pools of measured architectures; all are learned from.
        names: The tasks in the order of their outputs.
        config: Shape and training.
        device: Device to compute on.
        identity: See `mpnas_ray.meta_learning.common.resuming`.
        checkpoint: File to continue from, if it is there, and to write every so often.
        on_step: Called after each step with its number and loss.

    Raises:
        PredictorError: If the loss is no longer finite, or the checkpoint damaged or of another training.
    """
    graphs = Graphs.joined([described_graphs(pool.archs, device) for pool in pools])
    scores = torch.from_numpy(source_scores(pools, names)).to(device)
    measured = scores.isfinite()
    share = measured.float().mean(dim=0)
    state = _State.initial(graphs, scores, config)
    if checkpoint is not None and checkpoint.exists():
        try:
            state.restore(read_state(checkpoint, identity, device))
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise PredictorError(f"{checkpoint} is damaged ({error}): delete it to start afresh.") from error
    for rows in _batches(measured, config, state):
        predicted = _forward(state.parameters, graphs[rows], config, state.dropout)
        errors = (predicted - scores[rows].nan_to_num()).square() * measured[rows]
        loss = (errors.mean(dim=0) / share).mean()
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        state.schedule.step()
        state.step += 1
        value = loss.item()
        if not np.isfinite(value):
            raise PredictorError(f"The loss of step {state.step} is {value}: lower learning_rate.")
        if checkpoint is not None and (state.step % _SAVE_EVERY == 0 or state.step == config.iterations):
            write_state(checkpoint, identity, state.content())
        if on_step is not None:
            on_step(state.step, value)
    return {name: tensor.detach() for name, tensor in state.parameters.items()}


def source_scores(pools: Sequence[SpacePool], names: Sequence[str]) -> NDArray[np.float32]:
    """Collect the targets of the network, float32 ``[N, 2 K]``, NaN where a task has not measured an architecture."""
    scores = np.full((sum(len(pool.archs) for pool in pools), 2 * len(names)), np.nan, dtype=np.float32)
    first = 0
    for pool in pools:
        for name, task in pool.tasks.items():
            rows, column = task.rows + first, names.index(name)
            scores[rows, column] = normalize(task.scores, "rank")
            scores[rows, len(names) + column] = normalize(np.clip(normalize(task.scores), -3, 3))
        first += len(pool.archs)
    return scores


@dataclass
class _State:
    """All that changes while training."""

    parameters: Parameters
    optimizer: AdamW
    schedule: torch.optim.lr_scheduler.OneCycleLR
    batches: torch.Generator
    dropout: torch.Generator
    step: int = 0

    @classmethod
    def initial(cls, graphs: Graphs, scores: Tensor, config: MixtureConfig) -> _State:
        device = scores.device
        generator = torch.Generator().manual_seed(config.seed)
        weights = initial_parameters(
            config.gcn,
            generator,
            device,
            num_inputs=NUM_INPUTS,
            num_outputs=scores.shape[1],
            attributes=graphs.attributes is not None,
        )
        # Inputs that are 0 in all sources get no weight: an operation that none contains counts by its other features.
        weights["layers.0.weight"] *= (graphs.inputs.abs().amax(dim=(0, 1)) > 0)[:, None]
        parameters = {name: tensor.requires_grad_() for name, tensor in weights.items()}
        optimizer = AdamW(parameters.values(), lr=config.learning_rate, weight_decay=config.weight_decay, foreach=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.iterations + 1, pct_start=0.1
        )
        return cls(parameters, optimizer, schedule, generator, torch.Generator(device).manual_seed(config.seed + 1))

    def content(self) -> dict[str, Any]:
        return {
            "parameters": {name: tensor.detach() for name, tensor in self.parameters.items()},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "batches": self.batches.get_state(),
            "dropout": self.dropout.get_state(),
            "step": self.step,
        }

    def restore(self, content: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, tensor in self.parameters.items():
                tensor.copy_(content["parameters"][name])
        self.optimizer.load_state_dict(content["optimizer"])
        self.schedule.load_state_dict(content["schedule"])
        self.batches.set_state(content["batches"].cpu())
        self.dropout.set_state(content["dropout"].cpu())
        self.step = content["step"]


def _batches(measured: Tensor, config: MixtureConfig, state: _State) -> Iterator[Tensor]:
    """Yield the rows of each step that is left, drawn in proportion to the number of tasks that measured them."""
    cumulative = measured.sum(dim=1).cpu().double().cumsum(dim=0)
    while state.step < config.iterations:
        drawn = torch.rand(config.batch_size, generator=state.batches, dtype=torch.float64) * cumulative[-1]
        yield torch.searchsorted(cumulative, drawn, right=True).to(measured.device)


def _forward(
    parameters: Parameters, graphs: Graphs, config: MixtureConfig, dropout: torch.Generator | None = None
) -> Tensor:
    """Compute outputs ``[N, 2 K]``."""
    features = embed(stacked(parameters, 1), graphs.for_tasks(1), config.gcn, dropout)[0]
    return torch.addmm(parameters["head.bias"], features, parameters["head.weight"])
