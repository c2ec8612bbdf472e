"""Fine-tune what is learned by gradient, and train random weights, as the studies do.

The number of gradient steps is fixed. MP-NAS, and a live search by such a network, take the number that cross-validates
best on the fine-tuning models; on five, each left out once, that is chance: of 70 draws on NAS-Bench-201, 37 took 5 or
10 steps. They left random weights nearly untrained, at .08 where a graph network trained to the end has .5.

A cost is learned as it was measured, higher for slower, and the ranking is turned around at the end. Large cells are
both accurate and slow, so what is known of accuracies helps with milliseconds and misleads on their negatives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mpnas_ray.meta_learning.common.network import stacked
from mpnas_ray.meta_learning.gradient import InnerRates, MetaPredictor, Parameters, adapt, forward, graphs_of
from mpnas_ray.predictors import GCNConfig, GCNPredictor
from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import TableTask, normalize

__all__ = ["FineTuning", "FromScratch", "Tuned", "as_measured"]


@dataclass(frozen=True)
class FineTuning:
    """Plain gradient steps on the mean squared error of ranks, all fine-tuning models in each.

    Attributes:
        rate: Step size of the parts that move, see `InnerRates`.
        num_steps: Number of steps.
    """

    rate: float
    num_steps: int


@dataclass(frozen=True)
class Tuned:
    """A network learned by gradient, as it is and after fine-tuning on one target.

    Attributes:
        predictor: Ranks by the network's output.
        fine_tuning: Settings of `adapt`.
        costly: True if the network's output is a cost, so that lower is better.
    """

    predictor: MetaPredictor
    fine_tuning: FineTuning
    costly: bool

    def predict(self, archs: Architectures) -> NDArray[np.float64]:
        """Return scores ``[N]``, higher is better."""
        return self._turned(self.predictor.predict(archs))

    def adapt(self, archs: Architectures, scores: NDArray[np.float64]) -> Tuned:
        """Fine-tune on N measured architectures; scores ``[N]``, higher is better."""
        config = self.predictor.config
        graphs = graphs_of(archs, config.gcn)[torch.arange(len(archs))[None]]
        wanted = torch.from_numpy(normalize(self._turned(scores), config.normalization)).to(torch.float32)

        def loss(parameters: Parameters) -> Tensor:
            return (forward(parameters, graphs, config.gcn) - wanted).square().mean(dim=1)

        tuned = adapt(
            loss,
            stacked(self.predictor.initialisation(), 1),
            InnerRates.of(config.algorithm, self.fine_tuning.rate),
            self.fine_tuning.num_steps,
            outer_gradient="none",
        )
        return replace(self, predictor=MetaPredictor(config, {name: tensor[0] for name, tensor in tuned.items()}))

    def _turned(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return -values if self.costly else values


@dataclass(frozen=True)
class FromScratch:
    """A graph network trained on the fine-tuning models alone, all its layers by AdamW, from random weights."""

    config: GCNConfig
    seed: int
    trained: GCNPredictor | None = None

    def predict(self, archs: Architectures) -> NDArray[np.float64]:
        """Return scores ``[N]``, higher is better.

        Raises:
            PredictorError: Before `adapt`.
        """
        return (self.trained or GCNPredictor(self.config)).predict(archs)

    def adapt(self, archs: Architectures, scores: NDArray[np.float64]) -> FromScratch:
        """Train weights of a seed of their own, so that the spread over draws holds that of initial weights too."""
        predictor = GCNPredictor(self.config, seed=crc32(archs.codes.tobytes(), self.seed))
        predictor.fit(archs, scores)
        return replace(self, trained=predictor)


def as_measured(task: TableTask) -> TableTask:
    """Return the task with higher scores for what costs more, if it measures a cost; a quality as it is."""
    return replace(task, mode="max") if task.kind == "cost" else task
