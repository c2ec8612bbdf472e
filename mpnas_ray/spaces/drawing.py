"""Draw an architecture as a picture in text."""

from __future__ import annotations

import numpy as np

from mpnas_ray.spaces.architecture import Architecture
from mpnas_ray.spaces.operation_graph import OperationGraphs
from mpnas_ray.spaces.operations import ATTRIBUTES, KINDS

__all__ = ["draw", "vertex_name"]


def draw(arch: Architecture) -> str:
    """Draw the cell, one vertex a line; a line to the right joins a vertex to the one it reads.

    Vertices that carry nothing from input to output are marked: they are built, but do no work.

    Example:
        >>> from mpnas_ray.spaces import get_space
        >>> print(draw(get_space("nasbench101").parse("|conv3x3-bn-relu~0|maxpool3x3~0|output~0~1~2|")))
        o         input
        ├─o       conv3-d1
        ├─┼─o     maxpool
        └─┴─┴─o   output
    """
    graph = arch.graph
    there = np.flatnonzero(graph.kinds[0] >= 0)
    live = graph.live()[0, there]
    edges = graph.edges[0][np.ix_(there, there)]
    n = len(there)
    last = [max(np.flatnonzero(edges[source]), default=source) for source in range(n)]
    lines = []
    for row in range(n):
        first = min(np.flatnonzero(edges[:, row]), default=row)
        cells = []
        for column in range(row):
            ends, reads, passes = last[column] == row, bool(edges[column, row]), last[column] > row
            crossed = column > first
            if reads:
                cells.append(("┴─" if crossed else "└─") if ends else ("┼─" if crossed else "├─"))
            elif passes:
                cells.append("┊─" if crossed else "│ ")
            else:
                cells.append("──" if crossed else "  ")
        name = vertex_name(graph, int(there[row])) + ("" if live[row] else "   (dead)")
        lines.append(f"{''.join(cells)}o".ljust(2 * n + 2) + name)
    return "\n".join(lines)


def vertex_name(graph: OperationGraphs, vertex: int) -> str:
    """Name the kind of a vertex of the only graph of a batch, and its attributes that are not 0.

    Example:
        >>> from mpnas_ray.spaces import get_space
        >>> vertex_name(get_space("transnasbench101-macro").parse("64-4111-basic").graph, 1)
        'conv3-d1 (width x2, stride x2, repeats x4)'
    """
    name: str = KINDS[graph.kinds[0, vertex]]
    if graph.attributes is None:
        return name
    values = zip(ATTRIBUTES, graph.attributes[0, vertex].tolist(), strict=True)
    found = [f"{attribute.removeprefix('log2 ')} x{2**value:.4g}" for attribute, value in values if value]
    return f"{name} ({', '.join(found)})" if found else name
