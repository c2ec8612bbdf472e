"""Methods that need no learning: the newest value of a curve, and how fast the train loss has fallen.

Sums of train losses estimate training speed (Ru et al. 2021, "Speedy Performance Estimation for Neural Architecture
Search"): TSE = sum_t l_t (SoTL), TSE-E the same over the last E epochs, TSE-EMA = sum_t g^(T - t) l_t.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.checks import require_callable, require_count, require_number
from mpnas_ray.curves.partial import PartialCurves, carried_forward
from mpnas_ray.errors import PredictorError

__all__ = ["Unlearned", "last_value", "sotl", "sotl_e", "tse_ema"]


class Unlearned:
    """A function of partial curves as a `CurveMethod`: nothing is fitted."""

    def __init__(self, judge: Callable[[PartialCurves], NDArray[np.float64]]) -> None:
        """Take the function, which gives ``[N]``, NaN where it knows nothing."""
        require_callable("judge", judge, "partial curves -> [N]", error=PredictorError)
        self._judge = judge

    def fit(self, curves: PartialCurves, scores: NDArray[np.float64]) -> None:
        """Do nothing: there is nothing to learn."""

    def predict(self, curves: PartialCurves) -> NDArray[np.float64]:
        """See `CurveMethod.predict`."""
        return np.nan_to_num(self._judge(curves), nan=-np.inf, posinf=np.inf, neginf=-np.inf)


def last_value(curves: PartialCurves) -> NDArray[np.float64]:
    """Return the newest score, ``[N]``."""
    return carried_forward(curves.scores)[:, -1]


def sotl(curves: PartialCurves) -> NDArray[np.float64]:
    """Sum up the training losses, negated, ``[N]``."""
    return np.asarray(-carried_forward(curves.train_losses).sum(axis=1))


def sotl_e(curves: PartialCurves, last: int = 1) -> NDArray[np.float64]:
    """Sum up the losses of the ``last`` epochs alone, negated, ``[N]``; the paper takes one.

    Raises:
        PredictorError: If ``last`` is not a whole number of at least 1.
    """
    require_count("last", last, error=PredictorError)
    return np.asarray(-carried_forward(curves.train_losses)[:, -last:].sum(axis=1))


def tse_ema(curves: PartialCurves, decay: float = 0.999) -> NDArray[np.float64]:
    """Sum up the losses, negated, with older epochs counting less, ``[N]``; the decay is the paper's.

    Raises:
        PredictorError: Unless the decay is above 0 and at most 1.
    """
    require_number("decay", decay, above=0, at_most=1, error=PredictorError)
    losses = carried_forward(curves.train_losses)
    ages = np.arange(losses.shape[1])[::-1]
    return np.asarray(-(losses * decay**ages).sum(axis=1))
