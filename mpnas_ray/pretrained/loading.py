"""Load meta-learned predictors by name or path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mpnas_ray.spaces import get_space

if TYPE_CHECKING:
    import torch

    from mpnas_ray.meta_learning.gradient import MetaPredictor
    from mpnas_ray.meta_learning.mixture import MixturePredictor
    from mpnas_ray.predictors.cost.predictor import CostPredictor

__all__ = ["load_predictor"]


def load_predictor(
    name_or_path: str | Path = "default", *, space: str | None = None, device: torch.device | str = "cpu"
) -> MixturePredictor | MetaPredictor | CostPredictor:
    """Load a meta-learned predictor, ready to rank and to adapt.

    Args:
        name_or_path: ``"default"`` for the one that comes with the package and suits the space, ``"cost"`` for the one
            that predicts latency, energy and the like, ``"mpnas-3"`` or ``"mpnas-4"``, or a checkpoint of yours, with
            or without ending (`mpnas meta-train` writes them).
        space: Name of the space whose architectures are to be ranked, if that is known.
        device: Device to compute on.

    Raises:
        PredictorError: If a file is missing, damaged, written by a newer version, or something else.
    """
    from mpnas_ray.pretrained import find_checkpoint, load_checkpoint  # builds on this package

    return load_checkpoint(find_checkpoint(name_or_path, None if space is None else get_space(space)), device)[0]
