"""A semi-supervised predictor, like SemiNAS (Luo et al. 2020): architectures that nobody measured teach it too.

An encoder turns an architecture into a vector, from which one map predicts its score and another rebuilds its
adjacency encoding:

    1. train on  trade_off x squared error of measured ones + (1 - trade_off) x reconstruction of unmeasured ones
    2. predict scores of the unmeasured ones, and go on with these as their scores

What differs from SemiNAS: the encoder is our graph network where theirs is an LSTM that reads a sequence, and the
decoder rebuilds all at once where theirs writes a sequence; there are fewer unmeasured architectures; and no new ones
are made by following gradients in the space of vectors, since a searcher ranks its candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mpnas_ray.checks import make_plain, require_count, require_instance, require_number, require_seed
from mpnas_ray.errors import MPNASError, PredictorError
from mpnas_ray.graphs import GraphBatch, graph_batch
from mpnas_ray.optimizers import AdamW
from mpnas_ray.predictors.encodings.vectors import encode
from mpnas_ray.predictors.neural.gcn import GCN, GCNConfig, num_inputs_of
from mpnas_ray.predictors.support import measured, same_space, tensor_of_text, text_of_tensor, warn_nothing_to_learn
from mpnas_ray.spaces import Architecture, Architectures, get_space
from mpnas_ray.tables.normalization import normalize

__all__ = ["SemiSupervisedConfig", "SemiSupervisedPredictor"]


@dataclass(frozen=True)
class SemiSupervisedConfig:
    """Shape and training of a `SemiSupervisedPredictor`.

    Attributes:
        encoder: Layers and width of the graph network; SemiNAS's LSTM has width 64.
        num_unmeasured: Random architectures of the space; SemiNAS takes 10,000.
        trade_off: Weight of the scores, 0 to 1, as in SemiNAS.
        steps: Number of steps of each of the two phases.
        batch_size: Measured architectures in a step, and as many unmeasured ones.
        learning_rate: At the start of each phase; falls to 0 along a cosine.

    Raises:
        PredictorError: If a setting is out of its range.
    """

    encoder: GCNConfig = field(default_factory=lambda: GCNConfig(width=64))
    num_unmeasured: int = 1_000
    trade_off: float = 0.8
    steps: int = 300
    batch_size: int = 32
    learning_rate: float = 3e-3

    def __post_init__(self) -> None:
        make_plain(self)
        require_instance("SemiSupervisedConfig.encoder", self.encoder, GCNConfig, error=PredictorError)
        for name in ("num_unmeasured", "steps", "batch_size"):
            require_count(f"SemiSupervisedConfig.{name}", getattr(self, name), error=PredictorError)
        require_number("SemiSupervisedConfig.trade_off", self.trade_off, at_least=0, at_most=1, error=PredictorError)
        require_number("SemiSupervisedConfig.learning_rate", self.learning_rate, above=0, error=PredictorError)


class SemiSupervisedPredictor:
    """A predictor that also learns from unmeasured architectures; its training follows from ``seed`` alone.

    Scores are standardised without outliers (`mpnas_ray.tables`).

    With one score, or equal ones, there is nothing to learn: every prediction is 0, and a warning says so once.
    """

    def __init__(
        self, config: SemiSupervisedConfig | None = None, *, seed: int = 0, device: torch.device | str = "cpu"
    ) -> None:
        """Make a predictor that is not trained yet.

        Args:
            config: Shape and training; `SemiSupervisedConfig()` if None.
            seed: Seed of weights, batches and unmeasured architectures.
            device: Device to compute on.

        Raises:
            PredictorError: If the seed is not a whole number of at least 0.
        """
        self.config = config or SemiSupervisedConfig()
        require_instance("config", self.config, SemiSupervisedConfig, error=PredictorError)
        require_seed("seed", seed, error=PredictorError)
        self.seed = seed
        self.device = torch.device(device)
        self._space = ""
        self._network: GCN | None = None

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Train on N measured architectures of one space; see `Predictor.fit`.

        Raises:
            PredictorError: If there is none, if numbers differ, or if a score is not finite.
        """
        support, values = measured(archs, scores)
        space = support.space
        unmeasured = space.sample_many(self.config.num_unmeasured, np.random.default_rng(self.seed))
        together = Architectures(space, np.concatenate([support.codes, unmeasured.codes]))
        batch = graph_batch(together, self.device)
        rows = torch.from_numpy(encode(together, "adjacency")).to(self.device)
        labels = torch.from_numpy(normalize(values)).to(self.device, torch.float32)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            encoder = GCN(self.config.encoder, num_inputs=batch.num_features).to(self.device)
            decoder = nn.Linear(self.config.encoder.width, rows.shape[1]).to(self.device)
            if values.min() < values.max():
                self._train(encoder, decoder, batch, rows, labels, len(labels))
                with torch.no_grad():
                    predicted = encoder(batch[slice(len(labels), None)])
                self._train(encoder, decoder, batch, rows, torch.cat([labels, predicted]), len(labels))
            else:
                nn.init.zeros_(encoder.head.weight)
                nn.init.zeros_(encoder.head.bias)
                warn_nothing_to_learn("The semi-supervised predictor")
        self._space, self._network = space.name, encoder.eval()

    def _train(
        self, encoder: GCN, decoder: nn.Module, batch: GraphBatch, rows: Tensor, labels: Tensor, num_measured: int
    ) -> None:
        """Train one phase: the measured architectures are the first, and the first ``len(labels)`` have scores."""
        config = self.config
        parameters = [*encoder.parameters(), *decoder.parameters()]
        optimizer = AdamW(parameters, config.learning_rate, weight_decay=config.encoder.weight_decay, foreach=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=config.steps)
        for _ in range(config.steps):
            # As many of each kind, so that the measured ones, which are few, count as much (SemiNAS repeats them too).
            some = torch.randperm(num_measured, device=self.device)[: config.batch_size]
            others = torch.randint(num_measured, len(batch), (config.batch_size,), device=self.device)
            chosen = torch.cat([some, others])
            vectors = encoder.embed(batch[chosen])
            scored = chosen < len(labels)
            error = F.mse_loss(encoder.head(vectors[scored])[:, 0], labels[chosen[scored]])
            rebuilt = F.binary_cross_entropy_with_logits(decoder(vectors), rows[chosen])
            loss = config.trade_off * error + (1 - config.trade_off) * rebuilt
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()

    @torch.no_grad()
    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Predict standardised scores, ``[N]``; see `Predictor.predict`.

        Raises:
            PredictorError: Before `fit`, or for architectures of another space.
        """
        network = self._known()
        batch = graph_batch(same_space(archs, self._space), self.device)
        parts = [network(batch[slice(start, start + 2048)]) for start in range(0, len(batch), 2048)]
        return np.asarray(torch.cat([torch.empty(0), *parts]).double().cpu().numpy(), dtype=np.float64)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights of the encoder and the name of the space, on the CPU; the decoder is not needed again."""
        weights = self._known().state_dict()
        return {
            "space": tensor_of_text(self._space),
            **{f"encoder.{name}": tensor.detach().cpu().clone() for name, tensor in weights.items()},
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state_dict` of a predictor with the same configuration gave.

        Raises:
            PredictorError: If weights are missing or of other shapes; this predictor is then as before.
        """
        weights = {name.removeprefix("encoder."): t for name, t in state.items() if name.startswith("encoder.")}
        network = GCN(self.config.encoder, num_inputs=num_inputs_of(weights))
        try:
            space = get_space(text_of_tensor(state["space"])).name
            network.load_state_dict(weights)
        except (KeyError, RuntimeError, ValueError, MPNASError) as error:
            raise PredictorError(f"This is not the state of a predictor of {self.config}: {error}") from error
        self._space, self._network = space, network.to(self.device).eval()

    def _known(self) -> GCN:
        if self._network is None:
            raise PredictorError("This predictor has seen no scores yet: call fit first.")
        return self._network
