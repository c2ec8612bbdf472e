"""Tables of operations by slots, whose cells are coloured by what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.report.html import Html, tag

__all__ = ["heat_cell", "heat_table"]


def heat_table(columns: Sequence[str], rows: Iterable[tuple[str, Sequence[Html]]]) -> Html:
    """Make a table with an operation a row, named in front, under named columns."""
    header = tag("tr", tag("th", "operation"), *(tag("th", column) for column in columns))
    body = [tag("tr", tag("th", name), *cells) for name, cells in rows]
    return tag("table", tag("thead", header), tag("tbody", *body), class_="heat")


def heat_cell(text: str, amount: float, *, tip: str, bold: bool = False, framed: bool = False) -> Html:
    """Make a cell in the colour of good for an ``amount`` up to 1, in that of bad down to -1."""
    look = ["good" if amount >= 0 else "bad", *(["sure"] if bold else []), *(["own"] if framed else [])]
    return tag("td", text, class_=" ".join(look), style=f"--share:{min(abs(amount), 1.0):.2f}", data_tip=tip)
