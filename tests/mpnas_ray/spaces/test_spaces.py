from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import KINDS, OPERATIONS, SPACE_NAMES, Architectures, draw, get_space, parse_architecture
from mpnas_ray.spaces.mixed import Mixed
from mpnas_ray.spaces.nasbench101 import num_topologies

spaces = pytest.mark.parametrize("name", SPACE_NAMES)
SMALL = ("nasbench201", "transnasbench101", "nasbenchasr", "natsbench-size", "transnasbench101-macro")
NB201 = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"


@spaces
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_text_is_the_whole_truth(name: str, seed: int) -> None:
    space = get_space(name)
    for arch in space.sample_many(5, np.random.default_rng(seed)):
        again = parse_architecture(str(arch))
        assert again == arch
        assert hash(again) == hash(arch)
        assert again.codes == arch.codes
        assert arch in space
        assert str(arch) in space
        assert str(arch).removeprefix(f"{name}:") in space


@spaces
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_neighbors_are_new_different_and_mutual(name: str, seed: int) -> None:
    space = get_space(name)
    arch = space.sample(np.random.default_rng(seed))
    neighbors = space.neighbors(arch)
    texts = [str(neighbor) for neighbor in neighbors]
    assert str(arch) not in texts
    assert len(set(texts)) == len(texts) > 0
    assert all(text in space for text in texts)
    if name in SMALL:  # elsewhere a change may prune a whole branch
        assert all(arch in set(space.neighbors(neighbor)) for neighbor in list(neighbors)[:5])
    assert space.mutate(arch, np.random.default_rng(0)) in set(neighbors)


def test_graph_cells_can_grow_as_well_as_shrink() -> None:
    space = get_space("nasbench101")
    smallest = space.parse("|output~0|")
    assert "nasbench101:|maxpool3x3~0|output~1|" in {str(n) for n in space.neighbors(smallest)}
    middle = space.parse("|maxpool3x3~0|output~0~1|")
    assert str(smallest) in {str(n) for n in space.neighbors(middle)}


@spaces
def test_sampling_is_reproducible_and_stays_inside(name: str) -> None:
    space = get_space(name)
    first = space.sample_many(50, np.random.default_rng(7))
    second = space.sample_many(50, np.random.default_rng(7))
    assert np.array_equal(first.codes, second.codes)
    assert not np.array_equal(first.codes, space.sample_many(50, np.random.default_rng(8)).codes)


@pytest.mark.parametrize("name", SMALL)
def test_small_spaces_enumerate_each_architecture_once(name: str) -> None:
    space = get_space(name)
    everything = space.enumerate()
    assert len(everything) == len(np.unique(everything.codes, axis=0)) == space.num_architectures
    assert len(space.distinct()) == len(np.unique(everything.canonical_keys()))


@pytest.mark.parametrize("name", ["nasbench101", "mixed"])
def test_large_spaces_refuse_to_enumerate(name: str) -> None:
    with pytest.raises(SearchSpaceError, match="sample"):
        get_space(name).enumerate()


def test_mixed_draws_every_family_and_every_operation() -> None:
    archs = Mixed().sample_many(3_000, np.random.default_rng(0))
    families, counts = np.unique(archs.codes[:, 0], return_counts=True)
    assert families.tolist() == [0, 1, 2]
    assert counts.min() > 900  # a third each
    used = np.unique(archs.graphs().kinds)
    assert {operation.name for operation in OPERATIONS} <= {KINDS[kind] for kind in used if kind >= 0}


def test_size_of_mixed_is_the_sum_of_its_terms() -> None:
    mixed = Mixed()
    graphs = sum(count * 11 ** (n - 2) for n, count in num_topologies().items())
    assert mixed.num_architectures == graphs + 11**6 + 11**3 * 2**6 == 796_556_817
    assert f"{mixed.num_architectures:,}" in mixed.derivation()
    assert num_topologies()[7] * 11**5 / mixed.num_architectures > 0.96


