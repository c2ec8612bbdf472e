"""Functions that predictors share: checks of measured architectures, and names in a state of tensors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mpnas_ray.errors import PredictorError
from mpnas_ray.spaces import Architecture, Architectures, get_space

__all__ = [
    "MOST_POINTS",
    "measured",
    "same_space",
    "support_of_state",
    "tensor_of_text",
    "text_of_tensor",
    "thinned_points",
    "warn_nothing_to_learn",
]

logger = logging.getLogger(__name__)

MOST_POINTS = 500
"""Most architectures that a predictor learns from: closed forms cost its cube, and memory its square."""


def measured(archs: Sequence[Architecture], scores: ArrayLike) -> tuple[Architectures, NDArray[np.float64]]:
    """Check N architectures of one space and their scores ``[N]``.

    Raises:
        PredictorError: If there is none, if numbers differ, or if a score is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not len(archs) or values.shape != (len(archs),) or not np.isfinite(values).all():
        raise PredictorError(
            f"fit needs one or more architectures and a finite score for each; got {len(archs)} and scores of shape "
            f"{list(values.shape)}."
        )
    return Architectures.of(archs), values


def thinned_points(scores: ArrayLike) -> NDArray[np.int64]:
    """Choose which of N measured architectures a predictor learns from.

    Args:
        scores: ``[N]`` in the order of measurement, higher is better.

    Returns:
        Rows in rising order: all up to `MOST_POINTS`; else so many, the best for one half, the newest of the others for
        the other half.
    """
    values = np.asarray(scores, dtype=np.float64)
    rows = np.arange(len(values))
    if len(values) <= MOST_POINTS:
        return rows
    best = np.argsort(-values, kind="stable")[: MOST_POINTS // 2]
    newest = np.setdiff1d(rows, best)[-(MOST_POINTS // 2) :]
    return np.sort(np.concatenate([best, newest]))


@cache
def warn_nothing_to_learn(predictor: str) -> None:
    """Say that a predictor ranks nothing yet; the first time in a process."""
    logger.warning(
        "%s needs two architectures or more that differ, with scores that differ: until then all it predicts is equal.",
        predictor,
    )


def same_space(archs: Sequence[Architecture], space: str) -> Architectures:
    """Check the architectures that a predictor of ``space`` is asked about; there may be none.

    Raises:
        PredictorError: If they are of another space.
    """
    if not len(archs):
        return Architectures.of((), get_space(space))
    listed = Architectures.of(archs)
    if listed.space.name != space:
        raise PredictorError(
            f"This predictor was fitted to architectures of {space}; it cannot rank those of {listed.space.name}: fit "
            "it to some of them."
        )
    return listed


def tensor_of_text(text: str) -> Tensor:
    """Encode text as uint8, so that it can stand in a state of tensors."""
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


def text_of_tensor(tensor: Tensor) -> str:
    """Decode what `tensor_of_text` encoded."""
    return bytes(tensor.tolist()).decode()


def support_of_state(state: dict[str, Tensor]) -> tuple[Architectures, NDArray[np.float64]]:
    """Read measured architectures and scores ``[N]`` from a state dict.

    Raises:
        PredictorError: If they are not whole.
    """
    try:
        space = get_space(text_of_tensor(state["support.space"]))
        archs = Architectures(space, state["support.codes"].numpy())
        if any(arch not in space for arch in archs):
            raise ValueError(f"an architecture is none of {space.name}")
        return archs, state["support.scores"].double().numpy()
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise PredictorError(f"The measured architectures of this predictor are damaged: {error}.") from error
