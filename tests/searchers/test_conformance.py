"""Every searcher of ours behaves as Tune needs it to."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest

from mpnas_ray.spaces import get_space
from searchers import MPNASSearch, RandomSearch
from searchers.testing import MakeSearcher, SearcherConformance, SearcherInTuneConformance


class OurKeys:
    """No network twice, whatever its text."""

    def key(self, config: dict[str, Any]) -> Hashable:
        return get_space(config["arch"].partition(":")[0]).parse(config["arch"]).canonical


class TestRandomSearch(OurKeys, SearcherConformance):
    @pytest.fixture
    def make_searcher(self) -> MakeSearcher:
        return lambda **arguments: RandomSearch("mixed", **arguments)


class TestMPNASSearchFromScratch(OurKeys, SearcherConformance):
    @pytest.fixture
    def make_searcher(self) -> MakeSearcher:
        return lambda **arguments: MPNASSearch(
            "transnasbench101", predictor=None, refit_every=8, synchronous=True, **arguments
        )


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
