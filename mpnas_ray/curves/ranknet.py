"""LCRankNet (Wistuba and Pedapati, ICML 2020) tells from the beginnings of two trainings which will end better.

    p(i > j) = sigmoid(f(x_i) - f(x_j))        (their Eq. 2)

f reads the curve by parallel convolutions with ReLU and a global maximum over time, the architecture by the body of our
graph network (theirs is an LSTM over a string), and which data set it is by an embedding. Ours are: the train loss as a
second channel of the curve; its newest and mean values and the fraction of the training that is done, which go straight
to the last layers; and two numbers that are known of an architecture before it is trained
(`mpnas_ray.curves.architecture_features`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mpnas_ray.checks import make_plain, require_count, require_number
from mpnas_ray.curves.architecture_features import NUM_FEATURES
from mpnas_ray.errors import PredictorError
from mpnas_ray.graphs import GraphBatch
from mpnas_ray.predictors.neural.gcn import GCN, GCNConfig

__all__ = ["CurveBatch", "LCRankNet", "RankNetConfig"]

_KERNELS = (2, 3, 4, 5)
_CHANNELS = 2


@dataclass(frozen=True)
class RankNetConfig:
    """Shape and training of a network.

    The kernels are the paper's; the other numbers are ours. Of four shapes tried on our own table, with tasks
    and architectures held out, a small network served early stopping best.

    Raises:
        PredictorError: If a setting is out of its range.
    """

    filters: int = 8
    arch_width: int = 8
    arch_layers: int = 2
    task_width: int = 8
    hidden: int = 32
    dropout: float = 0.2
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    iterations: int = 500
    batch_size: int = 64
    refit_learning_rate: float = 1e-3
    refit_iterations: int = 40

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("filters", "arch_width", "arch_layers", "task_width", "hidden", "iterations", "batch_size"):
            require_count(f"RankNetConfig.{name}", getattr(self, name), error=PredictorError)
        require_count("RankNetConfig.refit_iterations", self.refit_iterations, 0, error=PredictorError)
        require_number("RankNetConfig.dropout", self.dropout, at_least=0, below=1, error=PredictorError)
        for name in ("learning_rate", "refit_learning_rate"):
            require_number(f"RankNetConfig.{name}", getattr(self, name), above=0, error=PredictorError)
        require_number("RankNetConfig.weight_decay", self.weight_decay, at_least=0, error=PredictorError)


@dataclass(frozen=True)
class CurveBatch:
    """N trainings as tensors.

    Attributes:
        curves: Curves on the scale of `standardized`, float32 ``[N, 2, e]``.
        lengths: Epochs of each that were trained, int64 ``[N]``; what comes after is not looked at.
        fractions: Fraction of a full training that each has behind it, float32 ``[N]``, 0 to 1.
        graphs: The architectures; None if they are not known.
        features: Features of each architecture, float32 ``[N, 2]``; zeros if they are not known.
    """

    curves: Tensor
    lengths: Tensor
    fractions: Tensor
    graphs: GraphBatch | None
    features: Tensor

    def __len__(self) -> int:
        return len(self.curves)


class LCRankNet(nn.Module):
    """A network f that maps a batch of trainings to one number each, ``[N]``."""

    def __init__(self, config: RankNetConfig, num_tasks: int) -> None:
        """Draw initial weights from torch's current random state.

        Args:
            config: Shape.
            num_tasks: Source tasks; the embedding has one row more, the last, for a task that is none of them.

        Raises:
            PredictorError: If there are less than 0.
        """
        super().__init__()
        require_count("num_tasks", num_tasks, 0, error=PredictorError)
        self.config, self.num_tasks = config, num_tasks
        self.convolutions = nn.ModuleList(nn.Conv1d(_CHANNELS, config.filters, kernel) for kernel in _KERNELS)
        self.body = GCN(GCNConfig(num_layers=config.arch_layers, width=config.arch_width, dropout=config.dropout))
        del self.body.head
        self.tasks = nn.Embedding(num_tasks + 1, config.task_width)
        of_curve = len(_KERNELS) * config.filters + 2 * _CHANNELS + 1
        self.layers = nn.Sequential(
            nn.Linear(of_curve + config.arch_width + NUM_FEATURES + config.task_width, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, 1),
        )

    def forward(self, batch: CurveBatch, tasks: Tensor) -> Tensor:
        """Compute numbers ``[N]``, of which only the differences mean something.

        Args:
            batch: N trainings.
            tasks: Row of the embedding for each, int64 ``[N]``.
        """
        there = torch.arange(batch.curves.shape[2], device=batch.curves.device) < batch.lengths[:, None]
        curves = batch.curves * there[:, None]
        pooled = [
            # An output for each epoch, from that epoch and those before it: what follows a training's end is not read.
            (F.relu(convolution(F.pad(curves, (kernel - 1, 0)))) * there[:, None]).amax(dim=2)
            for kernel, convolution in zip(_KERNELS, self.convolutions, strict=True)
        ]
        newest = curves.gather(2, (batch.lengths - 1).clamp(min=0)[:, None, None].expand(-1, _CHANNELS, 1))[:, :, 0]
        means = curves.sum(dim=2) / batch.lengths.clamp(min=1)[:, None]
        if batch.graphs is None:
            archs = curves.new_zeros(len(batch), self.config.arch_width)
        else:
            archs = self.body.embed(batch.graphs)
        read = [*pooled, newest, means, batch.fractions[:, None], archs, batch.features, self.tasks(tasks)]
        found: Tensor = self.layers(torch.cat(read, dim=1))[:, 0]
        return found
