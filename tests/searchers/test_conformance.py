"""Every searcher of ours behaves as Tune needs it to."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import numpy as np
import pytest

from mpnas_ray.predictors import GCNConfig, GCNPredictor
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask
from searchers import (
    ArchitectureSearcher,
    AREASearch,
    BANANASSearch,
    BoostedTreesSearch,
    GaussianProcessSearch,
    LocalSearch,
    MeanRankSearch,
    MPNASSearch,
    NASWOTSearch,
    NearestTaskSearch,
    OptunaGPSearch,
    PredictorSearch,
    QuantileTransferSearch,
    RandomSearch,
    RegularizedEvolution,
    REINFORCESearch,
    RUSHSearch,
    TPESearch,
)
from searchers.baselines.transfer.transfer_search import TransferSearch
from searchers.testing import MakeSearcher, SearcherConformance, SearcherInTuneConformance


def source(name: str, seed: int) -> TableTask:
    archs = get_space("transnasbench101").enumerate()
    raw = np.random.default_rng(seed).normal(size=len(archs))
    return TableTask(f"transnasbench101/{name}", archs, raw, "accuracy", "max", datasets=(name,))


SOURCES = {name: source(name, seed) for seed, name in enumerate(("letters", "sounds"))}


class OurKeys:
    """No network twice, whatever its text."""

    def key(self, config: dict[str, Any]) -> Hashable:
        return get_space(config["arch"].partition(":")[0]).parse(config["arch"]).canonical


class TestRandomSearch(OurKeys, SearcherConformance):
    @pytest.fixture
    def make_searcher(self) -> MakeSearcher:
        return lambda **arguments: RandomSearch("mixed", **arguments)


@pytest.mark.parametrize(
    "kind",
    [
        RegularizedEvolution,
        LocalSearch,
        TPESearch,
        pytest.param(OptunaGPSearch, marks=pytest.mark.long),
        REINFORCESearch,
    ],
)
class TestRivals(OurKeys, SearcherConformance):
    @pytest.fixture
    def make_searcher(self, kind: type[ArchitectureSearcher]) -> MakeSearcher:
        return partial(kind, "nasbench201")


@pytest.mark.long
@pytest.mark.parametrize("kind", [GaussianProcessSearch, BANANASSearch, BoostedTreesSearch])
class TestModelledRivals(OurKeys, SearcherConformance):
    @pytest.fixture
    def make_searcher(self, kind: type[PredictorSearch]) -> MakeSearcher:
        return partial(kind, "transnasbench101", refit_every=8, synchronous=True)


@pytest.mark.slow
class TestQuantileTransferSearch(OurKeys, SearcherConformance):
    @pytest.fixture
    def make_searcher(self) -> MakeSearcher:
        return partial(QuantileTransferSearch, "transnasbench101", sources=SOURCES, refit_every=8, synchronous=True)


@pytest.mark.parametrize("kind", [partial(NASWOTSearch, num_scored=25), partial(AREASearch, population_size=6)])
class TestScored(OurKeys, SearcherConformance):
    @pytest.fixture
    def make_searcher(self, kind: Callable[..., ArchitectureSearcher]) -> MakeSearcher:
        return partial(kind, "transnasbench101", score=lambda archs: (archs.codes == 3).sum(axis=1))


@pytest.mark.parametrize("kind", [MeanRankSearch, NearestTaskSearch, RUSHSearch])
class TestTransferRivals(OurKeys, SearcherConformance):
    @pytest.fixture
    def make_searcher(self, kind: type[TransferSearch]) -> MakeSearcher:
        return partial(kind, "transnasbench101", sources=SOURCES)


@pytest.mark.long
class TestMPNASSearchFromScratch(OurKeys, SearcherConformance):
    @pytest.fixture
    def make_searcher(self) -> MakeSearcher:
        small = GCNPredictor(GCNConfig(width=16, epochs=20))
        return partial(MPNASSearch, "transnasbench101", predictor=small, refit_every=8, synchronous=True)


@pytest.mark.long
class TestMPNASSearch(OurKeys, SearcherConformance):
    @pytest.fixture
    def make_searcher(self) -> MakeSearcher:
        return lambda **arguments: MPNASSearch("nasbench201", synchronous=True, **arguments)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
class TestMPNASSearchInTune(OurKeys, SearcherInTuneConformance):
    @pytest.fixture
    def make_searcher(self) -> MakeSearcher:
        return lambda **arguments: MPNASSearch("nasbench201", synchronous=True, **arguments)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(
    "kind",
    [
        RandomSearch,
        RegularizedEvolution,
        LocalSearch,
        TPESearch,
        OptunaGPSearch,
        REINFORCESearch,
        partial(GaussianProcessSearch, synchronous=True),
        partial(BANANASSearch, synchronous=True),
        partial(BoostedTreesSearch, synchronous=True),
        partial(MPNASSearch, predictor=None, synchronous=True),
        partial(MeanRankSearch, sources=SOURCES),
        partial(NearestTaskSearch, sources=SOURCES),
        partial(RUSHSearch, sources=SOURCES),
        partial(QuantileTransferSearch, sources=SOURCES, synchronous=True),
        partial(AREASearch, score=lambda archs: (archs.codes == 3).sum(axis=1), population_size=6),
    ],
)
class TestTheOthersInTune(OurKeys, SearcherInTuneConformance):
    @pytest.fixture
    def make_searcher(self, kind: Callable[..., ArchitectureSearcher]) -> MakeSearcher:
        return partial(kind, "transnasbench101")
