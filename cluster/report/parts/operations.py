"""Operations and slots of the cell that went with good scores."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.report.heat import heat_cell, heat_table
from cluster.report.html import Html, tag
from cluster.report.view import RunView
from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import parse_architecture
from mpnas_ray.spaces.operation_graph import ABSENT
from mpnas_ray.spaces.operations import EXTENSIONS, KINDS, OPERATIONS, SKIP

__all__ = ["operations"]

_LEAST = 4


@dataclass(frozen=True)
class _Cells:
    """The cells of ranked trials.

    Attributes:
        percentiles: Share of the other trials that each is better than, in percent, ``[N]``.
        families: Topology family of each, as its text says.
        kinds: Kinds of the inner vertices of each, ``[N, V]``; -1 where there is none.
        live: Whether the vertex carries anything to the output, ``[N, V]``.
    """

    percentiles: NDArray[np.float64]
    families: list[str]
    kinds: NDArray[np.int8]
    live: NDArray[np.bool_]


def operations(run: RunView) -> Html:
    """Show the mean percentile of the trials that have an operation in a slot, as a table."""
    cells = _cells(run)
    if cells is None:
        return tag(
            "p", f"Fewer than {_LEAST} trials have a result: too few to say which operations went with good scores."
        )
    family, size = Counter(cells.families).most_common(1)[0]
    rows = np.array([each == family for each in cells.families])
    inner = range(cells.kinds.shape[1])
    slots = [slot for slot in inner if not set(cells.kinds[rows, slot].tolist()) <= {ABSENT, SKIP}]  # links of chains
    known = [KINDS.index(operation.name) for operation in (*OPERATIONS, *EXTENSIONS)]
    there = [kind for kind in known if (cells.kinds == kind).any()]
    body = []
    for kind in there:
        has = ((cells.kinds == kind) & cells.live).any(axis=1)
        in_slot = [(cells.kinds[:, slot] == kind) & rows for slot in slots]
        marks = [
            _cell(cells.percentiles, has, "anywhere"),
            *(_cell(cells.percentiles, each, "here") for each in in_slot),
        ]
        body.append((KINDS[kind], marks))
    note = (
        "A number is the mean percentile of the trials with that operation: 100 is the best trial, 0 the worst, and "
        "50 what an operation without influence has. It is bold from three trials on, and the pointer shows how many. "
        f'"Any" looks at all {len(cells.families)} trials with a result, and counts an operation that carries '
        f"something to the output; the slots 1 to {len(slots)} are those of the {size} {family} cells among them, in "
        "the order of the architecture's text. These are averages over what the search chose to try, not effects."
    )
    table = heat_table(["any", *map(str, range(1, len(slots) + 1))], body)
    return Html(table + tag("p", note, class_="note"))


def _cell(percentiles: NDArray[np.float64], has: NDArray[np.bool_], where: str) -> Html:
    count = int(has.sum())
    if not count:
        return tag("td", "·")
    mean = float(percentiles[has].mean())
    tip = f"{count} {'trial has' if count == 1 else 'trials have'} it {where}: mean percentile {mean:.0f}"
    return heat_cell(f"{mean:.0f}", (mean - 50) / 50, tip=tip, bold=count >= 3)


def _cells(run: RunView) -> _Cells | None:
    """Read the cells of all trials with a result; None if there are too few."""
    families, found, lives, ranks = [], [], [], []
    ranked = run.ranked
    for rank, trial in enumerate(ranked):
        try:
            graph = parse_architecture(trial.arch).graph
        except SearchSpaceError:
            continue
        found.append(graph.kinds[0, 1:-1])
        lives.append(graph.live()[0, 1:-1])
        families.append(_family(trial.arch))
        ranks.append(100.0 * (1 - rank / max(1, len(ranked) - 1)))
    sizes: dict[int, int] = defaultdict(int)
    for kinds in found:
        sizes[len(kinds)] += 1
    if len(found) < _LEAST or len(sizes) > 1:
        return None
    return _Cells(np.array(ranks), families, np.stack(found), np.stack(lives))


def _family(arch: str) -> str:
    """Return the part of an architecture's text that names its topology: of mixed cells, the space they come from."""
    space, _, cell = arch.partition(":")
    return cell.partition(":")[0] if ":" in cell else space
