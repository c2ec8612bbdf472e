from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mpnas_ray.catalogue import make_curve_method
from mpnas_ray.curves import PartialCurves, final_scores
from mpnas_ray.curves.partial import carried_forward
from mpnas_ray.curves.training_speed import last_value, sotl, sotl_e, tse_ema
from mpnas_ray.errors import PredictorError
from mpnas_ray.tables import BUNDLED_TABLE, read_curves

NAN = np.nan


def partial(scores: list[list[float]], losses: list[list[float]] | None = None, num_epochs: int = 27) -> PartialCurves:
    values = np.array(scores, dtype=np.float64)
    return PartialCurves(values, np.array(losses, dtype=np.float64) if losses else np.zeros_like(values), num_epochs)


def test_training_speed_by_hand() -> None:
    curves = partial([[0.1, 0.5, 0.4], [0.2, 0.2, 0.6]], [[3.0, 2.0, 1.0], [4.0, 1.0, 0.5]])

    assert last_value(curves).tolist() == [0.4, 0.6]
    assert sotl(curves).tolist() == [-6.0, -5.5]
    assert sotl_e(curves).tolist() == [-1.0, -0.5]
    assert sotl_e(curves, last=2).tolist() == [-3.0, -1.5]
    assert tse_ema(curves, decay=0.5) == pytest.approx([-(0.75 + 1 + 1), -(1 + 0.5 + 0.5)])
    assert tse_ema(curves) == pytest.approx([-(3 * 0.999**2 + 2 * 0.999 + 1), -(4 * 0.999**2 + 0.999 + 0.5)])


def test_gaps_take_the_value_before_and_at_the_beginning_the_first() -> None:
    values = np.array([[1.0, NAN, 3.0, NAN], [NAN, 2.0, np.inf, 1.0], [NAN] * 4])

    filled = carried_forward(values)

    assert filled[0].tolist() == [1, 1, 3, 3]
    assert filled[1].tolist() == [2, 2, 2, 1]
    assert np.isnan(filled[2]).all()


def test_lengths_end_at_the_last_score() -> None:
    assert partial([[0.1, NAN, 0.3, NAN], [NAN] * 4, [1, 2, 3, 4]]).lengths.tolist() == [3, 0, 4]


@pytest.mark.parametrize("name", ["last-value", "sotl", "sotl-e", "tse-ema", "extrapolation"])
def test_a_training_of_which_nothing_is_known_comes_last(name: str) -> None:
    curves = partial([[0.1, 0.2], [NAN, NAN], [0.3, 0.1]], [[1.0, 0.5], [NAN, NAN], [0.4, 0.3]])

    predicted = make_curve_method(name).predict(curves)

    assert predicted.argmin() == 1
    assert predicted[1] == -np.inf
    assert np.isfinite(predicted[[0, 2]]).all()


def test_a_cut_of_the_table_is_what_was_known_then() -> None:
    darcy = read_curves(BUNDLED_TABLE)["darcy16"]

    curves = PartialCurves.of(darcy, 3)

    assert curves.scores.shape == (len(darcy), 3)
    assert curves.num_epochs == darcy.scores.shape[1]
    assert (curves.scores == -darcy.scores[:, :3]).all()  # its metric is better low
    assert (final_scores(darcy) == -darcy.scores[:, -1]).all()


@pytest.mark.parametrize(
    ("scores", "losses", "epochs"), [((2, 3), (2, 2), 5), ((2, 3), (2, 3), 2), ((2, 0), (2, 0), 5)]
)
def test_shapes_that_do_not_fit_are_refused(scores: tuple[int, int], losses: tuple[int, int], epochs: int) -> None:
    with pytest.raises(PredictorError, match="Partial curves have"):
        PartialCurves(np.zeros(scores), np.zeros(losses), epochs)


@pytest.mark.parametrize(
    "curve",
    [
        lambda t, end: end - 0.6 * np.exp(-0.3 * t),
        lambda t, end: end - 0.5 * t**-0.5,
        lambda t, end: end - 0.7 / (1 + (0.2 * t) ** 2),
    ],
    ids=["exponential", "power", "mmf"],
)
def test_extrapolation_finds_where_curves_of_its_families_go(curve: Callable[..., NDArray[np.float64]]) -> None:
    ends = np.linspace(0.6, 0.95, 8)
    whole = np.stack([curve(np.arange(1.0, 41), end) for end in ends])

    predicted = make_curve_method("extrapolation").predict(partial(whole[:, :15].tolist(), num_epochs=40))

    assert predicted == pytest.approx(whole[:, -1], abs=0.02)
    assert np.abs(predicted - whole[:, -1]).mean() < np.abs(whole[:, 14] - whole[:, -1]).mean()


@settings(max_examples=30)
@given(
    st.lists(st.integers(-1000, 1000), min_size=3, max_size=20),
    st.floats(0.01, 100),
    st.floats(-100, 100),
)
def test_extrapolation_moves_with_the_unit_of_the_score(curve: list[int], factor: float, shift: float) -> None:
    method = make_curve_method("extrapolation")
    values = np.array([curve], dtype=np.float64)

    one = method.predict(partial(values.tolist()))
    other = method.predict(partial((factor * values + shift).tolist()))

    width = float(np.ptp(values))
    assert other == pytest.approx(factor * one + shift, abs=1e-4 * (1 + factor * width + abs(shift)) + factor * 1e-9)
    assert values.min() - width - 1e-6 <= one[0] <= values.max() + width + 1e-6
