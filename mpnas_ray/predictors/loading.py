"""Meta-learned predictors by name or path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from mpnas_ray.meta import MetaPredictor
    from mpnas_ray.mixture import MixturePredictor

__all__ = ["load_predictor"]


def load_predictor(
    name_or_path: str | Path = "default", *, device: torch.device | str = "cpu"
) -> MixturePredictor | MetaPredictor:
    """A meta-learned predictor, ready to rank and to adapt.

    Args:
        name_or_path: ``"default"`` for the one that comes with the package, or a checkpoint of yours, with or without
            ending (`mpnas meta-train` writes them).
        device: Where to compute.

    Raises:
        PredictorError: If a file is missing, damaged, written by a newer version, or something else.
    """
    from mpnas_ray.checkpoints import BUNDLED, load_checkpoint  # builds on this package

    return load_checkpoint(BUNDLED if name_or_path == "default" else name_or_path, device)[0]
