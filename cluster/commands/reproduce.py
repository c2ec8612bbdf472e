"""``mpnas reproduce``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["reproduce"]


class _Study(str, Enum):
    table2 = "table2"
    table3 = "table3"
    table4 = "table4"
    table5 = "table5"
    table6 = "table6"
    fig2 = "fig2"
    fig3 = "fig3"


def reproduce(
    study: Annotated[_Study, typer.Argument(help="A table or figure of MP-NAS.", show_default=False)],
    tables: Annotated[Path, typer.Option(help="Folder of NAS tables.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for STUDY.json, STUDY.md and STUDY.png.")] = Path(
        "benchmarks/results"
    ),
    work: Annotated[Path, typer.Option(help="Folder for meta-trainings, which studies share.")] = Path(
        "runs/reproduce"
    ),
) -> None:
    """Regenerate a published table or figure from NAS tables, on Ray. Interrupted, the same command goes on."""
    from cluster.studies.registry import STUDIES
    from cluster.studies.study import reproduce

    for path in reproduce(STUDIES[study.value], tables, out, work):
        typer.echo(str(path))
