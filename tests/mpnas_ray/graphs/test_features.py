from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.graphs import feature_names, graph_features
from mpnas_ray.graphs.attribute_features import ATTRIBUTE_FEATURES
from mpnas_ray.graphs.features import NO_PATH
from mpnas_ray.spaces import KINDS, SPACE_NAMES, Architecture, Architectures, get_space

SIZES = {"nasbench101": 45, "nasbench201": 45, "transnasbench101": 22, "nasbenchasr": 171, "mixed": 103}
SIZES |= {"mixed+spectral": 106, "mixed-macro": 103 + len(ATTRIBUTE_FEATURES)}
SIZES |= {"natsbench-size": 9 + len(ATTRIBUTE_FEATURES), "transnasbench101-macro": 9 + len(ATTRIBUTE_FEATURES)}
CELL_SPACES = [name for name in SPACE_NAMES if not get_space(name).has_attributes]
GROUPS = {
    "1x1 operations": {"conv1-d1", "linear"},
    "larger convolutions": {"conv5-d1", "conv5-d2", "conv7-d1", "conv7-d2", "fourier"},
    "pooling": {"avgpool", "maxpool"},
}


def by_name(arch: Architecture | str) -> dict[str, float]:
    of_one = Architectures.of([arch])
    return dict(zip(feature_names(of_one.space), graph_features(of_one)[0].tolist(), strict=True))


class Reference:
    """The features of one cell, slowly: each name is read, and answered from the list of all paths."""

    def __init__(self, arch: Architecture) -> None:
        kinds, edges = arch.graph.kinds[0], arch.graph.edges[0]
        self.last = len(kinds) - 1
        self.kinds = [KINDS[kind] if kind >= 0 else "absent" for kind in kinds]

        def readers(vertex: int) -> list[int]:
            """All vertices that add this one, repeated as often as they add it; skips are passed through."""
            found = []
            for reader in np.flatnonzero(edges[vertex]).tolist():
                if self.kinds[reader] == "skip":
                    found += readers(reader)
                elif self.kinds[reader] not in ("zero", "absent"):
                    found.append(reader)
            return found

        def paths(vertex: int) -> list[list[int]]:
            if vertex == self.last:
                return [[vertex]]
            return [[vertex, *rest] for reader in readers(vertex) for rest in paths(reader)]

        self.paths = paths(0)
        self.live = {vertex for path in self.paths for vertex in path}
        self.edges = [(vertex, reader) for vertex in self.live for reader in readers(vertex) if reader in self.live]

    def members(self, names: str) -> set[int]:
        """Live vertices that are listed as, for instance, ``conv1, conv5-d2 and pooling``."""
        kinds: set[str] = set()
        for name in re.split(", | and ", names):
            kinds |= GROUPS.get(name, {name if name in KINDS else f"{name}-d1"})
        assert kinds <= set(KINDS)
        return {vertex for vertex in self.live if self.kinds[vertex] in kinds}

    def feature(self, name: str) -> int:
        patterns = (
            "(edges from the input) to the output",
            "(edges from the input into) (.+)",
            "(edges from) (.+) to the output",
            "(edges within|number of|most inputs of one|most readers of one|shortest path over|longest path over) (.+)",
        )
        what, *listed = next(found for pattern in patterns if (found := re.fullmatch(pattern, name))).groups()
        members = self.members(*listed) if listed else {self.last}
        if what == "number of":
            return len(members)
        if what == "most inputs of one":
            return max((sum(reader == one for _, reader in self.edges) for one in members), default=0)
        if what == "most readers of one":
            return max((sum(source == one for source, _ in self.edges) for one in members), default=0)
        if what.endswith("path over"):
            lengths = [len(path) - 2 for path in self.paths if set(path[1:-1]) <= members]
            return min(lengths, default=NO_PATH) if what == "shortest path over" else max(lengths, default=0)
        sources = {"edges within": members, "edges from": members}.get(what, {0})
        readers = {self.last} if what == "edges from" else members
        return sum(source in sources and reader in readers for source, reader in self.edges)


@pytest.mark.parametrize("space", SPACE_NAMES)
def test_features_are_what_their_names_say(space: str) -> None:
    archs = get_space(space).sample_many(60, np.random.default_rng(0))
    found = graph_features(archs)
    names = feature_names(space)
    assert found.shape == (60, SIZES[space])
    assert found.dtype == np.float32
    assert len(set(names)) == len(names) == SIZES[space]
    for arch, row in zip(archs, found.tolist(), strict=True):
        reference = Reference(arch)
        of_cell = {name: value for name, value in zip(names, row, strict=True) if name not in ATTRIBUTE_FEATURES}
        assert of_cell == {name: reference.feature(name) for name in of_cell}, arch


