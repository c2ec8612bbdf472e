"""Export the found network of a run as one file that runs without this project."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pyarrow import fs

from mpnas_ray.errors import RunError
from mpnas_ray.names import no_such
from trainables import load_network
from trainables.networks.exporting import EXPORT_FORMATS, Export, ExportFormat, export_network

__all__ = ["export_run"]


_SUFFIXES: dict[str, ExportFormat] = {
    ".onnx": "onnx",
    **dict.fromkeys((".pt", ".pth", ".ts", ".torchscript"), "torchscript"),
}
"""Endings of files, and the format that a user of each expects."""


def export_run(run: str, export_format: ExportFormat | None = None, out: str | Path | None = None) -> Export:
    """Export the best network of a complete run.

    Args:
        run: The run's folder, or its URI.
        export_format: See `trainables.networks.exporting`; None for what the ending of ``out`` says, without it ONNX.
        out: File to write; None for ``<name of the run>.onnx`` or ``.pt`` in the current folder.

    Raises:
        RunError: If this is no run, or one that is not complete, or if the file's ending says nothing, or another
            format.
        TaskError: If the network is damaged or cannot be exported.
    """
    export_format = _format_of(export_format, out)
    name = run.rstrip("/").rpartition("/")[2]
    with tempfile.TemporaryDirectory() as local:
        best = Path(run).expanduser() / "best" if "://" not in run else _download(run, Path(local))
        if not best.is_dir():
            unfinished = (best.parent / "run.json").is_file()
            raise RunError(
                f"{run} has no network yet: continue the run until it is complete."
                if unfinished
                else f"{run} is not the folder of a complete run: it has no folder 'best'.{_hint(run)}"
            )
        network = load_network(best)
    return export_network(network, out or f"{name or 'network'}{EXPORT_FORMATS[export_format]}", export_format)


def _hint(run: str) -> str:
    return f" Name the run before the file: mpnas export RUN {run}" if Path(run).suffix.lower() in _SUFFIXES else ""


def _format_of(export_format: ExportFormat | None, out: str | Path | None) -> ExportFormat:
    """Return the format asked for, or else the one that the file's ending says."""
    if export_format is not None and export_format not in EXPORT_FORMATS:
        raise RunError(no_such("export format", export_format, EXPORT_FORMATS))
    if out is None:
        return export_format or "onnx"
    said = _SUFFIXES.get(Path(out).suffix.lower())
    if export_format is None and said is None:
        raise RunError(f"{out} does not say its format: let it end in {', '.join(_SUFFIXES)}, or name it by --format.")
    if export_format is not None and said not in (None, export_format):
        raise RunError(f"{out} ends as files of the format {said} do, but --format is {export_format}: change one.")
    return export_format or said or "onnx"


def _download(run: str, local: Path) -> Path:
    """Fetch what the run has of its best network, and return the folder where that would be."""
    system, root = fs.FileSystem.from_uri(run.rstrip("/"))
    if system.get_file_info(f"{root}/best").type == fs.FileType.Directory:
        (local / "best").mkdir()
        fs.copy_files(f"{root}/best", str(local / "best"), source_filesystem=system)
    elif system.get_file_info(f"{root}/run.json").type == fs.FileType.File:
        (local / "run.json").touch()
    return local / "best"
