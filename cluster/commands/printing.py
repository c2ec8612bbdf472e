"""Tables on a screen or in a file."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

__all__ = ["print_table"]


def print_table(table: Table) -> None:
    """A table as wide as the screen, or in a file or pipe as wide as its content."""
    table.columns[0].no_wrap = True
    console = Console()
    (console if console.is_terminal else Console(width=400)).print(table)
