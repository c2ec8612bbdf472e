from __future__ import annotations

import pickle
from itertools import chain, permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from mpnas_ray.spaces import SPACE_NAMES, Architectures, OperationGraphs, get_space
from mpnas_ray.spaces.nasbench101 import topologies


def keys(space: str, *cells: str) -> list[int]:
    return [get_space(space).parse(cell).canonical for cell in cells]


def exact_form(kinds: np.ndarray, multiplicity: np.ndarray, live: np.ndarray) -> bytes:
    """Smallest encoding over all orders of the inner vertices: exact, and far too slow for anything but a test."""
    there = np.flatnonzero(live)
    if there.size == 0:
        return b"no path"
    kinds, multiplicity = kinds[there], multiplicity[np.ix_(there, there)]
    inner = sorted(range(1, len(there) - 1), key=lambda v: kinds[v])
    groups = [[v for v in inner if kinds[v] == kind] for kind in sorted(set(kinds[inner].tolist()))]
    parts = product(*(permutations(group) for group in groups))
    orders = ([0, *chain.from_iterable(part), len(there) - 1] for part in parts)
    return min(kinds[o].tobytes() + multiplicity[np.ix_(o, o)].tobytes() for o in orders)


def assert_keys_are_exact(graphs: OperationGraphs) -> None:
    forms: dict[int, bytes] = {}
    contracted = graphs.contracted()
    cells = (contracted.kinds, contracted.edges, contracted.kinds >= 0)
    for key, *cell in zip(graphs.canonical_keys().tolist(), *cells, strict=True):
        form = exact_form(*cell)
        assert forms.setdefault(key, form) == form, "one key for two networks"
    assert len(set(forms.values())) == len(forms), "two keys for one network"


def test_nasbench201_has_5425_distinct_networks_counting_those_without_a_path_as_one() -> None:
    everything = get_space("nasbench201").enumerate()
    assert len(np.unique(everything.canonical_keys())) == 5_425
    without_path = ~everything.graphs().live().any(axis=1)
    assert without_path.sum() == 341
    assert len(np.unique(everything[without_path].canonical_keys())) == 1


def test_nasbench201_keys_agree_with_isomorphism() -> None:
    everything = get_space("nasbench201").enumerate()
    assert_keys_are_exact(everything[np.random.default_rng(0).permutation(len(everything))[:4_000]].graphs())


@pytest.mark.parametrize("name", ["mixed", "nasbenchasr", "nasbench101"])
def test_keys_agree_with_isomorphism(name: str) -> None:
    rng = np.random.default_rng(1)
    sample = list(get_space(name).sample_many(300, rng))
    close = [get_space(name).mutate(arch, rng) for arch in sample for _ in range(3)]  # likely to meet again
    assert_keys_are_exact(Architectures.of(sample + close).graphs())


@pytest.mark.long
def test_all_ways_of_writing_nasbench101_give_423624_networks() -> None:
    bits, inner = topologies()
    found = []
    for num_inner in range(6):
        edges = bits[inner == num_inner]
        operations = np.array(list(product(range(3), repeat=num_inner)), dtype=np.int8)
        codes = np.full((len(edges), len(operations), 26), -1, dtype=np.int8)
        codes[:, :, :21] = edges[:, None]
        codes[:, :, 21 : 21 + num_inner] = operations
        parts = np.array_split(codes.reshape(-1, 26), 1 + codes.size // 5_000_000)
        found.extend(np.unique(Architectures(get_space("nasbench101"), part).canonical_keys()) for part in parts)
    assert len(np.unique(np.concatenate(found))) == 423_624


def test_nasbenchasr_our_count_and_the_published_one() -> None:
    """Ours is 8,865: a skip connection carries the sum that its node holds, as the network computes it.

    The published 8,242 come out of the same keys when a skip connection from node i to node j is read as a direct link
    from operation i to what follows operation j, and zeros take all their links with them.
    """
    everything = get_space("nasbenchasr").enumerate()
    assert len(np.unique(everything.canonical_keys())) == 8_865

    kinds = everything.graphs().kinds[:, [0, 2, 5, 9, 10]]  # input, three operations, output
    edges = np.zeros((len(everything), 5, 5), dtype=np.uint8)
    edges[:, [0, 1, 2, 3], [1, 2, 3, 4]] = 1
    for bit, (source, target) in enumerate(((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))):
        edges[:, source, target + 1] = everything.codes[:, 3 + bit]
    assert len(np.unique(OperationGraphs(kinds, edges).canonical_keys())) == 8_242


def test_hand_made_cases() -> None:
    def asr(cell: str) -> int:
        return keys("mixed", f"nasbenchasr:{cell}")[0]

    def graph(cell: str) -> int:
        return keys("mixed", f"nasbench101:{cell}")[0]

    assert asr("|conv3-d1|skip|skip|") == graph("|conv3-d1~0|output~1|"), "skips are contracted, across families"
    assert asr("|skip~0|skip|skip|") != asr("|skip|skip|skip|"), "two parallel skips double their input"
    assert asr("|skip~0|skip|skip|") == asr("|skip|skip~1|skip|"), "wherever they do so"
    assert graph("|conv3-d1~0|maxpool~0|output~1~2|") == graph("|maxpool~0|conv3-d1~0|output~1~2|")
    assert graph("|conv3-d1~0|maxpool~1|output~2|") != graph("|maxpool~0|conv3-d1~1|output~2|")
    assert graph("|zero~0|output~1|") == asr("|zero|zero|zero|"), "cells without a path are all equal"
    assert graph("|zero~0|output~0~1|") == graph("|output~0|"), "zeros are cut"


def test_keys_do_not_change_between_versions() -> None:
    # Searchers keep keys in their state files: if this fails, the format number in searchers/core/state.py must go up.
    cell = "|skip_connect~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    assert keys("nasbench201", cell) == [6847584598866335458]


@pytest.mark.parametrize("name", SPACE_NAMES)
def test_what_was_computed_goes_with_those_that_are_chosen(name: str) -> None:
    archs = get_space(name).sample_many(50, np.random.default_rng(0))
    keys, live = archs.canonical_keys(), archs.graphs().live()
    afresh = Architectures(archs.space, archs.codes[10:20].copy())
    assert np.array_equal(archs[10:20].canonical_keys(), afresh.canonical_keys())
    assert [arch.canonical for arch in archs[::25]] == keys[::25].tolist()
    copied = pickle.loads(pickle.dumps(archs))
    assert np.array_equal(copied.canonical_keys(), keys)
    assert np.array_equal(copied.graphs().live(), live)


def test_what_is_computed_of_a_list_is_computed_once_and_stays_as_it_is() -> None:
    archs, calls = get_space("nasbench201").sample_many(30, np.random.default_rng(0)), list[Architectures]()

    def describe(described: Architectures) -> NDArray[np.int64]:
        calls.append(described)
        return described.codes.sum(axis=1)

    first = archs.described(describe)
    assert archs.described(describe) is first
    assert calls == [archs]
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1
    np.testing.assert_array_equal(archs.described(lambda described: described.codes[:, 0]), archs.codes[:, 0])
    for other in (pickle.loads(pickle.dumps(archs)), archs[:]):
        np.testing.assert_array_equal(other.described(describe), first)
    assert len(calls) == 3, "neither copies nor parts hold what was computed"


def test_what_is_computed_of_a_very_long_list_is_not_kept() -> None:
    archs = get_space("nasbench101").sample_many(40_001, np.random.default_rng(0))

    def describe(described: Architectures) -> NDArray[np.int8]:
        return described.codes.copy()

    assert archs.described(describe) is not archs.described(describe)
