"""Parametric extrapolation of learning curves (Domhan et al. 2015, "Speeding up automatic hyperparameter
optimization of deep neural networks by extrapolation of learning curves").

A curve is taken for y(t) = a - b g(t) with b >= 0, where g falls from one epoch to the next; of Domhan's eleven
families these are of that form, the first three with the parameters k and d:

    Weibull, Janoschek, exp4   g = exp(-(k t)^d)
    MMF, logistic power        g = 1 / (1 + (k t)^d)
    pow3                       g = t^-d
    ilog2                      g = 1 / log(t + 1)

Where Domhan et al. sample the parameters of a weighted sum of families by MCMC, k and d are here on a grid, a and b
follow by least squares in closed form, and the extrapolations of all grid points are averaged by their posterior
probability (BIC, equal prior of each family). So all curves are fitted at once, without local minima and random
numbers; what is lost is the noise's own posterior and mixtures of families.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.curves.partial import PartialCurves, carried_forward
from mpnas_ray.curves.scaling import without_outliers

__all__ = ["extrapolated"]

_FEWEST = 3
"""Epochs from which there is something to extrapolate."""

_LEAST_NOISE = 1e-5
_RATES = np.geomspace(0.02, 5.0, 40)
_POWERS = np.array([0.3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0])


def extrapolated(curves: PartialCurves) -> NDArray[np.float64]:
    """Expect the score after the last epoch of a full training, ``[N]``; NaN for a training without any.

    A curve of fewer than three epochs keeps its newest value. No expectation leaves the measured range by more than its
    own width, which Domhan et al. ensure by knowing that an accuracy is at most 1. A value that is an outlier among
    those of the other trainings at its epoch is clipped first (`without_outliers`): the others of its curve, between
    which there would be no difference at its scale, are then read as they are.
    """
    values = carried_forward(without_outliers(curves.scores, curves.scores))
    found: NDArray[np.float64] = values[:, -1].copy()
    for length in np.unique(curves.lengths):
        rows = np.flatnonzero(curves.lengths == length)
        if length >= _FEWEST:
            found[rows] = _extrapolate(values[rows, :length], curves.num_epochs)
    return found


def _extrapolate(values: NDArray[np.float64], num_epochs: int) -> NDArray[np.float64]:
    """Extrapolate curves ``[N, e]`` to their last values ``[N]``."""
    epochs = values.shape[1]
    shapes, num_parameters, prior = _shapes(np.append(np.arange(1, epochs + 1), num_epochs).astype(np.float64))
    shown, at_end = shapes[:, :-1], shapes[:, -1]  # [G, e], [G]
    low, high = values.min(axis=1), values.max(axis=1)
    width = np.maximum(high - low, 1e-12)
    scaled = (values - low[:, None]) / width[:, None]
    means, shape_means = scaled.mean(axis=1), shown.mean(axis=1)
    centred, shape_centred = scaled - means[:, None], shown - shape_means[:, None]
    falls = -(centred @ shape_centred.T) / np.maximum((shape_centred**2).sum(axis=1), 1e-12)  # b, [N, G]
    falls = np.maximum(falls, 0.0)
    explained = 2 * falls * (centred @ shape_centred.T) + falls**2 * (shape_centred**2).sum(axis=1)
    squares = (centred**2).sum(axis=1)[:, None] + explained
    # With a little noise at least, a third of a percent of the range: where a curve is met exactly, by few points or by
    # chance, one family would take all the weight.
    evidence = (
        -0.5 * epochs * np.log(squares / epochs + _LEAST_NOISE) - 0.5 * num_parameters * np.log(epochs) + np.log(prior)
    )
    weights = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    ends = means[:, None] + falls * (shape_means - at_end)
    expected = (weights * np.clip(ends, -1.0, 2.0)).sum(axis=1) / weights.sum(axis=1)
    found: NDArray[np.float64] = low + width * expected
    return found


def _shapes(
    times: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return for each grid point g at the times ``[G, T]``, its family's number of parameters and its prior ``[G]``."""
    rates, powers = (grid.reshape(-1, 1) for grid in np.meshgrid(_RATES, _POWERS))
    grown = (rates * times) ** powers
    families = [
        (np.exp(-grown), 4),
        (1 / (1 + grown), 4),
        (times ** -_POWERS[:, None], 3),
        (1 / np.log(times + 1)[None], 2),
    ]
    return (
        np.concatenate([shapes for shapes, _ in families]),
        np.concatenate([np.full(len(shapes), float(count)) for shapes, count in families]),
        np.concatenate([np.full(len(shapes), 1 / len(shapes)) for shapes, _ in families]),
    )
