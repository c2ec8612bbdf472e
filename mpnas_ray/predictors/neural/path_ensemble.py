"""An ensemble of small networks on the path encoding: the predictor of BANANAS (White et al. 2021, section 5).

All members are trained at once: a layer of all of them is one batched product of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from mpnas_ray.checks import make_plain, require_count, require_instance, require_number, require_seed
from mpnas_ray.errors import PredictorError
from mpnas_ray.optimizers import Adam
from mpnas_ray.predictors.encodings.vectors import encode
from mpnas_ray.predictors.support import measured, same_space, tensor_of_text, text_of_tensor
from mpnas_ray.spaces import Architecture, Architectures, get_space
from mpnas_ray.tables.normalization import normalize

__all__ = ["PathEnsembleConfig", "PathEnsemblePredictor"]


@dataclass(frozen=True)
class PathEnsembleConfig:
    """Shape and training of a `PathEnsemblePredictor`.

    The defaults are those of the paper's released code: five members of 10 layers of width 20, Adam with
    betas 0.9 and 0.99, the mean absolute error.

    Raises:
        PredictorError: If a setting is out of its range; of one member alone there is no standard deviation.
    """

    num_members: int = 5
    num_layers: int = 10
    width: int = 20
    learning_rate: float = 0.01
    epochs: int = 150
    batch_size: int = 32

    def __post_init__(self) -> None:
        make_plain(self)
        require_count("PathEnsembleConfig.num_members", self.num_members, 2, error=PredictorError)
        for name in ("num_layers", "width", "epochs", "batch_size"):
            require_count(f"PathEnsembleConfig.{name}", getattr(self, name), error=PredictorError)
        require_number("PathEnsembleConfig.learning_rate", self.learning_rate, above=0, error=PredictorError)


class PathEnsemblePredictor:
    """An ensemble of networks that differ in their initial weights and in the order of their batches.

    Scores are standardised without outliers (`mpnas_ray.tables.normalize`). The loss is the mean absolute error, as in
    the paper's released code; the text of the paper divides each error by the distance of the score from a bound known
    beforehand, which a new task does not have.
    Computes on the CPU, where networks as small as these are fastest.
    """

    def __init__(self, config: PathEnsembleConfig | None = None, *, seed: int = 0) -> None:
        """Make a predictor that is not trained yet.

        Args:
            config: Shape and training; `PathEnsembleConfig()` if None.
            seed: Seed of weights and batches: the same scores give the same predictor.

        Raises:
            PredictorError: If the seed is not a whole number of at least 0.
        """
        self.config = config or PathEnsembleConfig()
        require_instance("config", self.config, PathEnsembleConfig, error=PredictorError)
        require_seed("seed", seed, error=PredictorError)
        self.seed = seed
        self._space = ""
        self._layers: list[_Layer] = []

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Train on N measured architectures of one space; see `Predictor.fit`.

        Raises:
            PredictorError: If there is none, if numbers differ, or if a score is not finite.
        """
        support, values = measured(archs, scores)
        inputs = torch.from_numpy(encode(support, "paths"))
        generator = torch.Generator().manual_seed(self.seed)
        self._layers = _train(inputs, torch.from_numpy(normalize(values)).float(), self.config, generator)
        self._space = support.space.name

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Predict the mean over the members, in standard deviations of the measured scores: ``[N]``."""
        return self.predict_with_std(archs)[0]

    def predict_with_std(self, archs: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict mean and standard deviation over the members (with M - 1 in its denominator), each ``[N]``.

        Raises:
            PredictorError: Before `fit`, or for architectures of another space.
        """
        members = self.predict_by_member(archs)
        return members.mean(axis=0), members.std(axis=0, ddof=1)

    def sample_scores(self, archs: Sequence[Architecture], num_samples: int, rng: Generator) -> NDArray[np.float64]:
        """Draw functions that the scores may be, at N architectures: ``[num_samples, N]``.

        A function is the mean of the members plus a combination of their differences from it, with standard normal
        coefficients over sqrt(M - 1). So it is a Gaussian process with the members' mean and sample covariance: at each
        architecture it has the distribution of the paper's independent Thompson sampling, but from one architecture to
        the next it varies as the members do.

        Raises:
            PredictorError: Before `fit`, for architectures of another space, or for less than one function.
        """
        require_count("num_samples", num_samples, error=PredictorError)
        members = self.predict_by_member(archs)
        mean = members.mean(axis=0)
        coefficients = rng.standard_normal((num_samples, len(members))) / math.sqrt(len(members) - 1)
        return np.asarray(mean + coefficients @ (members - mean), dtype=np.float64)

    @torch.no_grad()
    def predict_by_member(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Predict with each member, ``[M, N]``.

        Raises:
            PredictorError: Before `fit`, or for architectures of another space.
        """
        self._refuse_unfitted()
        listed = same_space(archs, self._space)
        inputs = torch.from_numpy(encode(listed, "paths"))
        predicted = _forward(self._layers, inputs.expand(self.config.num_members, -1, -1))
        return np.asarray(predicted.double().numpy(), dtype=np.float64)

    def state_dict(self) -> dict[str, Tensor]:
        """Return weights and biases of each layer of all members, and the name of the space, on the CPU."""
        self._refuse_unfitted()
        state = {"space": tensor_of_text(self._space)}
        for number, layer in enumerate(self._layers):
            state[f"{number}.weight"], state[f"{number}.bias"] = layer.weight.clone(), layer.bias.clone()
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state_dict` of a predictor with the same configuration gave.

        Raises:
            PredictorError: If tensors are missing or of other shapes; this predictor is then as before.
        """
        try:
            space = text_of_tensor(state["space"])
            none = Architectures.of([], get_space(space))
            expected = _initial(encode(none, "paths").shape[1], self.config, torch.Generator())
            layers = [_Layer(state[f"{n}.weight"].clone(), state[f"{n}.bias"].clone()) for n in range(len(expected))]
        except (KeyError, ValueError) as error:
            raise PredictorError(f"This is not the state of a PathEnsemblePredictor: {error}") from error
        for number, (layer, wanted) in enumerate(zip(layers, expected, strict=True)):
            if layer.weight.shape != wanted.weight.shape or layer.bias.shape != wanted.bias.shape:
                raise PredictorError(
                    f"These weights do not fit an ensemble of {self.config}: layer {number} needs "
                    f"{list(wanted.weight.shape)}, not {list(layer.weight.shape)}."
                )
        self._space, self._layers = space, layers

    def _refuse_unfitted(self) -> None:
        if not self._layers:
            raise PredictorError("This predictor has seen no scores yet: call fit first.")


@dataclass(frozen=True, eq=False)
class _Layer:
    weight: Tensor  # [members, inner, outer]
    bias: Tensor  # [members, 1, outer]


def _forward(layers: list[_Layer], states: Tensor) -> Tensor:
    """Map inputs of each member ``[members, N, P]`` to its predictions ``[members, N]``."""
    for layer in layers[:-1]:
        states = F.relu(torch.baddbmm(layer.bias, states, layer.weight))
    return torch.baddbmm(layers[-1].bias, states, layers[-1].weight)[..., 0]


def _initial(num_inputs: int, config: PathEnsembleConfig, generator: torch.Generator) -> list[_Layer]:
    """Draw uniform weights as Glorot and Bengio 2010, which the released code does too."""
    layers = []
    for inner, outer in pairwise([num_inputs, *[config.width] * config.num_layers, 1]):
        bound = math.sqrt(6 / (inner + outer))
        uniform = torch.rand(config.num_members, inner, outer, generator=generator)
        layers.append(_Layer(bound * (2 * uniform - 1), torch.zeros(config.num_members, 1, outer)))
    return layers


def _train(inputs: Tensor, targets: Tensor, config: PathEnsembleConfig, generator: torch.Generator) -> list[_Layer]:
    """Train on inputs ``[N, P]`` and targets ``[N]``; each member has an order of its own."""
    layers = _initial(inputs.shape[1], config, generator)
    parameters = [tensor.requires_grad_() for layer in layers for tensor in (layer.weight, layer.bias)]
    optimizer = Adam(parameters, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
    num_steps = -(-len(inputs) // config.batch_size)
    for _ in range(config.epochs):
        orders = torch.rand(config.num_members, len(inputs), generator=generator).argsort(dim=1)
        for rows in orders.tensor_split(num_steps, dim=1):
            # Members do not share parameters, so the sum of their losses keeps them apart.
            loss = (_forward(layers, inputs[rows]) - targets[rows]).abs().mean(dim=1).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    for parameter in parameters:
        parameter.requires_grad_(False)
    return layers
