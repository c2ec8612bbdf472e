"""Scores of different tasks on one scale."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpnas_ray.errors import TableError
from mpnas_ray.names import no_such

__all__ = ["Normalization", "normalize"]

Normalization = Literal["zscore", "rank"]


def normalize(scores: ArrayLike, kind: Normalization = "zscore") -> NDArray[np.float64]:
    """Scores ``[N]`` to mean 0 and standard deviation 1, in the same order; all equal scores become 0.

    Nothing but ``scores`` is looked at, so what must not be seen (query points, test architectures) must not be passed.

    Args:
        scores: Finite numbers, shape [N].
        kind: ``zscore`` keeps distances; ``rank`` replaces the scores by their ranks first, ties sharing their mean
            rank, so that only the order counts and the correlation of two results is Spearman's.

    Raises:
        TableError: If a score is not finite, the shape is not [N], or there is no such kind.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise TableError(
            f"normalize needs finite scores of shape [N]; got shape {list(values.shape)}, or NaN among them."
        )
    if kind not in get_args(Normalization):
        raise TableError(no_such("normalisation", kind, get_args(Normalization)))
    if not values.size or values.min() == values.max():
        return np.zeros_like(values)  # not where std is 0: the mean of equal numbers may round away from them
    if kind == "rank":
        from scipy.stats import rankdata  # takes a second to import

        values = np.asarray(rankdata(values), dtype=np.float64)
    else:
        values = values / np.abs(values).max()  # so that squares neither overflow nor vanish
    centred = values - values.mean()
    normalised: NDArray[np.float64] = centred / centred.std()
    return normalised
