"""Draw an architecture as a graph: one way for all spaces, large with names or small with letters.

Vertices stand in layers by their longest path from the input (Sugiyama et al. 1981): an edge over several layers goes
through an empty place in each, the vertices of a layer are ordered by the mean position of their neighbours, and then
they are placed as near to these as their widths allow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cluster.report.charts import svg
from cluster.report.html import Html, tag
from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import parse_architecture
from mpnas_ray.spaces.operation_graph import ABSENT, OperationGraphs
from mpnas_ray.spaces.operations import INPUT, KINDS, OUTPUT, ZERO

__all__ = ["large_drawing", "short_name", "small_drawing"]

_SWEEPS = 4
_WIDTH_OF_AN_EDGE = 0.45
"""Room for an edge that passes a layer, in vertices."""

_Node = tuple[int, ...]
"""A vertex, or (source, target, layer) of an edge that passes a layer."""


@dataclass(frozen=True)
class _Layout:
    """Positions of the vertices of a graph.

    Attributes:
        position: Vertex -> (layer, position within the layer around its middle, in vertices).
        paths: (source, target, how often) and the positions between them of each edge.
        num_layers: Number of layers.
        width: Width of the widest layer, in vertices.
    """

    position: dict[int, tuple[int, float]]
    paths: list[tuple[int, int, int, list[tuple[int, float]]]]
    num_layers: int
    width: float


def large_drawing(arch: str) -> Html | None:
    """Draw all operations by name, from the input at the top to the output; None for what no space reads.

    Operations that carry nothing to the output are dashed; zeros, which carry nothing by themselves, are left out.
    """
    graph = _parsed(arch)
    if graph is None:
        return None
    live = graph.live()[0]
    shown = (graph.kinds[0] != ABSENT) & (graph.kinds[0] != ZERO)
    return _large(graph, shown, live, arch)


def small_drawing(arch: str) -> Html | None:
    """Draw what the architecture computes, from left to right, each operation as its short name; None if not readable.

    Skips are edges here; an edge that is drawn thicker stands for several.
    """
    graph = _parsed(arch)
    if graph is None:
        return None
    contracted = graph.contracted()
    kinds = contracted.kinds[0]
    if (kinds == ABSENT).all():
        return tag("span", "no path")
    layout = _laid_out(kinds != ABSENT, contracted.edges[0])
    gap, across = 27.0, 21.0
    width, height = gap * (layout.num_layers - 1) + 22, across * layout.width + 2

    def at(layer: int, place: float) -> tuple[float, float]:
        return 11 + gap * layer, height / 2 + across * place

    shapes = [
        _edge([at(*layout.position[source]), *(at(*each) for each in between), at(*layout.position[target])], times)
        for source, target, times, between in layout.paths
    ]
    for vertex, place in layout.position.items():
        x, y = at(*place)
        kind = int(kinds[vertex])
        end = kind in (INPUT, OUTPUT)
        shapes.append(tag("circle", cx=x, cy=y, r=4.0 if end else 9.5, class_="vertex end" if end else "vertex"))
        if not end:
            shapes.append(tag("text", short_name(KINDS[kind]), x=x, y=y + 3.5, class_="middle"))
    return tag(
        "svg",
        *shapes,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        class_="cell small",
        role="img",
        aria_label=arch,
    )


def short_name(kind: str) -> str:
    """Shorten the name of an operation to at most three letters: ``conv5-d2`` is 5/2, kernel by dilation."""
    if kind.startswith("conv"):
        kernel, _, dilation = kind.removeprefix("conv").partition("-d")
        return kernel if dilation == "1" else f"{kernel}/{dilation}"
    return {"linear": "L", "avgpool": "A", "maxpool": "M", "skip": "S", "zero": "0", "fourier": "F"}.get(kind, kind[:3])


def _parsed(arch: str) -> OperationGraphs | None:
    try:
        return parse_architecture(arch).graph
    except SearchSpaceError:
        return None


def _large(graph: OperationGraphs, shown: NDArray[np.bool_], live: NDArray[np.bool_], arch: str) -> Html:
    layout = _laid_out(shown, graph.edges[0])
    across, gap, box = 88.0, 54.0, (78.0, 26.0)
    width, height = max(across * layout.width, 190.0) + 8, gap * (layout.num_layers - 1) + box[1] + 8

    def at(layer: int, place: float) -> tuple[float, float]:
        return width / 2 + across * place, box[1] / 2 + 4 + gap * layer

    shapes: list[Html] = []
    for source, target, times, between in layout.paths:
        (x1, y1), (x2, y2) = at(*layout.position[source]), at(*layout.position[target])
        points = [(x1, y1 + box[1] / 2), *(at(*each) for each in between), (x2, y2 - box[1] / 2)]
        dead = not (live[source] and live[target])
        shapes.append(_edge(points, times, dead=dead, down=True))
    for vertex, place in layout.position.items():
        x, y = at(*place)
        kind = int(graph.kinds[0, vertex])
        look = "end" if kind in (INPUT, OUTPUT) else "" if live[vertex] else "dead"
        left, top = x - box[0] / 2, y - box[1] / 2
        shapes.append(tag("rect", x=left, y=top, width=box[0], height=box[1], rx=7, class_=f"vertex {look}".strip()))
        shapes.append(tag("text", KINDS[kind], x=x, y=y + 4.5, class_="middle"))
    return svg(height, *shapes, label=f"The architecture {arch} as a graph", width=width, look="cell large")


def _edge(points: list[tuple[float, float]], times: int, *, dead: bool = False, down: bool = False) -> Html:
    """Draw a smooth line through points; it leaves and enters each along the layers."""
    (x, y), *others = points
    path = f"M{x:.1f},{y:.1f}"
    for to_x, to_y in others:
        if down:
            middle = (y + to_y) / 2
            path += f"C{x:.1f},{middle:.1f} {to_x:.1f},{middle:.1f} {to_x:.1f},{to_y:.1f}"
        else:
            middle = (x + to_x) / 2
            path += f"C{middle:.1f},{y:.1f} {middle:.1f},{to_y:.1f} {to_x:.1f},{to_y:.1f}"
        x, y = to_x, to_y
    look = " ".join(["edge", *(["dead"] if dead else []), *(["several"] if times > 1 else [])])
    return tag("path", d=path, class_=look)


def _laid_out(shown: NDArray[np.bool_], edges: NDArray[np.uint8]) -> _Layout:
    """Place the vertices that are shown in layers."""
    vertices = [int(vertex) for vertex in np.flatnonzero(shown)]
    links = [(i, j, int(edges[i, j])) for i in vertices for j in vertices if edges[i, j]]
    layer: dict[int, int] = {}
    for vertex in vertices:  # they stand in topological order
        layer[vertex] = max((layer[i] + 1 for i, j, _ in links if j == vertex), default=0)
    layer[vertices[-1]] = max(layer.values())
    rows: list[list[_Node]] = [[] for _ in range(max(layer.values()) + 1)]
    for vertex in vertices:
        rows[layer[vertex]].append((vertex,))
    near: dict[_Node, list[_Node]] = defaultdict(list)
    for source, target, _ in links:
        between = range(layer[source] + 1, layer[target])
        for row in between:
            rows[row].append((source, target, row))
        for one, other in pairwise([(source,), *((source, target, row) for row in between), (target,)]):
            near[one].append(other)
            near[other].append(one)
    height = {node: row for row, nodes in enumerate(rows) for node in nodes}
    rows = _untangled(rows, near, height)
    place: dict[_Node, float] = {}
    for row_nodes in rows:
        place |= _side_by_side(row_nodes, [0.0] * len(row_nodes))
    for _ in range(_SWEEPS):
        for row_nodes in [*rows, *reversed(rows)]:
            wanted = [float(np.mean([place[other] for other in near[node] or [node]])) for node in row_nodes]
            place |= _side_by_side(row_nodes, wanted)
    middle = (min(place.values()) + max(place.values())) / 2
    return _Layout(
        position={vertex: (layer[vertex], place[(vertex,)] - middle) for vertex in vertices},
        paths=[
            (i, j, times, [(row, place[(i, j, row)] - middle) for row in range(layer[i] + 1, layer[j])])
            for i, j, times in links
        ],
        num_layers=len(rows),
        width=max(place.values()) - min(place.values()) + 1,
    )


def _untangled(
    rows: list[list[_Node]], near: Mapping[_Node, list[_Node]], height: Mapping[_Node, int]
) -> list[list[_Node]]:
    """Order each layer by the mean position of its neighbours above, then below; keep the order that crosses least."""
    order = {node: float(number) for row in rows for number, node in enumerate(row)}
    best, fewest = rows, _num_crossings(rows, near, height)
    for sweep in range(2 * _SWEEPS):
        step = -1 if sweep % 2 == 0 else 1
        turned = []
        for row in rows if sweep % 2 == 0 else reversed(rows):
            means = {
                node: float(
                    np.mean([order[o] for o in near[node] if height[o] == height[node] + step] or [order[node]])
                )
                for node in row
            }
            turned.append(sorted(row, key=lambda node: (means[node], order[node])))
            order |= {node: float(number) for number, node in enumerate(turned[-1])}
        rows = turned if sweep % 2 == 0 else turned[::-1]
        crossings = _num_crossings(rows, near, height)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _num_crossings(rows: list[list[_Node]], near: Mapping[_Node, list[_Node]], height: Mapping[_Node, int]) -> int:
    """Count the pairs of edges between neighbouring layers that cross."""
    count = 0
    for row, below in pairwise(rows):
        order = {node: number for number, node in enumerate(below)}
        level = height[below[0]]
        ends = [sorted(order[o] for o in near[node] if height[o] == level) for node in row]
        flat = [(start, end) for start, found in enumerate(ends) for end in found]
        count += sum(a < c and b > d for a, b in flat for c, d in flat)
    return count


def _side_by_side(row: list[_Node], wanted: list[float]) -> dict[_Node, float]:
    """Place the nodes of a layer as near to where they are wanted as their widths allow, by least squares."""
    from scipy.optimize import isotonic_regression  # takes half a second to import

    sizes = [1.0 if len(node) == 1 else _WIDTH_OF_AN_EDGE for node in row]
    offsets = np.cumsum([0.0, *((one + other) / 2 for one, other in pairwise(sizes))])
    found = isotonic_regression(np.asarray(wanted) - offsets).x + offsets
    return {node: float(place) for node, place in zip(row, found, strict=True)}
