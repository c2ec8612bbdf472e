"""Format pages in Markdown so that they are readable as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

__all__ = ["markdown_table", "wrapped"]


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Format a table with padded columns, the first aligned left and the others right."""
    widths = [max(3, *(len(line[column]) for line in (header, *lines))) for column in range(len(header))]

    def joined(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return " | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])

    rule = " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(f"| {line} |" for line in (joined(header), rule, *map(joined, lines)))


def wrapped(page: str) -> str:
    """Fill the paragraphs and list items of a page to 120 characters; leave tables, headings and pictures."""
    blocks = []
    for block in filter(None, map(str.strip, page.split("\n\n"))):
        if block.startswith(("|", "#", "!")):
            blocks.append(block)
        elif block.startswith("- "):
            items = block.removeprefix("- ").split("\n- ")
            blocks.append("\n".join(_filled(f"- {item}", "  ") for item in items))
        else:
            blocks.append(_filled(block))
    return "\n\n".join(blocks) + "\n"


def _filled(text: str, indent: str = "") -> str:
    return fill(" ".join(text.split()), 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
