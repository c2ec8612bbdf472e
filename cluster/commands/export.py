"""``mpnas export``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export"]


class _Format(str, Enum):
    onnx = "onnx"
    torchscript = "torchscript"


def export(
    run: Annotated[str, typer.Argument(help="Folder of a complete run, or its URI.", show_default=False)],
    file: Annotated[
        Path | None,
        typer.Argument(help="File to write, as --out.", show_default=False),
    ] = None,
    export_format: Annotated[
        _Format | None,
        typer.Option(
            "--format",
            help="onnx needs pip install 'mpnas-ray\\[export]'.  [default: what the file's ending says, else onnx]",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write, .onnx or .pt.  [default: RUN's name with .onnx or .pt, in this folder]"),
    ] = None,
) -> None:
    """Export the network that a run has found to one file that runs without this project, and check it."""
    from cluster.artifacts.exporting import export_run

    if file is not None and out is not None:
        raise typer.BadParameter(f"The file to write is named twice, {file} and {out}.", param_hint="--out")
    done = export_run(run, export_format.value if export_format else None, file or out)
    shape = ", ".join(["batch", *map(str, done.input_shape)])
    typer.echo(
        f"{done.path}: {done.num_bytes / 1e6:.2f} MB, float32 inputs [{shape}]; "
        f"on random inputs its outputs differ from the network's by at most {done.difference:.1e}."
    )
