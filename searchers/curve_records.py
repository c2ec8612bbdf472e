"""What a scheduler knows of the trainings of its trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.curves import PartialCurves
from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import Architectures
from searchers.state import Arrays

__all__ = ["CurveRecords"]


@dataclass
class CurveRecords:
    """The curves of all trials by trial id, in the order of their first report.

    Attributes:
        num_epochs: E, of a full training.
        archs: Architecture string of each trial, None where its config has none.
        scores: Of each trial, higher is better, float64 ``[E]``; NaN where it has reported nothing.
        losses: Train losses likewise.
    """

    num_epochs: int
    archs: dict[str, str | None] = field(default_factory=dict)
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    losses: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.archs)

    def report(self, trial_id: str, arch: str | None, epoch: int, score: float, loss: float) -> None:
        """Note what a trial reported after an epoch, 1 to E."""
        if trial_id not in self.archs:
            self.archs[trial_id] = arch
            self.scores[trial_id], self.losses[trial_id] = np.full((2, self.num_epochs), np.nan)
        self.scores[trial_id][epoch - 1] = score
        self.losses[trial_id][epoch - 1] = loss

    @property
    def completed(self) -> list[str]:
        """Trials with a value after the last epoch."""
        return [trial_id for trial_id, scores in self.scores.items() if math.isfinite(scores[-1])]

    @property
    def best(self) -> str | None:
        """Of the completed trials the one with the highest last score; None if there is none."""
        return max(self.completed, key=lambda trial_id: float(self.scores[trial_id][-1]), default=None)

    def curves(self, trial_ids: list[str], with_archs: bool = True) -> PartialCurves:
        """Those of some trials, at least one; with architectures if all have one of the same space."""
        archs = None
        texts = [self.archs[trial_id] for trial_id in trial_ids]
        if with_archs and all(text is not None for text in texts):
            try:
                archs = Architectures.of([text for text in texts if text is not None])
            except SearchSpaceError:
                archs = None
        scores, losses = (np.stack([of[name] for name in trial_ids]) for of in (self.scores, self.losses))
        return PartialCurves(scores, losses, self.num_epochs, archs)

    def to_plain(self) -> tuple[dict[str, Any], Arrays]:
        """For a state file."""
        if not self.archs:
            return {"archs": {}}, {}
        return {"archs": self.archs}, {
            "scores": np.stack(list(self.scores.values())),
            "losses": np.stack(list(self.losses.values())),
        }

    @classmethod
    def from_plain(cls, num_epochs: int, plain: Mapping[str, Any], arrays: Arrays) -> CurveRecords:
        """Inverse of `to_plain`."""
        archs = dict(plain["archs"])
        if not archs:
            return cls(num_epochs)
        scores, losses = (dict(zip(archs, arrays[name], strict=True)) for name in ("scores", "losses"))
        return cls(num_epochs, archs, scores, losses)
