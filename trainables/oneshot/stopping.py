"""Early stopping by the curvature of the loss in the logits (RobustDARTS, Zela et al., ICLR 2020).

Where the largest eigenvalue of the Hessian grows, the mixture's loss says less and less of the architecture chosen
from it. The search then stops, and takes the architecture from before the growth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mpnas_ray.spaces import Architecture, parse_architecture
from trainables.oneshot.search import Search
from trainables.oneshot.steps import largest_curvature

__all__ = ["first_growth", "stop_on_curvature"]

_EVERY = 2
_WINDOW, _BACK, _RATIO = 5, 4, 1.3
_FROM_EPOCH = 10
"""RobustDARTS's: evaluations every 2 epochs, means of 5, compared with the mean 4 evaluations ago, from epoch 10 on."""


def stop_on_curvature(search: Search) -> tuple[str, Architecture] | None:
    """Note the curvature of this epoch, and stop where it has grown by too much.

    Returns:
        The reason and the architecture of the earlier epoch; None to go on.
    """
    if search.epoch % _EVERY:
        return None
    search.history[-1]["curvature"] = largest_curvature(search, search.random_batch(search.data.alphas))
    records = [record for record in search.history if "curvature" in record]
    earlier = first_growth([record["curvature"] for record in records], first=_FROM_EPOCH // _EVERY)
    if earlier is None:
        return None
    epoch = records[earlier]["epoch"]
    return f"the curvature has grown since epoch {epoch}", parse_architecture(records[earlier]["arch"])


def first_growth(values: Sequence[float], first: int = 0) -> int | None:
    """Find whether the smoothed values end in a growth by more than 1.3 over four evaluations.

    Args:
        values: Curvatures in the order of their evaluation.
        first: Number of the first evaluation at which a growth counts.

    Returns:
        The number of the evaluation before the growth; None if there is none.
    """
    now = len(values) - 1
    if now < max(first, _BACK):
        return None
    before, after = (float(np.mean(values[max(0, end - _WINDOW + 1) : end + 1])) for end in (now - _BACK, now))
    return now - _BACK if 0 < before * _RATIO < after else None
