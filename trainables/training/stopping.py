"""The best epoch of a training so far, and the end of a training that no longer gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from torch import nn

__all__ = ["BestEpoch"]


class BestEpoch:
    """The best epoch of a training so far, with a copy of its network.

    Attributes:
        network: The network as it was after that epoch.
        epoch: Number of the epoch, from 1; 0 before the first that has a score.
        score: Validation score of that epoch; NaN before.
    """

    def __init__(self, network: nn.Module, mode: str, patience: int) -> None:
        """Begin before the first epoch.

        Args:
            network: Network to copy, which is not kept.
            mode: ``min`` or ``max``, whichever is better.
            patience: Epochs without a better score after which a training is over.
        """
        self.network = deepcopy(network)
        self.epoch = 0
        self.score = math.nan
        self._sign = -1 if mode == "min" else 1
        self._patience = patience

    def note(self, epoch: int, score: float, network: nn.Module) -> None:
        """Copy the network of an epoch if its score is finite, and better than all before."""
        if math.isfinite(score) and (self.epoch == 0 or self._sign * score > self._sign * self.score):
            self.network.load_state_dict(network.state_dict())
            self.epoch, self.score = epoch, score

    def is_long_ago(self, epoch: int) -> bool:
        """Tell whether as many epochs as there is patience have passed since, none of them better."""
        return epoch - self.epoch >= self._patience

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain values."""
        return {"epoch": self.epoch, "score": self.score, "network": self.network.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.epoch, self.score = state["epoch"], state["score"]
        self.network.load_state_dict(state["network"])
