from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures, get_space
from searchers.core.candidates import Candidates
from searchers.model_based.ranking.climbing import climb


def fewest_zeros(archs: Architectures) -> NDArray[np.float64]:
    """The more different codes a cell has, the better."""
    return np.asarray([len(set(codes)) for codes in archs.codes.tolist()], dtype=np.float64) + archs.codes.sum(1) / 1e3


@pytest.mark.parametrize("space", ["nasbench101", "mixed", "nasbenchasr"])
def test_neighbours_of_the_best_are_better_and_none_comes_twice(space: str) -> None:
    candidates = Candidates(space)
    archs = candidates.sample(200, np.random.default_rng(0))
    found, predicted = archs.canonical_keys(), fewest_zeros(archs)
    more, of_more, of_predicted = climb(candidates, archs, found, predicted, fewest_zeros)
    np.testing.assert_array_equal(more.codes[: len(archs)], archs.codes)
    np.testing.assert_array_equal(of_more, more.canonical_keys())
    np.testing.assert_array_equal(of_predicted, fewest_zeros(more))
    assert len(np.unique(of_more)) == len(of_more) > 400
    assert of_predicted.max() > predicted.max()
    assert all(arch in get_space(space) for arch in more[len(archs) : len(archs) + 30])


def test_what_the_constraint_forbids_is_not_climbed_to() -> None:
    def few(archs: Architectures) -> NDArray[np.bool_]:
        return np.asarray(archs.codes.sum(axis=1) < 18)

    candidates = Candidates("nasbench101", constraint=few)
    archs = candidates.sample(100, np.random.default_rng(0))
    more, _, _ = climb(candidates, archs, archs.canonical_keys(), fewest_zeros(archs), fewest_zeros)
    assert few(more).all()


def test_nothing_allowed_nearby_ends_the_climb() -> None:
    space = get_space("nasbench101")
    archs = space.sample_many(3, np.random.default_rng(0))
    only = set(archs.canonical_keys().tolist())

    def listed(asked: Architectures) -> NDArray[np.bool_]:
        return np.array([key in only for key in asked.canonical_keys().tolist()])

    candidates = Candidates("nasbench101", constraint=listed)
    more, found, _ = climb(candidates, archs, archs.canonical_keys(), fewest_zeros(archs), fewest_zeros)
    assert len(more) == len(found) == 3
