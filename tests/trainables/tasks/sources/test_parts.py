"""Dealing samples out: disjoint, whole, by shares, class by class, groups together, the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpnas_ray.errors import TaskError
from trainables.tasks.sources.parts import deal_out, equal_samples

SHARES = {1: 0.2, 2: 0.3}


@given(
    counts=st.lists(st.integers(3, 40), min_size=1, max_size=6),
    seed=st.integers(0, 2**63 - 1),
    shares=st.dictionaries(st.sampled_from([1, 2]), st.floats(0.01, 0.49), min_size=1),
)
def test_each_class_by_the_shares(counts: list[int], seed: int, shares: dict[int, float]) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    names = [f"class {number}" for number in range(len(counts))]

    def deal(seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        units = np.arange(len(labels))
        return deal_out(labels, units, shares, seed, mixed=False, names=names, unit_name="samples")  # type: ignore[return-value]

    parts = deal(seed)
    assert set(parts) == {0, *shares}
    np.testing.assert_array_equal(parts, deal(seed))
    for label, count in enumerate(counts):
        of_class = parts[labels == label]
        assert (of_class == 0).any()
        for part, share in shares.items():
            size = (of_class == part).sum()
            assert size >= 1
            assert abs(size - share * count) <= 1, "to the nearest, but for the one sample that each part needs"


@pytest.mark.long
@given(sizes=st.lists(st.integers(1, 9), min_size=3, max_size=40), seed=st.integers(0, 99), data=st.data())
def test_groups_are_never_parted(sizes: list[int], seed: int, data: st.DataObject) -> None:
    """Whatever their classes."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(groups), max_size=len(groups))))
    mixed_group = any(len(set(labels[groups == group])) == 2 for group in range(len(sizes)))
    try:
        parts = deal_out(labels, groups, SHARES, seed, mixed=True, names=["a", "b"], unit_name="groups")
    except TaskError as error:
        assert not mixed_group
        assert "too few" in str(error)  # noqa: PT017
        return
    assert all(len(set(parts[groups == group])) == 1 for group in range(len(sizes)))
    assert set(parts) == {0, 1, 2}


def test_another_seed_is_another_split() -> None:
    labels = np.zeros(40, dtype=np.int64)
    first, other = (
        deal_out(labels, np.arange(40), SHARES, seed, mixed=False, names=(), unit_name="samples") for seed in (0, 1)
    )
    assert (np.bincount(first) == np.bincount(other)).all()
    assert (first != other).any()
    assert np.bincount(first).tolist() == [20, 8, 12]


def test_a_class_with_too_few_is_named() -> None:
    labels = np.array([0] * 9 + [1] * 2)
    with pytest.raises(
        TaskError, match="The class 'rare' has too few samples, 2: each of train, validation, test needs"
    ):
        deal_out(labels, np.arange(11), SHARES, 0, mixed=False, names=["common", "rare"], unit_name="samples")


def test_equal_samples_have_one_number() -> None:
    inputs = np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [5.0, 6.0], [3.0, 4.0]], dtype=np.float32)
    assert equal_samples(inputs).tolist() == [0, 1, 0, 2, 1]
