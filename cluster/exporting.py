"""The found network of a run as one file that runs without this project."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pyarrow import fs

from mpnas_ray.errors import RunError
from trainables import load_network
from trainables.networks.exporting import EXPORT_FORMATS, Export, ExportFormat, export_network

__all__ = ["export_run"]


def export_run(run: str, export_format: ExportFormat, out: str | Path | None = None) -> Export:
    """Export the best network of a complete run.

    Args:
        run: The run's folder, or its URI.
        export_format: See `trainables.networks.exporting`.
        out: File to write; None for ``<name of the run>.onnx`` or ``.pt`` in the current folder.

    Raises:
        RunError: If this is no run, or one that is not complete.
        TaskError: If the network is damaged or cannot be exported.
    """
    name = run.rstrip("/").rpartition("/")[2]
    with tempfile.TemporaryDirectory() as local:
        best = Path(run).expanduser() / "best" if "://" not in run else _download(run, Path(local))
        if not best.is_dir():
            unfinished = (best.parent / "run.json").is_file()
            raise RunError(
                f"{run} has no network yet: continue the run until it is complete."
                if unfinished
                else f"{run} is not the folder of a complete run: it has no folder 'best'."
            )
        network = load_network(best)
    return export_network(network, out or f"{name or 'network'}{EXPORT_FORMATS[export_format]}", export_format)


def _download(run: str, local: Path) -> Path:
    """Fetch what the run has of its best network; returns where it would be."""
    system, root = fs.FileSystem.from_uri(run.rstrip("/"))
    if system.get_file_info(f"{root}/best").type == fs.FileType.Directory:
        (local / "best").mkdir()
        fs.copy_files(f"{root}/best", str(local / "best"), source_filesystem=system)
    elif system.get_file_info(f"{root}/run.json").type == fs.FileType.File:
        (local / "run.json").touch()
    return local / "best"
