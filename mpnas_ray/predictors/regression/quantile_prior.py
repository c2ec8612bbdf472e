"""A prior for the rank of an architecture, from its ranks on other tasks (Salinas, Shen and Perrone 2020, "A
Quantile-based Approach for Hyperparameter Transfer Learning").

The scores of each task become normal scores z, so that tasks can be joined whatever their metrics. A network then gives
each architecture x a normal distribution of z, whatever the task: its mean mu(x) and its standard deviation sigma(x).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor, nn
from torch.nn import functional as F

from mpnas_ray.optimizers import Adam
from mpnas_ray.predictors.encodings.vectors import encode
from mpnas_ray.spaces import Architectures

__all__ = ["QuantilePrior", "truncated_normal_scores"]

Floats = NDArray[np.float64]

_WIDTH, _DROPOUT = 50, 0.1
_RATES, _STEPS, _BATCH = (0.01, 0.002, 0.0004), 1_000, 64
"""Learning rates; the released code names these, but its optimizer keeps the first."""


def truncated_normal_scores(quantiles: Floats, num: int) -> Floats:
    """Map scores to normal scores of their quantiles (section 4 of the paper).

    psi = Phi^-1(min(max(quantile, d), 1 - d)) with d = 1 / (4 n^(1/4) sqrt(pi log n))

    Args:
        quantiles: Ranks over their number, 1 is best, ``[N]``; NaN stays NaN.
        num: n, how many scores the task has.
    """
    cut = 0.5 if num < 2 else min(0.5, 1 / (4 * num**0.25 * math.sqrt(math.pi * math.log(num))))
    return np.asarray(ndtri(np.clip(quantiles, cut, 1 - cut)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class QuantilePrior:
    """A network of three hidden layers of 50 units, fitted by maximum likelihood.

    It sees the operation of each vertex and which vertices it reads, as zeros and ones; columns that were equal in all
    architectures that it was fitted to are left out.
    """

    network: nn.Sequential
    columns: NDArray[np.intp]

    @classmethod
    def fit(cls, archs: Architectures, targets: Floats, seed: int) -> QuantilePrior:
        """Learn from the normal scores of all tasks.

        Args:
            archs: N architectures of one space.
            targets: Normal scores on S tasks, ``[S, N]``; NaN where a task did not measure an architecture.
            seed: Seed of weights, batches and dropout.
        """
        encoded = encode(archs, "adjacency")
        columns = np.flatnonzero(encoded.min(axis=0) != encoded.max(axis=0))
        inputs = torch.from_numpy(encoded[:, columns])
        _, measured = np.nonzero(~np.isnan(targets))
        places = torch.from_numpy(measured)
        scores = torch.from_numpy(targets[~np.isnan(targets)]).float()
        with torch.random.fork_rng(devices=[]):  # layers draw weights and dropout from torch's one generator
            torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
            network = _network(len(columns))
            _train(network, inputs, places, scores)
        return cls(network.eval().requires_grad_(False), columns)

    def predict(self, archs: Architectures) -> tuple[Floats, Floats]:
        """Predict mean and standard deviation of the normal score of N architectures on a new task, each ``[N]``."""
        inputs = torch.from_numpy(encode(archs, "adjacency")[:, self.columns])
        mean, std = _normal(self.network(inputs))
        return mean.double().numpy(), std.double().numpy()


def _network(num_inputs: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(num_inputs, _WIDTH)]
    for _ in range(3):
        layers += [nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Dropout(_DROPOUT)]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return nn.Sequential(*layers, nn.Linear(_WIDTH, 2))


def _normal(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Turn outputs ``[N, 2]`` into means and standard deviations, each ``[N]``."""
    return outputs[:, 0], F.softplus(outputs[:, 1]) + 1e-3


def _train(network: nn.Sequential, inputs: Tensor, places: Tensor, scores: Tensor) -> None:
    """Maximise the likelihood of M scores ``[M]``, each of the row of ``inputs [N, F]`` that ``places [M]`` names."""
    optimizer = Adam(network.parameters(), lr=_RATES[0], fused=True)
    for rate in _RATES:
        optimizer.param_groups[0]["lr"] = rate
        for batch in torch.randint(len(scores), (_STEPS, _BATCH)):
            mean, std = _normal(network(inputs[places[batch]]))
            loss = (((scores[batch] - mean) / std).square() / 2 + std.log()).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
