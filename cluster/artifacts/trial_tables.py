"""Export the trials of a run as a table, a row a trial, in a CSV or a Parquet file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pyarrow import csv, parquet

from cluster.report.view import RunView
from mpnas_ray.files.atomic import atomic_path

__all__ = ["trials_table", "write_trials"]


def trials_table(run: RunView) -> pa.Table:
    """Build the table of a run's trials, in the order of their proposals.

    The columns are ``number``, ``trial_id``, ``arch``, ``state`` (complete, stopped, failed, nan or unfinished),
    the last value of the metric under its name, ``epochs`` (how many were reported), ``curve`` (the metric after each
    epoch), ``parameters``, ``flops``, ``start`` and ``end`` (seconds since 1970), ``seconds`` (of training),
    ``predicted``, ``rank`` and ``age`` of the proposal (`cluster.report.view.Proposal`), ``error``, and one column a
    hyperparameter, ``config/<name>``: numbers where all values are numbers, else JSON.
    """
    trials = run.trials
    columns: dict[str, pa.Array] = {
        "number": pa.array([trial.number for trial in trials], pa.int64()),
        "trial_id": pa.array([trial.trial_id for trial in trials], pa.string()),
        "arch": pa.array([trial.arch for trial in trials], pa.string()),
        "state": pa.array([trial.state for trial in trials], pa.string()),
        run.metric: pa.array([trial.value if trial.epochs else None for trial in trials], pa.float64()),
        "epochs": pa.array([len(trial.epochs) for trial in trials], pa.int64()),
        "curve": pa.array([[epoch.value for epoch in trial.epochs] for trial in trials], pa.list_(pa.float64())),
        "parameters": pa.array([trial.parameters for trial in trials], pa.int64()),
        "flops": pa.array([trial.flops for trial in trials], pa.int64()),
        "start": pa.array(
            [trial.epochs[0].end - trial.epochs[0].seconds if trial.epochs else None for trial in trials], pa.float64()
        ),
        "end": pa.array([trial.end if trial.epochs else None for trial in trials], pa.float64()),
        "seconds": pa.array([sum(epoch.seconds for epoch in trial.epochs) for trial in trials], pa.float64()),
        "predicted": pa.array([trial.proposal.predicted for trial in trials], pa.float64()),
        "rank": pa.array([trial.proposal.rank for trial in trials], pa.int64()),
        "age": pa.array([trial.proposal.age for trial in trials], pa.int64()),
        "error": pa.array([trial.error or None for trial in trials], pa.string()),
    }
    names = dict.fromkeys(name for trial in trials for name in trial.hyperparameters)
    for name in names:
        columns[f"config/{name}"] = _column([trial.hyperparameters.get(name) for trial in trials])
    return pa.table(columns)


def write_trials(run: RunView, path: Path, file_format: Literal["csv", "parquet"]) -> None:
    """Write `trials_table` into a file, whole and then renamed; in CSV a curve is a JSON list."""
    table = trials_table(run)
    with atomic_path(path) as part:
        if file_format == "parquet":
            parquet.write_table(table, part)
            return
        curves = pa.array([_json_list(curve) for curve in table["curve"].to_pylist()], pa.string())
        csv.write_csv(table.set_column(table.column_names.index("curve"), "curve", curves), part)


def _json_list(curve: list[float]) -> str:
    """Write numbers as a JSON list, with null for what JSON has no number for."""
    return json.dumps([value if math.isfinite(value) else None for value in curve])


def _column(values: list[object]) -> pa.Array:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values if value is not None):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())  # type: ignore[arg-type]
    texts = [value if isinstance(value, str) or value is None else json.dumps(value, default=str) for value in values]
    return pa.array(texts, pa.string())
