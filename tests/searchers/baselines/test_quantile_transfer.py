from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata

from mpnas_ray.errors import SearcherStateError
from mpnas_ray.predictors.regression import quantile_prior
from mpnas_ray.predictors.regression.quantile_prior import truncated_normal_scores
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.tables import TableTask
from searchers import QuantileTransferSearch
from searchers.baselines.transfer.quantile_transfer import _QuantileRanker
from searchers.core.candidates import Candidates
from searchers.model_based.ranking.base import RankingRequest
from searchers.testing import run_trials

SPACE = get_space("transnasbench101")
ARCHS = SPACE.enumerate()


def convs(archs: Architectures) -> NDArray[np.float64]:
    return np.asarray((archs.codes == 3).sum(axis=1) + 0.01 * archs.codes @ np.arange(archs.codes.shape[1]))


def convs_of(config: dict[str, str]) -> float:
    return float(convs(Architectures.of([config["arch"]], SPACE))[0])


def source(name: str, seed: int) -> TableTask:
    raw = convs(ARCHS) + np.random.default_rng(seed).normal(scale=0.25, size=len(ARCHS))
    return TableTask(f"transnasbench101/{name}", ARCHS, raw, "m", "max")


SOURCES = {name: source(name, seed) for seed, name in enumerate(("one", "other"))}


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantile_prior, "_STEPS", 60)


def make(seed: int = 0, sources: dict[str, TableTask] | None = None) -> QuantileTransferSearch:
    return QuantileTransferSearch(
        "transnasbench101",
        "score",
        "max",
        sources=sources or SOURCES,
        seed=seed,
        allow_isomorphic=True,
        synchronous=True,
    )


@dataclass(frozen=True)
class KnownPrior:
    """A prior with means and standard deviations that a test knows."""

    level: float = 0.0
    scale: float = 1.0

    def predict(self, archs: Architectures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.level + self.scale * convs(archs), self.scale * (1.0 + archs.codes[:, 0])


def rank(prior: KnownPrior, rows: NDArray[np.intp], labels: NDArray[np.float64]) -> tuple[Architectures, np.ndarray]:
    archs = [str(arch) for arch in ARCHS[rows]]
    request = RankingRequest(archs, labels, np.empty(0, dtype=np.uint64), seed=4)
    ranking = _QuantileRanker(Candidates("transnasbench101", allow_isomorphic=True), 100, prior).rank(request)  # type: ignore[arg-type]
    return Architectures(SPACE, ranking.codes), ranking.predicted


ROWS = np.random.default_rng(0).choice(4_096, 12, replace=False)
LABELS = np.random.default_rng(1).normal(size=12)


def test_the_posterior_agrees_with_the_results_whatever_the_prior_says_of_them() -> None:
    archs, predicted = rank(KnownPrior(), ROWS, LABELS)
    assert len(archs) == 4_096
    place = {str(arch): number for number, arch in enumerate(archs)}
    found = predicted[[place[str(arch)] for arch in ARCHS[ROWS]]]
    expected = truncated_normal_scores(rankdata(LABELS) / 12, 12)
    assert np.corrcoef(found, expected)[0, 1] > 0.9
    assert np.corrcoef(KnownPrior().predict(ARCHS[ROWS])[0], expected)[0, 1] < 0.5


def test_results_that_are_as_the_prior_says_leave_it_as_it_is() -> None:
    level = 2.0  # of good architectures the results are lower among themselves than the prior says: no news
    z = truncated_normal_scores(rankdata(LABELS) / 12, 12)

    @dataclass(frozen=True)
    class Right(KnownPrior):
        def predict(self, archs: Architectures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            mean, known = convs(archs), {str(arch): value for arch, value in zip(ARCHS[ROWS], z, strict=True)}
            for number, arch in enumerate(archs):
                mean[number] = known.get(str(arch), mean[number]) + level
            return mean, np.ones(len(archs))

    prior = Right()
    archs, predicted = rank(prior, ROWS, LABELS)
    np.testing.assert_allclose(predicted, prior.predict(archs)[0] - level, atol=1e-6)


def test_only_the_order_of_results_counts() -> None:
    archs, predicted = rank(KnownPrior(), ROWS, LABELS)
    others, also = rank(KnownPrior(), ROWS, np.exp(5 * LABELS) - 100)
    assert np.array_equal(archs.codes, others.codes)
    assert np.array_equal(predicted, also)


def test_before_five_results_architectures_come_as_a_draw_from_the_prior_has_them() -> None:
    sure, _ = rank(KnownPrior(scale=1.0), ROWS[:0], LABELS[:0])
    drawn, _ = rank(KnownPrior(scale=1.0), ROWS[:4], LABELS[:4])
    assert np.array_equal(sure.codes, drawn.codes)
    mean, deviation = KnownPrior().predict(sure)
    upper_half, lower_half = mean[:2_048].mean(), mean[2_048:].mean()
    assert upper_half > lower_half
    assert deviation[:20].mean() > deviation.mean() + 1


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
def test_good_architectures_of_the_sources_come_early_and_a_misleading_prior_is_left() -> None:
    early = [convs_of(config) for config in run_trials(make(), [str(n) for n in range(5)], convs_of)]
    assert np.mean(early) > convs(ARCHS).mean() + 1.5
    late = run_trials(make(), [str(n) for n in range(40)], lambda config: -convs_of(config))[-10:]
    assert np.mean([convs_of(config) for config in late]) < convs(ARCHS).mean() - 0.5


@pytest.mark.long
@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("done", [3, 9])
def test_a_restored_search_goes_on_with_the_prior_of_its_seed(done: int, tmp_path: Path) -> None:
    names = [str(number) for number in range(14)]
    straight = run_trials(make(), names, convs_of)
    searcher = make()
    begun = run_trials(searcher, names[:done], convs_of)
    searcher.save(str(tmp_path / "state"))
    bare = make(seed=9)
    bare.restore(str(tmp_path / "state"))
    assert begun + run_trials(bare, names[done:], convs_of) == straight
    with pytest.raises(SearcherStateError, match="other sources than one"):
        make(sources={"one": SOURCES["one"]}).restore(str(tmp_path / "state"))
