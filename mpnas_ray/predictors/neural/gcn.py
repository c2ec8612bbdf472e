"""The graph convolutional predictor (BRP-NAS, Dudziak et al. 2020; MP-NAS, Table 9), trained from scratch.

Layer:    H' = dropout(relu(norm(M (H W) + b))), M the passing of messages (`mpnas_ray.graphs.message_passing`)
Readout:  the global node's state, then one linear map to a scalar
Loss:     of the scalars, or of which of two is higher
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mpnas_ray.checks import (
    make_plain,
    require_bool,
    require_count,
    require_instance,
    require_number,
    require_one_of,
    require_seed,
)
from mpnas_ray.errors import PredictorError
from mpnas_ray.graphs import (
    Engine,
    Flow,
    GraphBatch,
    MessagePassing,
    Normalization,
    graph_batch,
    message_passing,
)
from mpnas_ray.optimizers import AdamW
from mpnas_ray.spaces import Architecture
from mpnas_ray.spaces.operations import NUM_KNOWN
from mpnas_ray.tables.normalization import normalize

__all__ = ["GCN", "GCNConfig", "GCNPredictor", "Loss", "num_inputs_of", "pairwise_loss"]

Loss = Literal["mse", "pairwise"]
"""Loss: mean squared error of standardised scores, or `pairwise_loss`."""


@dataclass(frozen=True)
class GCNConfig:
    """Shape and training of a `GCNPredictor`.

    The defaults were chosen by the rank correlation reached from 100 random architectures of NAS-Bench-201
    (benchmarks/results/gcn_options.md): two flows make the difference, layer norm and no dropout help. Normalisations
    differ by no more than their error, so there is none, as in BRP-NAS's released code.

    Raises:
        PredictorError: If a setting is out of its range.
    """

    num_layers: int = 4
    width: int = 128
    dropout: float = 0.0
    layer_norm: bool = True
    normalization: Normalization = "none"
    flow: Flow = "both"
    learning_rate: float = 3e-3
    weight_decay: float = 5e-4
    epochs: int = 150
    batch_size: int = 32

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("num_layers", "width", "epochs", "batch_size"):
            require_count(f"GCNConfig.{name}", getattr(self, name), error=PredictorError)
        require_number("GCNConfig.dropout", self.dropout, at_least=0, below=1, error=PredictorError)
        require_bool("GCNConfig.layer_norm", self.layer_norm, error=PredictorError)
        require_one_of("GCNConfig.normalization", self.normalization, get_args(Normalization), error=PredictorError)
        require_one_of("GCNConfig.flow", self.flow, get_args(Flow), error=PredictorError)
        require_number("GCNConfig.learning_rate", self.learning_rate, above=0, error=PredictorError)
        require_number("GCNConfig.weight_decay", self.weight_decay, at_least=0, error=PredictorError)

    @classmethod
    def paper(cls) -> GCNConfig:
        """Return the settings of Table 9 of MP-NAS: 4 layers, width 600, dropout 0.2; the rest is BRP-NAS's code."""
        return cls(width=600, dropout=0.2, flow="reverse", learning_rate=3.5e-4, epochs=250, batch_size=64)


