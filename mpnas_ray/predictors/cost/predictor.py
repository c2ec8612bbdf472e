"""Predict latency, energy or another cost that adds up over operations, from a few measurements.

On NAS-Bench-201 the latency of a cell is nearly a linear function of its operation counts, in milliseconds and not in
ranks. So a cost is learned by Bayesian linear regression in raw units, with the prices of known devices as hypotheses
(`mpnas_ray.predictors.cost.posterior`): ten measurements say which devices a new one resembles, and correct their
prices. Qualities are not linear in counts: this predictor is not for them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.errors import MPNASError, PredictorError
from mpnas_ray.predictors.base import SourceWeight
from mpnas_ray.predictors.cost.devices import KnownDevice, centred_counts, hypotheses, priced
from mpnas_ray.predictors.cost.posterior import CostPosterior
from mpnas_ray.predictors.encodings.operation_counts import EXECUTIONS, NUM_COUNTS
from mpnas_ray.predictors.support import same_space, tensor_of_text, text_of_tensor
from mpnas_ray.spaces import Architecture, Architectures, get_space
from mpnas_ray.tables.origins import origins

if TYPE_CHECKING:
    from mpnas_ray.tables import Kind, TableTask

__all__ = ["CostConfig", "CostPredictor"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CostConfig:
    """Settings of a cost predictor: none, since it is learned in closed form. It stands beside `MixtureConfig`."""

    @property
    def algorithm(self) -> str:
        """``cost``, beside the algorithms of `mpnas_ray.meta_learning.gradient.MetaConfig`."""
        return "cost"

    @property
    def seed(self) -> int:
        """0: nothing is drawn."""
        return 0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CostConfig:
        """Read the configuration whose fields are ``values``.

        Raises:
            PredictorError: If there is a setting, as a later version may have.
        """
        if values:
            raise PredictorError(f"These are not the settings of a CostConfig of this version: {', '.join(values)}.")
        return cls()


class CostPredictor:
    """A predictor of costs that knows devices and, after `fit`, has learned one cost.

    In spaces whose operations the known devices have priced (NAS-Bench-201 and TransNAS-Bench-101), it ranks before any
    measurement as the known devices do on average. In all others it begins from the usual prices of operations, with a
    wide prior, and knows no device.
    """

    def __init__(self, devices: Sequence[KnownDevice] = ()) -> None:
        """Make a predictor that has seen no costs of the new device.

        Args:
            devices: Known ones; none leaves the usual prices.
        """
        self.config = CostConfig()
        self.devices = tuple(devices)
        self.kind: Kind = "cost"
        self._support: Architectures | None = None
        self._scores: Floats = np.empty(0)
        self._posterior: CostPosterior | None = None

    @classmethod
    def learned_from(cls, tasks: Mapping[str, TableTask]) -> CostPredictor:
        """Make a predictor that knows the devices of these tasks; those that measure a quality are passed over.

        Raises:
            PredictorError: If none measures a cost.
        """
        costs = [task for task in tasks.values() if task.kind == "cost"]
        if not costs:
            raise PredictorError(f"None of these tasks measures a cost: {', '.join(tasks)}.")
        return cls([KnownDevice.of(task) for task in costs])

    def leaving_out(self, devices: Collection[str]) -> CostPredictor:
        """Return a predictor that has seen no costs and knows nothing of these devices, nor of their families."""
        left_out = origins(devices)
        return CostPredictor([device for device in self.devices if not left_out & origins(device.devices)])

    def measuring(self, kind: Kind | None) -> CostPredictor:
        """Return a predictor for what it is made for, a ``cost``; see `MixturePredictor.measuring`.

        Raises:
            PredictorError: For a quality, which is not linear in operation counts.
        """
        if kind == "quality":
            raise PredictorError(
                "A cost predictor ranks by latency, energy or another cost that adds up over operations; a quality "
                "does not: take the default predictor."
            )
        return self.adapt(() if self._support is None else self._support, self._scores)

    def adapt(self, archs: Sequence[Architecture], scores: ArrayLike) -> CostPredictor:
        """Return a new predictor of the same known devices that has learned N measured costs; see `fit`."""
        adapted = CostPredictor(self.devices)
        adapted.fit(archs, scores)
        return adapted

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        """Learn the costs of N architectures of one space; earlier ones are forgotten.

        A cost that all others rule out, as of a measurement that was disturbed, is set aside: one in five at most. With
        no architecture, or if all scores are equal, it ranks as before any measurement.

        Args:
            archs: N architectures, an `Architectures` or a list.
            scores: Minus the costs ``[N]``, finite, in any unit in which costs add up and from any zero point. Not
                ranks, nor logarithms.

        Raises:
            PredictorError: If numbers differ or a score is not finite.
        """
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != (len(archs),) or not np.isfinite(values).all():
            raise PredictorError(
                f"Adapting needs a finite score for each architecture; got {len(archs)} architectures and scores of "
                f"shape {list(values.shape)}."
            )
        self._support, self._scores, self._posterior = None, np.empty(0), None
        if len(values) and values.min() < values.max():
            self._support, self._scores = Architectures.of(archs), values
            self._posterior = self._condition(self._support, -values)

    def predict(self, archs: Sequence[Architecture]) -> Floats:
        """Predict minus the expected costs ``[N]`` in the unit of the measured ones; before any, only order counts.

        Raises:
            PredictorError: If it was adapted to architectures of another space.
        """
        if not len(archs):
            return np.empty(0)
        posterior, counts = self._asked(archs)
        return -posterior.predict(counts)

    def predict_with_std(self, archs: Sequence[Architecture]) -> tuple[Floats, Floats]:
        """Predict minus the expected costs ``[N]`` and their standard deviations ``[N]``, in the unit of the costs.

        The standard deviation is that of the cost without the noise of one measurement, over all hypotheses.

        Raises:
            PredictorError: If no costs, or only equal ones, were measured, or those of another space.
        """
        if self._posterior is None:
            raise PredictorError("predict_with_std needs measured scores that differ: call fit or adapt first.")
        posterior, counts = self._asked(archs)
        mean, std = posterior.predict_with_std(counts)
        return -mean, std

    def sample_scores(self, archs: Sequence[Architecture], num_samples: int, rng: Generator) -> Floats:
        """Draw functions that minus the cost may be from the posterior, at N architectures: ``[num_samples, N]``.

        In the unit of the measured costs; before any measurement from the prior, where only their order counts.

        Raises:
            PredictorError: If it was adapted to architectures of another space.
        """
        posterior, counts = self._asked(archs)
        return -posterior.sample(counts, num_samples, rng)

    @property
    def set_aside(self) -> NDArray[np.bool_]:
        """True for those of the N measured costs that are not used, since the others rule them out, bool ``[N]``."""
        return np.empty(0, dtype=np.bool_) if self._posterior is None else self._posterior.set_aside

    def resembles(self) -> dict[str, float]:
        """Return the probability that measured costs are like those of each known device, or of none (``general``).

        In descending order; they sum to 1. In a space whose operations no device has priced, ``general`` is 1.

        Raises:
            PredictorError: If no costs, or only equal ones, were measured.
        """
        if self._posterior is None or self._support is None:
            raise PredictorError("resembles needs measured scores that differ: call fit or adapt first.")
        of_list = self._posterior.weights.sum(axis=(0, 1, 2, 4))
        known = self.devices if priced(self.devices, self._support.space.name) else ()
        found = {device.name: float(weight) for device, weight in zip(known, of_list[: len(known)], strict=True)}
        found["general"] = float(of_list[len(known) :].sum())
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def source_weights(self, arch: Architecture, others: Architectures) -> list[SourceWeight]:
        """List what `resembles` says of each known device; before any measurement none.

        The architectures are not looked at: see `mpnas_ray.predictors.KnowsSources`.
        """
        found = {} if self._posterior is None else self.resembles()
        return [SourceWeight(name, probability, 0.0, None) for name, probability in found.items()]

    def initialisation(self) -> dict[str, Tensor]:
        """Return what is known of devices: the parts of `state_dict` that no measurement changes."""
        about = [[device.name, device.space, list(device.devices)] for device in self.devices]
        shape = (len(self.devices), len(EXECUTIONS))
        prices = np.array([device.prices for device in self.devices]).reshape(*shape, NUM_COUNTS)
        explained = np.array([device.explained for device in self.devices]).reshape(shape)
        return {
            "devices": tensor_of_text(json.dumps(about)),
            "prices": torch.from_numpy(prices.copy()),
            "explained": torch.from_numpy(explained.copy()),
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Return the `initialisation` and, once adapted, the measured architectures (``support.*``), on the CPU."""
        state = self.initialisation()
        if self._support is not None:
            state["support.space"] = tensor_of_text(self._support.space.name)
            state["support.codes"] = torch.from_numpy(self._support.codes.copy())
            state["support.scores"] = torch.from_numpy(self._scores.copy())
        return state

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state_dict` of a cost predictor gave, its known devices too.

        Raises:
            PredictorError: If names or shapes are others; this predictor is then as before.
        """
        self.__dict__.update(self.of_state(state).__dict__)

    @classmethod
    def of_state(cls, state: dict[str, Tensor]) -> CostPredictor:
        """Rebuild a predictor from `state_dict` or `initialisation`.

        Raises:
            PredictorError: If names or shapes are not those of a cost predictor.
        """
        try:
            about = json.loads(text_of_tensor(state["devices"]))
            prices, explained = (state[name].numpy().astype(np.float64) for name in ("prices", "explained"))
            shape = (len(about), len(EXECUTIONS))
            if prices.shape != (*shape, NUM_COUNTS) or explained.shape != shape:
                raise ValueError(f"prices {list(prices.shape)} and explained {list(explained.shape)}")
            if not (np.isfinite(prices).all() and np.isfinite(explained).all()):
                raise ValueError("prices that are not finite")
            predictor = cls(
                [
                    KnownDevice(str(name), get_space(space).name, tuple(map(str, devices)), *numbers)
                    for (name, space, devices), *numbers in zip(about, prices, explained, strict=True)
                ]
            )
            if "support.codes" in state:
                space = get_space(text_of_tensor(state["support.space"]))
                predictor.fit(
                    Architectures(space, state["support.codes"].numpy().copy()), state["support.scores"].numpy()
                )
        except (KeyError, ValueError, TypeError, MPNASError) as error:
            raise PredictorError(f"This is not the state of a cost predictor: {error}") from error
        return predictor

    def _condition(self, archs: Architectures, costs: Floats) -> CostPosterior:
        counts = centred_counts(archs)
        return CostPosterior.of(counts, costs, hypotheses(self.devices, archs.space.name))

    def _asked(self, archs: Sequence[Architecture]) -> tuple[CostPosterior, Floats]:
        """Return the posterior, or before any measurement the prior, and the counts of the architectures."""
        if self._support is None:
            listed = Architectures.of(archs)
            return self._condition(listed[:0], np.empty(0)), listed.described(centred_counts)
        assert self._posterior is not None
        return self._posterior, same_space(archs, self._support.space.name).described(centred_counts)
