"""The learning curves of trials, as a scheduler records them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.curves import PartialCurves
from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import Architecture, Architectures, parse_architecture
from searchers.core.state import Arrays

__all__ = ["CurveRecords"]


@dataclass
class CurveRecords:
    """Holds the curves of trials by trial id, in the order of their first report.

    Attributes:
        num_epochs: Number E of epochs of a full training.
        archs: Architecture of each trial, None where its config has none that is known.
        scores: Scores of each trial, higher is better, float64 ``[E]``; NaN where it has reported nothing.
        losses: Train losses of each trial, likewise.
    """

    num_epochs: int
    archs: dict[str, Architecture | None] = field(default_factory=dict)
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    losses: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def report(self, trial_id: str, arch: object, epoch: int, score: float, loss: float) -> None:
        """Note what a trial reported after an epoch, 1 to E; ``arch`` is what its config has under that name."""
        if trial_id not in self.archs:
            self.archs[trial_id] = _architecture(arch)
            self.scores[trial_id], self.losses[trial_id] = np.full((2, self.num_epochs), np.nan)
        self.scores[trial_id][epoch - 1], self.losses[trial_id][epoch - 1] = score, loss

    def forget(self, trial_id: str) -> None:
        """Leave a trial out from here on, if it is there."""
        for known in (self.archs, self.scores, self.losses):
            known.pop(trial_id, None)

    def reached(self, epoch: int) -> list[str]:
        """Return the trials that have a finite score after an epoch."""
        return [trial_id for trial_id, scores in self.scores.items() if np.isfinite(scores[epoch - 1])]

    def best(self, epoch: int) -> str | None:
        """Return the trial with the highest score after an epoch; None if there is none."""
        return max(self.reached(epoch), key=lambda trial_id: float(self.scores[trial_id][epoch - 1]), default=None)

    def curves(self, trial_ids: Sequence[str], *, with_archs: bool = True) -> PartialCurves:
        """Return the curves of some trials, at least one; with architectures if all have one of the same space."""
        found = [arch for trial_id in trial_ids if (arch := self.archs[trial_id]) is not None]
        complete = with_archs and len(found) == len(trial_ids) and len({arch.space.name for arch in found}) == 1
        archs = Architectures.of(found) if complete else None
        scores, losses = (np.stack([known[name] for name in trial_ids]) for known in (self.scores, self.losses))
        return PartialCurves(scores, losses, self.num_epochs, archs)

    def to_plain(self) -> tuple[dict[str, str | None], Arrays]:
        """Return plain values and arrays for a state file."""
        stacked = {"scores": self.scores, "losses": self.losses}
        archs = {trial_id: None if arch is None else str(arch) for trial_id, arch in self.archs.items()}
        return archs, {name: np.array(list(known.values())) for name, known in stacked.items()}

    @classmethod
    def from_plain(cls, num_epochs: int, archs: Mapping[str, str | None], arrays: Arrays) -> CurveRecords:
        """Return the records that `to_plain` was called on."""
        scores, losses = (dict(zip(archs, arrays[name].copy(), strict=True)) for name in ("scores", "losses"))
        return cls(num_epochs, {trial_id: _architecture(arch) for trial_id, arch in archs.items()}, scores, losses)


def _architecture(text: object) -> Architecture | None:
    try:
        return parse_architecture(text) if isinstance(text, str) else None
    except SearchSpaceError:
        return None
