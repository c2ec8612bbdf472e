from __future__ import annotations

import numpy as np
import pytest
import torch

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.meta_learning.mixture.knowledge import PRICES, Reference, candidates
from mpnas_ray.meta_learning.mixture.process.prior import Prior
from mpnas_ray.spaces import get_space


@pytest.fixture(scope="module")
def reference(predictor: MixturePredictor) -> Reference:
    return predictor.known(get_space("nasbench101").sample_many(3, np.random.default_rng(0))).reference


def prior(seed: int) -> Prior:
    generator = torch.Generator().manual_seed(seed)
    shapes = {name: tensor.shape for name, tensor in Prior.start(5).tensors().items()}
    return Prior.of_tensors({n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in shapes.items()})


@pytest.mark.parametrize("cost_probability", [0.0, 1.0, 0.3, 0.9])
@pytest.mark.parametrize("num_points", [0, 1, 30])
def test_weights_are_probabilities(reference: Reference, cost_probability: float, num_points: int) -> None:
    kept = torch.tensor([True, True, False, False, True])
    listed = candidates(reference, kept)
    amplitude, mean = prior(1).log_weights(listed, num_points, cost_probability)
    assert amplitude.exp().sum().item() == pytest.approx(1)
    assert mean.exp().sum().item() == pytest.approx(1)
    assert (mean[~listed.there] == -torch.inf).all()
    assert (mean[listed.there] > -torch.inf).all()


def test_a_kind_that_is_not_told_is_both_until_no_score_can_tell(reference: Reference) -> None:
    listed = candidates(reference, torch.ones(5, dtype=torch.bool))
    told = [prior(2).log_weights(listed, 6, kind)[1].exp() for kind in (0.0, 1.0)]
    assert torch.allclose(prior(2).log_weights(listed, 6, 0.3)[1].exp(), 0.7 * told[0] + 0.3 * told[1])
    assert torch.equal(prior(2).log_weights(listed, 0, 0.3)[1], prior(2).log_weights(listed, 0, 0.0)[1])


def test_a_category_shares_its_weight_among_those_that_are_there(reference: Reference) -> None:
    everything = candidates(reference, torch.ones(5, dtype=torch.bool))
    fewer = candidates(reference, torch.tensor([True, True, True, False, True]))
    start = Prior.start(5)
    totals = []
    for listed in (everything, fewer):  # nasbench101 has two sources, the last two; one of them goes
        weights = start.log_weights(listed, 5, 0.0)[1].exp().sum(dim=1)
        totals.append(torch.bincount(listed.category, weights, minlength=5))
    assert torch.allclose(totals[0], totals[1])


def test_dear_networks_are_believed_good_where_networks_differ_in_size(predictor: MixturePredictor) -> None:
    """Among cells the dear ones are believed worse, and beliefs about costs are the same in every space."""

    def not_reversed(space: str, kind: float) -> float:
        known = predictor.known(get_space(space).sample_many(3, np.random.default_rng(0)))
        listed = candidates(known.reference, torch.ones(5, dtype=torch.bool))
        mean = Prior.start(5).log_weights(listed, 5, kind)[1].exp()[listed.category == PRICES].sum(dim=0)
        return float(mean[0] / mean.sum())

    of_cells = not_reversed("nasbench201", 0.0)
    assert of_cells > 0.9
    assert not_reversed("natsbench-size", 0.0) == pytest.approx(1 - of_cells)
    assert not_reversed("natsbench-size", 1.0) == pytest.approx(not_reversed("nasbench201", 1.0))


def test_other_tensors_are_refused() -> None:
    with pytest.raises(PredictorError, match="A prior consists of"):
        Prior.of_tensors({"amplitude": torch.zeros(2, 20)})
    with pytest.raises(PredictorError, match="no prior over 4 sources: source has shape"):
        Prior.start(5).check_shapes(4)