@pytest.mark.parametrize(
    ("space", "text", "named"),
    [
        ("nasbench201", NB201.replace("nor_conv_3x3", "nor_conv_5x5"), "'nor_conv_5x5' is not an operation"),
        ("nasbench201", "|none~0|+|none~0|none~1|", "three parts"),
        ("nasbench201", NB201.replace("none~2", "none~1"), "reads state 2"),
        ("nasbench201", NB201 + "x", "nasbench201"),
        ("transnasbench101", "64-41414-4_00_000", "0 none"),
        ("transnasbench101", "64-4111-basic", "64-41414-"),
        ("nasbenchasr", "|conv5|linear~2|zero|", "cannot add '2'"),
        ("nasbenchasr", "|conv5|zero|", "three nodes"),
        ("nasbench101", "|conv3x3-bn-relu~0|conv3x3-bn-relu~0|output~1|", "path from input to output"),
        ("nasbench101", "|conv3x3-bn-relu~0~2|output~1|", "cannot read '2'"),
        ("nasbench101", "|maxpool~0|output~1|", "'maxpool' is not an operation"),
        ("natsbench-size", "8:16:24:32", "five widths"),
        ("natsbench-size", "8:16:24:32:41", "the width of cell 3 is '41', not one of 8, 16"),
        ("transnasbench101-macro", "64-411-basic", "four to six digits"),
        ("transnasbench101-macro", "64-1111-basic", "one to three modules double"),
        ("transnasbench101-macro", "64-2222-basic", "one to three modules double"),
        ("transnasbench101-macro", "64-33334-basic", "one to four halve"),
        ("mixed", "nasbench301:|skip~0|", "nasbenchasr"),
        ("mixed", "nasbenchasr:|conv9-d1|skip|skip|", "'conv9-d1'"),
    ],
)
def test_malformed_text_names_what_is_wrong(space: str, text: str, named: str) -> None:
    with pytest.raises(SearchSpaceError, match=named.replace("(", r"\(")):
        get_space(space).parse(text)
    assert text not in get_space(space)


def test_unknown_space_lists_those_there_are() -> None:
    with pytest.raises(SearchSpaceError, match="nasbench101, nasbench201"):
        get_space("nasbench2")
    with pytest.raises(SearchSpaceError, match="say its space"):
        parse_architecture(NB201)


def test_architectures_behave_as_a_sequence() -> None:
    space = get_space("nasbench201")
    archs = space.sample_many(10, np.random.default_rng(0))
    assert len(archs[2:5]) == 3
    assert archs[np.array([4, 1])][0] == archs[4]
    assert Architectures.of([str(arch) for arch in archs]).codes.tolist() == archs.codes.tolist()
    with pytest.raises(SearchSpaceError, match="one space"):
        Architectures.of([archs[0], get_space("mixed").sample(np.random.default_rng(0))])
    with pytest.raises(ValueError, match="read-only"):
        archs.codes[0, 0] = 1


def test_drawing_shows_widths_strides_and_repeats() -> None:
    assert draw(get_space("transnasbench101-macro").parse("64-2311-basic")).splitlines()[1:3] == [
        "└─o           conv3-d1 (width x2, repeats x4)",
        "  └─o         conv3-d1 (width x2, stride x2, repeats x4)",
    ]
    assert "input (width x0.5)" in draw(get_space("natsbench-size").parse("8:16:16:16:16"))


def test_drawing_shows_every_link() -> None:
    arch = get_space("nasbench101").parse("|conv3x3-bn-relu~0|maxpool3x3~0|output~0~1~2|")
    assert draw(arch).splitlines() == [
        "o         input",
        "├─o       conv3-d1",
        "├─┊─o     maxpool",
        "└─┴─┴─o   output",
    ]
    dead = get_space("nasbench201").parse(NB201)
    assert "(dead)" in draw(dead)
