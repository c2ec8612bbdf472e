from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mpnas_ray.catalogue import make_curve_method
from mpnas_ray.curves import PartialCurves, final_scores
from mpnas_ray.curves.lcsvr import LcSVR
from mpnas_ray.errors import PredictorError
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import BUNDLED_TABLE, read_curves

EPOCHS = 12


def late_bloomers(size: int = 40, seed: int = 0) -> tuple[PartialCurves, NDArray[np.float64]]:
    """Curves whose slope tells the end, and the newest value does not: the steeper, the lower they start."""
    rng = np.random.default_rng(seed)
    slopes = rng.uniform(0.0, 1.0, size)
    times = np.arange(EPOCHS) / (EPOCHS - 1)
    scores = 0.6 - 0.4 * slopes[:, None] + slopes[:, None] * times + rng.normal(scale=0.005, size=(size, EPOCHS))
    archs = get_space("mixed").sample_many(size, rng)
    jacob_cov = rng.normal(size=(size, 1))
    return PartialCurves(scores, 2.0 - scores, EPOCHS, archs, jacob_cov), scores[:, -1].copy()


def test_lcsvr_learns_what_the_newest_value_does_not_say() -> None:
    curves, scores = late_bloomers()
    learned, asked = slice(0, 25), slice(25, 40)
    method = LcSVR(num_configurations=10)
    method.fit(PartialCurves(curves.scores, curves.train_losses, EPOCHS)[learned], scores[learned])

    predicted = method.predict(PartialCurves(curves.scores, curves.train_losses, EPOCHS)[asked].cut(4))

    assert spearmanr(predicted, scores[asked]).statistic > 0.9
    assert spearmanr(curves.scores[asked, 3], scores[asked]).statistic < 0


def test_lcsvr_refuses_what_it_was_not_fitted_to() -> None:
    curves, scores = late_bloomers(10)
    method = LcSVR(num_configurations=2)

    with pytest.raises(PredictorError, match="was not fitted"):
        method.predict(curves)
    with pytest.raises(PredictorError, match="6 or more"):
        method.fit(curves[:5], scores[:5])
    method.fit(curves.cut(3), scores)
    with pytest.raises(PredictorError, match="4 epochs"):
        method.predict(curves.cut(4))


@pytest.mark.long
def test_omni_reads_its_three_sources() -> None:
    pytest.importorskip("ngboost")
    curves, scores = late_bloomers(20)
    assert curves.features is not None
    method = make_curve_method("omni")

    with pytest.raises(PredictorError, match="jacob_cov"):
        method.fit(PartialCurves(curves.scores, curves.train_losses, EPOCHS, curves.archs), scores)
    method.fit(curves, scores)
    assert spearmanr(method.predict(curves), scores).statistic > 0.8

    lowest, missing = curves.features.copy(), curves.features.copy()
    lowest[3], missing[3] = curves.features.min(), np.nan
    by_lowest, by_missing = (
        method.predict(PartialCurves(curves.scores, curves.train_losses, EPOCHS, curves.archs, jacob_cov))
        for jacob_cov in (lowest, missing)
    )
    assert (by_lowest == by_missing).all()  # a score that is not finite ranks as the lowest


def test_late_epochs_of_real_curves_say_more_than_early_ones() -> None:
    splice = read_curves(BUNDLED_TABLE)["splice"]
    curves, scores = PartialCurves.of(splice), final_scores(splice)
    learned, asked = slice(0, 40), slice(40, 120)
    found = {}
    for epoch in (3, 24):
        method = LcSVR(num_configurations=10)
        method.fit(curves[learned].cut(epoch), scores[learned])
        found[epoch] = spearmanr(method.predict(curves[asked].cut(epoch)), scores[asked]).statistic

    assert found[24] > 0.8
    assert found[24] > found[3] + 0.2
