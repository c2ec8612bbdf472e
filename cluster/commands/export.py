"""``mpnas export``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cluster.commands.names import FORMATS
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say
from mpnas_ray.errors import RunError

__all__ = ["export"]


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Options of ``mpnas export``.

    Attributes:
        run: Folder of a complete run, or its URI.
        file: File to write, as --out.
        export_format: Format of the file; by default what its ending says, else onnx. onnx needs pip install
            'mpnas-ray[export]'.
        out: File to write, .onnx or .pt; by default the run's name with .onnx or .pt, in this folder.
    """

    run: str = field(metadata={"argument": True})
    file: Path | None = field(default=None, metadata={"argument": True})
    export_format: str | None = field(default=None, metadata={"option": "--format"})
    out: Path | None = None


@takes_options(_Options, names={"export_format": FORMATS})
def export(options: _Options) -> None:
    """Export the network that a run has found to one file that runs without this project, and check it."""
    begin(f"Exporting the network of {options.run}.")
    from cluster.artifacts.exporting import export_run

    if options.file is not None and options.out is not None:
        raise RunError(f"The file to write is named twice, {options.file} and {options.out}: leave out --out.")
    done = export_run(
        options.run,
        options.export_format,  # type: ignore[arg-type]  # checked there
        options.file or options.out,
    )
    shape = ", ".join(["batch", *map(str, done.input_shape)])
    say(
        f"{done.path}: {done.num_bytes / 1e6:.2f} MB, float32 inputs [{shape}]; "
        f"on random inputs its outputs differ from the network's by at most {done.difference:.1e}."
    )
