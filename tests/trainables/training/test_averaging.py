from __future__ import annotations

import pytest
import torch
from torch import nn

from trainables.training.averaging import averaged


def test_the_average_is_that_of_the_formula() -> None:
    """The first update is copied; then d = min(decay, (1 + n) / (10 + n)): 2/11, 3/12, 4/13, and at last the decay."""
    network = nn.BatchNorm1d(1)
    average = averaged(network, 0.28)
    expected = None
    for number, value in enumerate([3.0, 5.0, -1.0, 2.0, 8.0]):
        with torch.no_grad():
            network.weight.fill_(value)
            network.running_mean.fill_(10 * value)
        average.update_parameters(network)
        decay = min(0.28, (1 + number) / (10 + number))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        assert average.module.weight.item() == pytest.approx(expected, rel=1e-6)
        assert average.module.running_mean.item() == pytest.approx(10 * expected, rel=1e-6)
    assert network.weight.item() == 8.0, "the network itself goes on as it was"


def test_whole_numbers_stay_whole() -> None:
    network = nn.BatchNorm1d(1)
    average = averaged(network, 0.9)
    for _ in range(3):
        network(torch.randn(4, 1))
        average.update_parameters(network)
    assert average.module.num_batches_tracked.dtype == torch.int64
