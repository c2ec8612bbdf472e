"""Prices of known devices, and the hypotheses about a new one that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors.cost.posterior import Hypotheses
from mpnas_ray.predictors.encodings.operation_counts import EXECUTIONS, NUM_COUNTS, USUAL_PRICES, executed_counts
from mpnas_ray.spaces import OPERATIONS, Architectures, get_space

if TYPE_CHECKING:
    from mpnas_ray.tables import TableTask

__all__ = ["KnownDevice", "centred_counts", "hypotheses", "priced"]

Floats = NDArray[np.float64]

_NUM_REFERENCE = 2_048
"""Number of random architectures of a space, over which costs of a price list are brought to variance 1."""

_OWN_EXECUTION = 0.5
"""Probability that a device like a known one executes cells the way that one does; the other ways share the rest."""

_SMALLEST_TYPICAL = 0.2
"""Smallest typical price, as a part of the largest: a price may differ from zero even if all lists say zero."""

_SIMPLER = 0.002
"""Part of a known device's costs that a later way of execution must explain more to be taken for its own."""


@dataclass(frozen=True, eq=False)
class KnownDevice:
    """The prices of one measured cost.

    Attributes:
        name: Name of its task.
        space: Name of the space whose architectures were measured.
        devices: Names of device and families, as in `TableTask.devices`.
        prices: Price of each count in each way of execution, by least squares, ``[4, 22]``, in the unit of the table.
        explained: Part of the variance of the costs that they explain, ``[4]``.
    """

    name: str
    space: str
    devices: tuple[str, ...]
    prices: Floats
    explained: Floats

    @classmethod
    def of(cls, task: TableTask) -> KnownDevice:
        """Learn prices from a table; cells without a path from input to output are left out.

        Raises:
            PredictorError: If the task measures a quality, or the same cost for all architectures.
        """
        if task.kind != "cost":
            raise PredictorError(f"{task.name} measures a quality: a cost predictor learns from costs alone.")
        connected = task.archs.graphs().live()[:, -1]
        counts, costs = executed_counts(task.archs[connected]), task.raw[connected] * (1 if task.mode == "min" else -1)
        if not len(costs) or np.ptp(costs) == 0:
            raise PredictorError(f"{task.name} has no costs that differ: nothing can be learned from it.")
        costs = costs - costs.mean()
        counts = counts - counts.mean(axis=1, keepdims=True)
        prices = np.stack([np.linalg.lstsq(of_execution, costs, rcond=None)[0] for of_execution in counts])
        wrong = np.einsum("vnf,vf->vn", counts, prices) - costs
        return cls(task.name, task.archs.space.name, task.devices, prices, 1 - wrong.var(axis=1) / costs.var())

    @property
    def execution(self) -> int:
        """Place of its way of execution in `EXECUTIONS`; of nearly equal ones the first."""
        return int(np.flatnonzero(self.explained > self.explained.max() - _SIMPLER)[0])

    def prices_under(self, execution: int) -> Floats:
        """Return the prices of a device that is like this one but executes another way, ``[22]``."""
        own, parallel = self.execution, EXECUTIONS.index("parallel")
        if own != execution == parallel:  # half of the time is spent on the longest path
            alone = self.prices[own, : len(OPERATIONS)] / 2
            return np.concatenate([alone, alone])
        prices: Floats = self.prices[EXECUTIONS.index("live") if own == parallel != execution else own]
        return prices


@lru_cache(maxsize=16)
def _reference(space: str) -> Floats:
    """Count the operations of random architectures of a space, always the same ones: ``[4, 2048, 22]``."""
    counts = executed_counts(get_space(space).sample_many(_NUM_REFERENCE, np.random.default_rng(0)))
    counts.flags.writeable = False
    return counts


def centred_counts(archs: Architectures) -> Floats:
    """Count operations ``[4, N, 22]`` relative to the mean of the space, so that an offset is one of the mean."""
    centred: Floats = executed_counts(archs) - _reference(archs.space.name).mean(axis=1, keepdims=True)
    return centred


def priced(devices: Sequence[KnownDevice], space: str) -> bool:
    """Tell whether known devices have executed all operations that a space has."""
    seen = {kind for device in devices for kind in _kinds(device.space)}
    return bool(devices) and seen.issuperset(_kinds(space))


@lru_cache(maxsize=16)
def _kinds(space: str) -> frozenset[int]:
    """Find the operations of a space, indices into `OPERATIONS`."""
    return frozenset(np.flatnonzero(_reference(space)[0, :, : len(OPERATIONS)].any(axis=0)).tolist())


def hypotheses(devices: Sequence[KnownDevice], space: str) -> Hypotheses:
    """Make the hypotheses about the cost of a new device in a space.

    Price lists are those of the known devices, their mean, the usual prices, and none, a quarter of the probability
    each; where no device has priced the operations, the usual prices and none.
    """
    reference = _reference(space)
    known = devices if priced(devices, space) else ()
    usual = np.concatenate([USUAL_PRICES, USUAL_PRICES])
    prices, log_prior, typical = [], [], []
    for execution in range(len(EXECUTIONS)):
        lists = [_standardised(device.prices_under(execution), reference[execution]) for device in known]
        other = (1 - _OWN_EXECUTION) / (len(EXECUTIONS) - 1)
        weights = [(_OWN_EXECUTION if device.execution == execution else other) / len(known) for device in known]
        if known:
            lists.append(_standardised(np.mean(lists, axis=0), reference[execution]))
            weights.append(1 / len(EXECUTIONS))
        lists.append(_standardised(usual, reference[execution]))
        size = np.sqrt(np.mean(np.square(lists), axis=0))
        lists.append(np.zeros(NUM_COUNTS))
        weights += [1 / len(EXECUTIONS)] * 2
        prices.append(lists)
        log_prior.append(np.log(weights))
        typical.append(np.maximum(size, _SMALLEST_TYPICAL * size.max()))
    return Hypotheses(np.array(prices), np.array(log_prior), np.array(typical))


def _standardised(prices: Floats, counts: Floats) -> Floats:
    """Scale prices so that the costs of these architectures have variance 1."""
    standard_deviation = float((counts @ prices).std())
    standardised: Floats = prices / standard_deviation if standard_deviation > 0 else prices
    return standardised