@pytest.mark.long
@settings(deadline=None, max_examples=15)
@given(st.sampled_from(CELL_SPACES), st.integers(0, 2**32 - 1))
def test_isomorphic_cells_have_equal_features(name: str, seed: int) -> None:
    space = get_space(name)
    cells = space.sample_many(5, np.random.default_rng(seed))
    close = [
        neighbor for cell in cells for one in list(space.neighbors(cell))[:15] for neighbor in space.neighbors(one)
    ]
    archs = Architectures.of([*cells, *close])
    _, first, form = np.unique(archs.canonical_keys(), return_index=True, return_inverse=True)
    _, written = np.unique(archs.codes, axis=0, return_index=True)
    assert len(first) < len(written), "some cells are written in several ways"
    features = graph_features(archs)
    assert np.array_equal(features, features[first][form])


def test_a_cell_by_hand() -> None:
    """input -> conv3 -> avgpool -> output, the same conv3 -> conv1 -> another conv3 -> output, input -> that conv3."""
    found = by_name(
        "nasbench201:|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    )
    expected = {
        "number of conv1": 1,
        "number of conv3": 2,
        "number of avgpool": 1,
        "most inputs of one conv3": 2,
        "most readers of one conv3": 2,
        "most inputs of one avgpool": 1,
        "edges from the input to the output": 0,
        "shortest path over conv1": NO_PATH,
        "longest path over conv1": 0,
        "shortest path over conv3": 1,
        "longest path over conv3": 1,
        "longest path over conv1 and conv3": 3,
        "longest path over conv3 and avgpool": 2,
        "shortest path over conv1, conv3 and avgpool": 1,
        "edges from the input into conv3": 2,
        "edges from conv3 to the output": 1,
        "edges from conv3 and avgpool to the output": 2,
        "edges within conv3": 0,
        "edges within conv1 and conv3": 2,
        "edges within conv3 and avgpool": 1,
        "edges within conv1, conv3 and avgpool": 3,
    }
    assert {name: found[name] for name in expected} == expected


def test_a_macro_network_by_hand() -> None:
    """Widths 16, 32, 8, 64, 64 over a base width of 16; both residual blocks halve the resolution."""
    found = by_name("natsbench-size:16:32:8:64:64")
    widths = [0, 1, -1, 2, 2]
    assert [found[f"log2 width at step {step}"] for step in range(1, 7)] == [*widths, 0]
    assert found["total log2 width"] == sum(widths)
    assert found["largest log2 width"] == max(widths)
    assert [found[f"log2 stride at step {step}"] for step in range(1, 6)] == [0, 1, 0, 1, 0]
    # Relative weights of the 3x3 convolutions, each of 9: the first of a stage has as many inputs as the one before.
    convolutions = 5 + (2 + 4) + (2 * 0.5 + 4 * 0.25) + (0.5 * 4 + 16) + 5 * 16
    assert found["log2 weights"] == pytest.approx(np.log2(1 + 9 * convolutions))
    assert found["number of conv3"] == 5


def test_parallel_skips_are_several_edges() -> None:
    found = by_name(
        "nasbench201:|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|none~1|skip_connect~2|"
    )
    assert found.pop("edges from the input to the output") == 3
    assert {value for name, value in found.items() if "path" not in name} == {0}
    assert {value for name, value in found.items() if "path" in name} == {0}, "the path has no operation on it"


@pytest.mark.parametrize(
    "cell",
    [
        "nasbench201:|none~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|",
        "transnasbench101:64-41414-0_30_030",
        "nasbenchasr:|zero|conv5|linear|",
        "mixed:nasbench101:|zero~0|conv3-d1~1|output~2|",
    ],
)
def test_what_is_cut_off_does_not_count(cell: str) -> None:
    for name, value in by_name(cell).items():
        assert value == (NO_PATH if name.startswith("shortest") else 0), name


def test_no_architectures_have_no_features() -> None:
    for name in SPACE_NAMES:
        assert graph_features(Architectures.of((), get_space(name))).shape == (0, SIZES[name])
    with pytest.raises(SearchSpaceError, match="does not say its space"):
        graph_features([])
    with pytest.raises(SearchSpaceError, match="no search space 'nasbench999'"):
        feature_names("nasbench999")


def test_nearly_all_distinct_cells_have_features_of_their_own() -> None:
    distinct = get_space("nasbench201").distinct()
    assert len(np.unique(graph_features(distinct), axis=0)) == 5_341  # of 5,425
