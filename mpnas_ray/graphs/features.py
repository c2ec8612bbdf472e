"""Graph features of cells: counts, paths and degrees that people can read (after GRAF, Kadlecova et al. 2024).

A cell is looked at in the form in which `canonical_keys` compares it: zeros and whatever computes nothing are cut,
skips are edges, and parallel skips are several. Isomorphic cells therefore have equal features. These are

    the number of operations of each kind
    the most inputs, and the most readers, that one operation of a kind has
    the number of edges straight from the cell's input to its output

and for each set of operations

    the shortest and the longest path from input to output that runs through these operations alone
    the number of edges from the input into the set, from the set to the output, and within the set

The sets are all of the kinds of a space that has up to five of them (7 sets for the three kinds of NAS-Bench-101 and
-201). The nine kinds of the mixed space have 511, of which many say nearly the same: there the sets are all 15 of the
four groups of `Operation.group`, which rank cells better than those 511 and than coarser or finer groups
(benchmarks/results/graph_features.md).

In spaces whose networks differ in width and depth, `mpnas_ray.graphs.attribute_features` come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.graphs.attribute_features import ATTRIBUTE_FEATURES, attribute_features
from mpnas_ray.spaces import EXTENSIONS, KINDS, OPERATIONS, Architecture, Architectures, SearchSpace, get_space
from mpnas_ray.spaces.operations import INPUT, OUTPUT, SKIP, ZERO

__all__ = ["feature_names", "graph_features"]

Floats = NDArray[np.float32]
Lengths = NDArray[np.int8]

NO_PATH = 6
"""Length of the shortest path where there is none: one operation more than the longest path of any space has."""

_MOST_KINDS = 5
_GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(operation.name for operation in (*OPERATIONS, *EXTENSIONS) if operation.group == group)
    for group in dict.fromkeys(operation.group for operation in OPERATIONS)
    if group is not None
}
"""Groups whose sets stand for those of the kinds in a space with more kinds; each holds operations that see as much of
the input and that all learn or all do not."""

_NOWHERE = 100  # a length that no path reaches, and which fits into int8 when some more steps are added


@dataclass(frozen=True, eq=False)
class _Layout:
    """Kinds, groups and sets that are counted in one space.

    Attributes:
        kinds: The K kinds that compute something, indices into `KINDS`.
        members: Kinds that each of G groups holds, bool ``[G, K]``.
        sets: Groups that each of S sets consists of, bool ``[S, G]``.
        names: Names of the features.
    """

    kinds: NDArray[np.int8]
    members: NDArray[np.bool_]
    sets: NDArray[np.bool_]
    names: tuple[str, ...]


def feature_names(space: SearchSpace | str) -> tuple[str, ...]:
    """Name the features of a space, in the order of the columns of `graph_features`.

    A convolution is called by its kernel size, and by its dilation if that is not 1: ``conv3``, ``conv5-d2``.

    Args:
        space: A search space, or its name.

    Returns:
        F names, such as ``longest path over conv1 and conv3``.

    Raises:
        SearchSpaceError: If there is no space of that name.
    """
    return _layout(space if isinstance(space, str) else space.name).names


def graph_features(archs: Architectures | Iterable[Architecture | str]) -> Floats:
    """Compute the graph features of architectures of one space, without a loop over them.

    Args:
        archs: N architectures.

    Returns:
        float32 ``[N, F]``, whole numbers: lengths of paths in operations (`NO_PATH` for the shortest and 0 for the
        longest where there is none), all others counts; then, if the space has them, the features of attributes.

    Raises:
        SearchSpaceError: If the architectures are of several spaces, or if an empty list does not say its space.
    """
    listed = Architectures.of(archs)
    layout = _layout(listed.space.name)
    graphs = listed.graphs().contracted()
    edges = graphs.edges.astype(np.float32)
    of_kind = graphs.kinds[:, None, :] == layout.kinds[:, None]  # [N, K, V]
    of_group = (layout.members.astype(np.float32) @ of_kind).astype(np.float32)  # [N, G, V]
    sets = layout.sets.astype(np.float32)
    in_both = (sets[:, :, None] * sets[:, None, :]).reshape(len(sets), -1)  # [S, G * G]
    between = of_group @ edges @ of_group.transpose(0, 2, 1)  # [N, G, G]
    shortest, longest = _path_lengths(graphs.kinds, graphs.edges, layout)
    return np.concatenate(
        [
            of_kind.sum(axis=2),
            (of_kind * edges.sum(axis=1)[:, None]).max(axis=2),
            (of_kind * edges.sum(axis=2)[:, None]).max(axis=2),
            edges[:, 0, -1:],
            shortest.T,
            longest.T,
            (of_group @ edges[:, 0, :, None])[..., 0] @ sets.T,
            (of_group @ edges[:, :, -1:])[..., 0] @ sets.T,
            between.reshape(len(listed), in_both.shape[1]) @ in_both.T,
            *([attribute_features(graphs)] if listed.space.has_attributes else []),
        ],
        axis=1,
        dtype=np.float32,
    )


def _path_lengths(kinds: NDArray[np.int8], edges: NDArray[np.uint8], layout: _Layout) -> tuple[Lengths, Lengths]:
    """Find the shortest and the longest path through each set alone: lengths ``[S, N]`` each, in operations.

    Args:
        kinds: Kinds of contracted cells, ``[N, V]``.
        edges: Edges of contracted cells, ``[N, V, V]``.
        layout: Layout of the space.
    """
    admits = np.zeros((len(layout.sets), len(KINDS) + 1), dtype=bool)  # the last column is that of absent vertices
    admits[:, layout.kinds] = layout.sets.astype(np.int8) @ layout.members.astype(np.int8) > 0
    admits[:, [INPUT, OUTPUT]] = True
    linked = np.ascontiguousarray(edges.transpose(1, 2, 0)) > 0  # [V, V, N]
    num_vertices = len(linked)
    shortest = np.full((num_vertices, len(admits), len(kinds)), _NOWHERE, dtype=np.int8)
    longest = np.full_like(shortest, -_NOWHERE)
    shortest[0] = longest[0] = 0
    for vertex in range(1, num_vertices):
        near, far = shortest[vertex], longest[vertex]
        for source in range(vertex):
            if linked[source, vertex].any():
                np.minimum(near, shortest[source], out=near, where=linked[source, vertex])
                np.maximum(far, longest[source], out=far, where=linked[source, vertex])
        admitted = admits[:, kinds[:, vertex]]
        step = np.int8(vertex < num_vertices - 1)  # the output is no operation
        shortest[vertex] = np.where(admitted, near + step, _NOWHERE)
        longest[vertex] = np.where(admitted, far + step, -_NOWHERE)
    none = longest[-1] < 0
    return np.where(none, np.int8(NO_PATH), shortest[-1]), np.where(none, np.int8(0), longest[-1])


@cache
def _layout(name: str) -> _Layout:
    kinds = sorted({kind for kind in get_space(name).kinds if kind not in (SKIP, ZERO)})
    groups = _GROUPS
    if len(kinds) <= _MOST_KINDS:
        groups = {_called(kind): (KINDS[kind],) for kind in kinds}
    members = np.array([[KINDS[kind] in group for kind in kinds] for group in groups.values()])
    chosen = [places for size in range(1, len(groups) + 1) for places in combinations(range(len(groups)), size)]
    sets = np.array([[place in places for place in range(len(groups))] for places in chosen])
    operations = [_called(kind) for kind in kinds]
    described = [_listed([list(groups)[place] for place in places]) for places in chosen]
    names = (
        *(f"number of {operation}" for operation in operations),
        *(f"most inputs of one {operation}" for operation in operations),
        *(f"most readers of one {operation}" for operation in operations),
        "edges from the input to the output",
        *(f"shortest path over {one}" for one in described),
        *(f"longest path over {one}" for one in described),
        *(f"edges from the input into {one}" for one in described),
        *(f"edges from {one} to the output" for one in described),
        *(f"edges within {one}" for one in described),
        *(ATTRIBUTE_FEATURES if get_space(name).has_attributes else ()),
    )
    return _Layout(np.array(kinds, dtype=np.int8), members, sets, names)


def _called(kind: int) -> str:
    return KINDS[kind].removesuffix("-d1")


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
