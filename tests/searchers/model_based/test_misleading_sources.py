"""A few results take away the weight of other tasks that mislead; and failures are results too."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.experiments.replay.table import replay
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor, meta_train_mixture
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.spaces import KINDS, Architectures, get_space
from mpnas_ray.tables import TableTask
from searchers import MPNASSearch
from searchers.core.trials.observations import Observations, TrialRecord

SPACE = get_space("transnasbench101")
CELLS = SPACE.enumerate()
TINY = MixtureConfig(gcn=GCNConfig(width=8, num_layers=2), iterations=10, prior_iterations=10, num_price_lists=6)


def worth(archs: Architectures) -> NDArray[np.float64]:
    """Twice the live 3x3 convolutions and once the live 1x1 ones; cells without a path are at 0, alike."""
    kinds = archs.graphs().contracted().kinds
    return np.asarray(2.0 * (kinds == KINDS.index("conv3-d1")).sum(1) + (kinds == KINDS.index("conv1-d1")).sum(1))


def task(name: str, scores: NDArray[np.float64]) -> TableTask:
    return TableTask(f"transnasbench101/{name}", CELLS, scores, "accuracy", "max", datasets=(name,))


def learned(sources: dict[str, NDArray[np.float64]]) -> MixturePredictor:
    return meta_train_mixture({name: task(name, scores) for name, scores in sources.items()}, TINY).predictor


def noise(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(scale=0.3, size=len(CELLS))


def queries_to_the_best(predictor: MixturePredictor, target: TableTask) -> int:
    found = replay(MPNASSearch(SPACE, predictor=predictor, seed=0, refit_every=2, allow_isomorphic=True), target, 60)
    return found.queries_to(float(np.quantile(target.scores, 0.99))) or 999


@pytest.mark.long
@pytest.mark.parametrize(
    "sources", ["turned round", *(pytest.param(name, marks=pytest.mark.slow) for name in ("true", "shuffled", "mixed"))]
)
def test_sources_that_are_shuffled_or_turned_round_do_not_blind_the_search(sources: str) -> None:
    # Whole numbers without noise at the low end: cells that flipped sources recommend are all equal.
    target = task("new", worth(CELLS) + noise(9) * (worth(CELLS) > 2))
    shuffled = {f"s{n}": np.random.default_rng(n).permutation(worth(CELLS)) for n in range(3)}
    flipped = {f"f{n}": -worth(CELLS) + noise(n) for n in range(3)}
    true = {f"t{n}": worth(CELLS) + noise(n) for n in range(3)}
    given = {"true": true, "turned round": flipped, "shuffled": shuffled, "mixed": {**shuffled, **true}}[sources]
    assert queries_to_the_best(learned(given), target) < (4 if sources == "true" else 50)


def test_failures_count_as_just_below_the_worst() -> None:
    observations = Observations()
    for number, (score, status) in enumerate([(0.5, "completed"), (None, "failed"), (0.9, "completed")]):
        observations.trials[str(number)] = TrialRecord(f"arch-{number}", score=score, status=status)  # type: ignore[arg-type]
    archs, labels = observations.labels_with_failures()
    assert archs == ["arch-0", "arch-2", "arch-1"]
    assert labels[:2].tolist() == [0.5, 0.9]
    assert 0.49 < labels[2] < 0.5
    assert observations.num_learned == 3
    assert observations.labels()[0] == ["arch-0", "arch-2"]

    alone = Observations({"0": TrialRecord("arch-0", status="failed")})
    assert alone.labels_with_failures()[1].tolist() == [0.0]
    equal = Observations(
        {
            "0": TrialRecord("arch-0", score=2.0, status="completed"),
            "1": TrialRecord("arch-1", status="failed"),
        }
    )
    assert equal.labels_with_failures()[1].tolist() == [2.0, 1.0]


def test_where_everything_fails_the_search_looks_elsewhere() -> None:
    """The first choices of a predictor may all fail, of one cause; what comes next is not more of the same."""
    searcher = MPNASSearch(SPACE, "accuracy", "max", seed=0, refit_every=1)
    searcher.set_search_properties("accuracy", "max", {})
    proposed = []
    for trial in range(12):
        proposed.append(searcher.suggest(f"trial-{trial}")["arch"])
        searcher.on_trial_complete(f"trial-{trial}", error=True)
    assert len(set(proposed)) == 12
    places = [int(np.flatnonzero((CELLS.codes == SPACE.parse(arch).codes).all(axis=1))[0]) for arch in proposed]
    predicted = searcher._predictor.predict(CELLS)  # type: ignore[union-attr]
    assert (predicted[places[4:]] < np.quantile(predicted, 0.9)).any()
