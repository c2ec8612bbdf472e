"""Meta-learned predictors as files, and those that come with the package."""

from __future__ import annotations

from mpnas_ray.pretrained.card import PredictorCard, leave_out, refuse_if_seen
from mpnas_ray.pretrained.files import BUNDLED, find_checkpoint, load_checkpoint, save_checkpoint

__all__ = [
    "BUNDLED",
    "PredictorCard",
    "find_checkpoint",
    "leave_out",
    "load_checkpoint",
    "refuse_if_seen",
    "save_checkpoint",
]
