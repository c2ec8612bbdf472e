"""Export a run: its network as one file that runs without this project, or its trials for other tools."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pyarrow import fs

from cluster.artifacts.optuna_study import write_study
from cluster.artifacts.trial_tables import write_trials
from cluster.run.reading import read_run
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError
from mpnas_ray.names import no_such
from trainables import load_network
from trainables.networks.exporting import EXPORT_FORMATS, Export, export_network

__all__ = ["FORMATS", "TRIAL_FORMATS", "export_run", "export_trials", "format_of"]

TRIAL_FORMATS: dict[str, tuple[str, ...]] = {
    "optuna": (".db", ".log", ".journal"),
    "csv": (".csv",),
    "parquet": (".parquet",),
}
"""Formats of all trials, and how their files end, the usual ending first."""

FORMATS: dict[str, tuple[str, ...]] = {
    "onnx": (".onnx",),
    "torchscript": (".pt", ".pth", ".ts", ".torchscript"),
    **TRIAL_FORMATS,
}
"""All formats: the first two are of the network that was found, the others of the trials."""

_FORMAT_OF = {ending: name for name, endings in FORMATS.items() for ending in endings}


def export_run(run: str, export_format: str | None = None, out: str | Path | None = None) -> Export:
    """Export the best network of a complete run.

    Args:
        run: The run's folder, or its URI.
        export_format: See `trainables.networks.exporting`; if None, that of the ending of ``out``, or else ONNX.
        out: File to write; None for ``<name of the run>.onnx`` or ``.pt`` in the current folder.

    Raises:
        RunError: If this is no run, or one that is not complete, or if the file's ending says nothing, or another
            format.
        TaskError: If the network is damaged or cannot be exported.
    """
    chosen = format_of(export_format, out)
    if chosen not in EXPORT_FORMATS:
        raise RunError(f"{chosen} is a format of trials, not of networks: export_trials writes it.")
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
    return export_network(network, out or f"{name or 'network'}{EXPORT_FORMATS[chosen]}", chosen)


def _hint(run: str) -> str:
    return f" Name the run before the file: mpnas export RUN {run}" if Path(run).suffix.lower() in _FORMAT_OF else ""


def format_of(export_format: str | None, out: str | Path | None) -> str:
    """Return the format asked for, or else the one that the file's ending says, or else ONNX.

    Raises:
        RunError: If there is no such format, or if the file's ending says nothing, or another format.
    """
    if export_format is not None and export_format not in FORMATS:
        raise RunError(no_such("export format", export_format, FORMATS))
    if out is None:
        return export_format or "onnx"
    said = _FORMAT_OF.get(Path(out).suffix.lower())
    if export_format is None and said is None:
        endings = ", ".join(_FORMAT_OF)
        raise RunError(f"{out} does not say its format: let it end in {endings}, or name it by --format.")
    if export_format is not None and said not in (None, export_format):
        raise RunError(f"{out} ends as files of the format {said} do, but --format is {export_format}: change one.")
    return export_format or said or "onnx"


def export_trials(run: str, export_format: str, out: str | Path | None = None) -> tuple[Path, int]:
    """Export the trials of a run, whatever its state.

    Args:
        run: The run's folder, or its URI.
        export_format: One of `TRIAL_FORMATS`.
        out: File to write; None for the name of the run and the format's ending, in the current folder.

    Returns:
        The file, and the number of trials in it.

    Raises:
        RunError: If this is no run, or if the file cannot be written.
    """
    view = read_run(RunFolder.of_run(run, writable=False))
    path = Path(out or f"{view.name}{FORMATS[export_format][0]}").expanduser()
    try:
        if export_format == "optuna":
            write_study(view, path)
        else:
            write_trials(view, path, "csv" if export_format == "csv" else "parquet")
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}.") from error
    return path, len(view.trials)


def _download(run: str, local: Path) -> Path:
    """Fetch what the run has of its best network, and return the folder where that would be."""
    system, root = fs.FileSystem.from_uri(run.rstrip("/"))
    if system.get_file_info(f"{root}/best").type == fs.FileType.Directory:
        (local / "best").mkdir()
        fs.copy_files(f"{root}/best", str(local / "best"), source_filesystem=system)
    elif system.get_file_info(f"{root}/run.json").type == fs.FileType.File:
        (local / "run.json").touch()
    return local / "best"
