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
        run: Folder of a run, or its URI; for a network the run must be complete.
        file: File to write, as --out.
        export_format: Format of the file; by default what its ending says, else onnx. onnx and torchscript hold the
            network that was found (onnx needs pip install 'mpnas-ray[export]'); optuna is a study of all trials, in a
            .db (SQLite) or .log (journal), for optuna-dashboard and optuna.visualization; csv and parquet are tables
            with a row for each trial.
        out: File to write; by default the run's name with the format's ending, in this folder.
    """

    run: str = field(metadata={"argument": True})
    file: Path | None = field(default=None, metadata={"argument": True})
    export_format: str | None = field(default=None, metadata={"option": "--format"})
    out: Path | None = None


@takes_options(_Options, names={"export_format": FORMATS})
def export(options: _Options) -> None:
    """Export a run: the network that it found, as a file that runs without this project, or all its trials."""
    begin(f"Exporting {options.run}.")
    from cluster.artifacts.exporting import TRIAL_FORMATS, export_run, export_trials, format_of

    if options.file is not None and options.out is not None:
        raise RunError(f"The file to write is named twice, {options.file} and {options.out}: leave out --out.")
    out = options.file or options.out
    chosen = format_of(options.export_format, out)
    if chosen in TRIAL_FORMATS:
        path, num_trials = export_trials(options.run, chosen, out)
        say(f"{path}: {num_trials} trials.")
        return
    done = export_run(options.run, chosen, out)
    shape = ", ".join(["batch", *map(str, done.input_shape)])
    say(
        f"{done.path}: {done.num_bytes / 1e6:.2f} MB, float32 inputs [{shape}]; "
        f"on random inputs its outputs differ from the network's by at most {done.difference:.1e}."
    )
