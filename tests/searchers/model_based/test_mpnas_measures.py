"""A quality or a cost: by the name of the metric, by what is said, and by the results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mpnas_ray.catalogue import load_predictor
from mpnas_ray.errors import SettingError
from mpnas_ray.predictors import CostPredictor
from mpnas_ray.predictors.encodings.operation_counts import USUAL_PRICES, operation_counts
from mpnas_ray.spaces import Architectures, get_space
from searchers import MPNASSearch

SPACE = get_space("transnasbench101")


def latency(arch: str) -> float:
    counts = operation_counts(Architectures.of([arch], SPACE))[0, : len(USUAL_PRICES)]
    return float(counts @ USUAL_PRICES) + 1.0


def first_proposals(metric: str, number: int = 3, **arguments: Any) -> list[str]:
    searcher = MPNASSearch(SPACE, metric, "min", seed=0, **arguments)
    searcher.set_search_properties(metric, "min", {})
    return [searcher.suggest(f"trial-{trial}")["arch"] for trial in range(number)]


@pytest.mark.long
def test_the_name_of_the_metric_decides_until_results_are_in() -> None:
    for metric, measures in (("latency_ms", "cost"), ("val_loss", "quality")):
        by_name = first_proposals(metric)
        assert by_name == first_proposals("unknown", measures=measures)
        assert by_name != first_proposals("unknown", measures="cost" if measures == "quality" else "quality")
    cheap = [latency(arch) for arch in first_proposals("latency_ms")]
    assert max(cheap) < np.median([latency(str(arch)) for arch in SPACE.sample_many(50, np.random.default_rng(0))])


def test_a_search_for_a_low_latency_finds_it_at_once() -> None:
    searcher = MPNASSearch(SPACE, "latency", "min", seed=0, refit_every=1, allow_isomorphic=True)
    searcher.set_search_properties("latency", "min", {})
    found = []
    for trial in range(12):
        arch = searcher.suggest(f"trial-{trial}")["arch"]
        found.append(latency(arch))
        searcher.on_trial_complete(f"trial-{trial}", {"latency": found[-1], "training_iteration": 1})
    every = [latency(str(arch)) for arch in SPACE.enumerate()[::7]]
    assert min(found) <= np.quantile(every, 0.01)


def test_a_predictor_of_costs_is_refused_for_a_quality() -> None:
    searcher = MPNASSearch(SPACE, predictor=CostPredictor(), seed=0)
    with pytest.raises(SettingError, match="knows costs alone, and val_accuracy is a quality"):
        searcher.set_search_properties("val_accuracy", "max", {})
    for arguments in ({"measures": "cost"}, {}):
        metric = "val_accuracy" if arguments else "energy"
        searcher = MPNASSearch(SPACE, predictor=CostPredictor(), seed=0, **arguments)
        assert searcher.set_search_properties(metric, "max", {})
        assert searcher.suggest("trial")["arch"] in SPACE


def test_the_bundled_predictor_of_costs_goes_with_the_bundled_predictor_alone() -> None:
    """One of the user's own may have left out a device on purpose."""
    assert isinstance(MPNASSearch("mixed")._cost_predictor, CostPredictor)
    assert MPNASSearch(SPACE)._cost_predictor is None, "the default predictor remembers latencies of its cells"
    assert MPNASSearch("mixed", predictor=load_predictor())._cost_predictor is None
    assert MPNASSearch("mixed", cost_predictor=None)._cost_predictor is None
    own = CostPredictor()
    assert MPNASSearch(SPACE, predictor=load_predictor(), cost_predictor=own)._cost_predictor is own
    with pytest.raises(SettingError, match="measures must be one of auto, quality and cost, not 'speed'"):
        MPNASSearch(SPACE, measures="speed")  # type: ignore[arg-type]
