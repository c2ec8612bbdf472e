"""Print lines, reports and tables on a screen or into a file."""

from __future__ import annotations

import logging

from rich.console import Console, RenderableType
from rich.table import Table

__all__ = ["begin", "print_parts", "print_table", "say"]


def begin(line: str) -> None:
    """Print a first line before anything heavy is imported, and keep Tune's log out of the output."""
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # progress and report say it all
    say(line)


def say(content: object) -> None:
    """Print a line or a report at once, also into a pipe."""
    print(content, flush=True)


def print_parts(parts: RenderableType) -> None:
    """Print texts and tables as wide as the screen; into a file or pipe, lines are not cut."""
    console = Console(highlight=False)
    (console if console.is_terminal else Console(width=400, highlight=False)).print(parts)


def print_table(table: Table) -> None:
    """Print a table as wide as the screen, or into a file or pipe as wide as its content."""
    table.columns[0].no_wrap = True
    console = Console()
    (console if console.is_terminal else Console(width=400)).print(table)
