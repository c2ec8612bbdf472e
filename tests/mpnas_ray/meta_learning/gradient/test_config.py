from __future__ import annotations

import json
from typing import Any

import pytest

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.gradient import InnerRates, MetaConfig


def test_table_9_of_the_paper() -> None:
    config = MetaConfig.paper()
    assert (config.inner_rate, config.inner_steps, config.outer_rate) == (0.035, 6, 8e-5)
    assert config.num_support + config.num_query == 64
    assert (config.gcn.width, config.gcn.dropout, config.gcn.num_layers) == (600, 0.2, 4)
    assert config.iterations == 400 * 122
    assert not config.first_order


def test_rates_are_those_of_the_algorithm() -> None:
    assert MetaConfig().rates == InnerRates(body=0.035, head=0.0)
    assert MetaConfig(algorithm="anil").rates == InnerRates(body=0.0, head=0.035)
    assert MetaConfig(algorithm="maml", adapt_rate=0.02).adapt_rates == InnerRates(body=0.02, head=0.02)
    assert MetaConfig().adapt_rate < MetaConfig().inner_rate


def test_plain_values_and_back() -> None:
    for config in (MetaConfig(algorithm="maml", seed=3), MetaConfig.paper("anil")):
        assert MetaConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(PredictorError, match="speed"):
        MetaConfig.from_dict({**MetaConfig().to_dict(), "speed": 3})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"algorithm": "reptile"}, "algorithm must be one of boil, maml, anil and pretrain, not 'reptile'"),
        ({"normalization": "log"}, "normalization must be one of zscore and rank, not 'log'"),
        ({"inner_steps": 0}, "inner_steps must be at least 1, not 0"),
        ({"num_support": 1}, "num_support must be from 2 to 20000, not 1"),
        ({"adapt_rate": 0.1}, "adapt_rate must be above 0 and at most 0.035, not 0.1"),
        ({"validation_fraction": 1.0}, "validation_fraction must be above 0 and below 1, not 1.0"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(PredictorError, match=message):
        MetaConfig(**setting)