class GCN(nn.Module):
    """A graph convolutional network from a batch of graphs to one scalar each, ``[N]``."""

    def __init__(self, config: GCNConfig, engine: Engine = "auto", num_inputs: int = NUM_KNOWN) -> None:
        """Draw initial weights from torch's current random state.

        Args:
            config: Shape of the network.
            engine: See `mpnas_ray.graphs`.
            num_inputs: Numbers of a node that it reads: those of `GraphBatch.features`, or the first of them; further
                ones are taken for 0.

        Raises:
            PredictorError: If there is no such engine.
        """
        super().__init__()
        require_one_of("engine", engine, get_args(Engine), error=PredictorError)
        self.config = config
        self.engine = engine
        self.num_inputs = num_inputs
        widths = [num_inputs] + [config.width] * config.num_layers
        self.layers = nn.ModuleList(_GraphLayer(inner, outer, config) for inner, outer in pairwise(widths))
        self.head = nn.Linear(config.width, 1)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Predict scores ``[N]``."""
        scores: Tensor = self.head(self.embed(batch))[:, 0]
        return scores

    def embed(self, batch: GraphBatch) -> Tensor:
        """Compute the states of the global nodes, ``[N, width]``, which the head reads."""
        flows: tuple[Literal["forward", "reverse"], ...] = (
            ("forward", "reverse") if self.config.flow == "both" else (self.config.flow,)
        )
        passes = [message_passing(batch, flow, self.config.normalization, self.engine) for flow in flows]
        states = passes[0].features()
        states = F.pad(states, (0, self.num_inputs - states.shape[-1]))
        for layer in self.layers:
            states = layer(states, passes)
        return passes[0].readout(states)


class _GraphLayer(nn.Module):
    """One graph convolution; with two flows, each has weights of its own and the two results are averaged."""

    def __init__(self, inner: int, outer: int, config: GCNConfig) -> None:
        super().__init__()
        self.weights = nn.ModuleList(nn.Linear(inner, outer, bias=False) for _ in range(1 + (config.flow == "both")))
        self.bias = nn.Parameter(torch.zeros(outer))
        self.norm = nn.LayerNorm(outer) if config.layer_norm else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor, passes: list[MessagePassing]) -> Tensor:
        summed = [carry(weight(states)) for carry, weight in zip(passes, self.weights, strict=True)]
        averaged = (summed[0] + summed[1]) / 2 if len(summed) > 1 else summed[0]  # a mean of a stack takes longer
        result: Tensor = self.dropout(F.relu(self.norm(averaged + self.bias)))
        return result


class GCNPredictor:
    """A GCN trained from scratch on the given scores, standardised without outliers (`mpnas_ray.tables.normalize`).

    Fitting twice on the same data gives the same predictor: weights and batches follow from ``seed`` alone.
    """

    def __init__(
        self,
        config: GCNConfig | None = None,
        *,
        loss: Loss = "mse",
        seed: int = 0,
        device: torch.device | str = "cpu",
        engine: Engine = "auto",
    ) -> None:
        """Make a predictor that is not trained yet.

        Args:
            config: Shape and training; `GCNConfig()` if None.
            loss: Loss that is minimised; ``pairwise`` is BRP-NAS's way.
            seed: Seed of weights, batches and dropout.
            device: Device to compute on.
            engine: See `mpnas_ray.graphs`.

        Raises:
            PredictorError: If there is no such loss or engine, or the seed is not a whole number of at least 0.
        """
        self.config = config or GCNConfig()
        require_instance("config", self.config, GCNConfig, error=PredictorError)
        require_one_of("loss", loss, get_args(Loss), error=PredictorError)
        require_one_of("engine", engine, get_args(Engine), error=PredictorError)
        require_seed("seed", seed, error=PredictorError)
        self.loss = loss
        self.seed = seed
        self.device = torch.device(device)
        self.engine: Engine = engine
        self._network: GCN | None = None

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Train on N measured architectures of one space; see `Predictor.fit`.

        Raises:
            PredictorError: If there are fewer than two, if numbers differ, or if a score is not finite.
        """
        targets = np.asarray(scores, dtype=np.float64)
        if targets.shape != (len(archs),) or len(archs) < 2 or not np.isfinite(targets).all():
            raise PredictorError(
                f"fit needs two or more architectures and a finite score for each; "
                f"got {len(archs)} and scores of shape {list(targets.shape)}."
            )
        # Pairs need no more than the order, and keep all of it as ranks: clipped outliers, or 32 bits, make ties.
        targets = normalize(targets, "zscore" if self.loss == "mse" else "rank")
        batch = graph_batch(archs, self.device)
        labels = torch.from_numpy(targets).to(self.device, torch.float32)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            self._network = self._train(
                GCN(self.config, self.engine, batch.num_features).to(self.device), batch, labels
            )

    def _train(self, network: GCN, batch: GraphBatch, labels: Tensor) -> GCN:
        config = self.config
        loss_of = F.mse_loss if self.loss == "mse" else pairwise_loss
        steps = -(-len(batch) // config.batch_size)
        optimizer = AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, foreach=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=config.epochs * steps)
        network.train()
        for _ in range(config.epochs):
            for rows in torch.randperm(len(batch), device=self.device).tensor_split(steps):
                loss = loss_of(network(batch[rows]), labels[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        return network.eval()

    @torch.no_grad()
    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Predict standardised scores, ``[N]``; see `Predictor.predict`."""
        if self._network is None:
            raise PredictorError("This predictor has seen no scores yet: call fit first.")
        if not len(archs):
            return np.empty(0)
        batch = graph_batch(archs, self.device)
        parts = [self._network(batch[slice(start, start + 2048)]) for start in range(0, len(batch), 2048)]
        return np.asarray(torch.cat(parts).double().cpu().numpy(), dtype=np.float64)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights of the network, on the CPU."""
        if self._network is None:
            raise PredictorError("This predictor has seen no scores yet: call fit first.")
        return {name: tensor.detach().cpu().clone() for name, tensor in self._network.state_dict().items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over weights that `state_dict` of a predictor with the same configuration gave."""
        network = GCN(self.config, self.engine, num_inputs_of(state))
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise PredictorError(f"These weights do not fit a GCN of {self.config}: {error}") from error
        self._network = network.to(self.device).eval()


def num_inputs_of(state: Mapping[str, Tensor]) -> int:
    """Read off the weights of a `GCN` how many numbers of a node it reads."""
    weight = state.get("layers.0.weights.0.weight")
    return NUM_KNOWN if weight is None or weight.ndim != 2 else weight.shape[1]


def pairwise_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Compute the cross-entropy of the better of two architectures, over all pairs of N (RankNet, Burges et al. 2005).

    The predicted probability that i is better than j is sigmoid(score_i - score_j); it should be 1 or 0, and 1/2 for
    equal labels. With one scalar an architecture, the two directions of a pair say the same, and each pair counts once;
    the head of BRP-NAS's released code, which reads two embeddings, has no such symmetry. Its targets, a softmax of the
    two labels, were no better than the mean squared error: Spearman 0.57 and 0.87 from 10 and 100 architectures of
    NAS-Bench-201 (CIFAR-10, 4 and 3 seeds), against 0.67 and 0.89.

    Args:
        scores: ``[N]``, N at least 2.
        labels: ``[N]``, higher is better.
    """
    one, other = torch.triu_indices(len(scores), len(scores), offset=1, device=scores.device)
    wanted = (1 + torch.sign(labels[one] - labels[other])) / 2
    return F.binary_cross_entropy_with_logits(scores[one] - scores[other], wanted)
