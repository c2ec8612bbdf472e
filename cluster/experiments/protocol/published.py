"""The numbers of MP-NAS (Loya et al., NeurIPS 2023), each with its table, row and column in the paper.

Tables 2, 3, 4 and 6 have Spearman correlations after fine-tuning, table 5 those without fine-tuning and accuracies
found by search, table 7 the scores of trained networks. Figures 2 to 5 are pictures without numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.experiments.protocol.folds import NASBENCH101, NASBENCH201, TRANSNASBENCH101

__all__ = ["MEAN", "MP_NAS", "PUBLISHED", "Published", "caveat", "columns_of", "published", "published_mean"]

MEAN = "mean"
"""Name in place of a task for a mean over all the tasks of a table."""

MP_NAS = "MP-NAS"
"""The column of the paper's own method."""


@dataclass(frozen=True)
class Published:
    """One number of the paper.

    Attributes:
        table: Number of the table in the paper.
        row: Name of the row as it is printed.
        column: Name of the column as it is printed.
        points: Number of fine-tuning models; None where there are none: for the accuracies of table 5, and in table 7.
        value: Spearman correlation, accuracy in percent, or for table 7 a value of the row's metric.
        standard_error: Standard error as it is printed; None if the number has none.
    """

    table: int
    row: str
    column: str
    points: int | None
    value: float
    standard_error: float | None


_Cell = tuple[float, float] | float
"""A value with its standard error, or without."""

_FIVE_MODELS: tuple[tuple[str, int | None], ...] = (("Rand. Init.", 5), ("Naive Tran.", 5), (MP_NAS, 5))

_COLUMNS: dict[int, tuple[tuple[str, int | None], ...]] = {
    2: _FIVE_MODELS,
    3: ((MP_NAS, 0), (MP_NAS, 5), (MP_NAS, 25), (MP_NAS, 50), ("Rand. Init.", 50)),
    4: _FIVE_MODELS,
    5: (("Meta-D2A", 0), (MP_NAS, 0), ("Meta-D2A", None), (MP_NAS, None)),
    6: _FIVE_MODELS,
    7: (("WRN", None), ("DASH", None), ("Expert", None), ("Rand. Pred.", None), (MP_NAS, None)),
}

_CELLS: dict[int, dict[str, tuple[_Cell, ...]]] = {
    2: {
        "Scene Clas.": ((0.66, 0.06), (0.80, 0.02), (0.88, 0.01)),
        "Object Clas.": ((0.47, 0.07), (0.73, 0.01), (0.78, 0.02)),
        "Jigsaw": ((0.51, 0.05), (0.71, 0.02), (0.77, 0.02)),
        "Room Layout": ((0.35, 0.08), (0.73, 0.02), (0.79, 0.05)),
        "Sem. Segment.": ((0.70, 0.05), (0.77, 0.03), (0.83, 0.03)),
        "Surface Normal": ((0.60, 0.09), (0.80, 0.02), (0.81, 0.01)),
        "Autoencoding": ((0.11, 0.04), (0.43, 0.03), (0.42, 0.05)),
        "Overall Mean": ((0.49, 0.05), (0.71, 0.03), (0.75, 0.03)),
    },
    3: {
        "Scene Clas.": ((0.76, 0.00), (0.88, 0.01), (0.89, 0.04), (0.91, 0.00), (0.81, 0.01)),
        "Object Clas.": ((0.78, 0.00), (0.78, 0.02), (0.82, 0.01), (0.83, 0.00), (0.66, 0.01)),
        "Jigsaw": ((0.76, 0.00), (0.77, 0.02), (0.79, 0.00), (0.80, 0.00), (0.63, 0.01)),
        "Room Layout": ((0.64, 0.00), (0.79, 0.05), (0.92, 0.01), (0.93, 0.00), (0.66, 0.03)),
        "Sem. Segment.": ((0.62, 0.00), (0.83, 0.03), (0.91, 0.01), (0.92, 0.00), (0.81, 0.00)),
        "Surface Normal": ((0.74, 0.00), (0.81, 0.01), (0.81, 0.00), (0.84, 0.01), (0.81, 0.01)),
        "Autoencoding": ((0.28, 0.00), (0.42, 0.05), (0.68, 0.00), (0.76, 0.00), (0.32, 0.04)),
        "Overall Mean": ((0.66, 0.00), (0.75, 0.03), (0.83, 0.00), (0.86, 0.00), (0.67, 0.00)),
    },
    4: {
        "CIFAR10": ((0.60, 0.08), (0.73, 0.03), (0.92, 0.01)),
        "CIFAR100": ((0.61, 0.07), (0.73, 0.03), (0.93, 0.01)),
        "ImageNet": ((0.60, 0.07), (0.74, 0.03), (0.89, 0.01)),
        "Ninapro": ((0.13, 0.04), (0.20, 0.04), (0.32, 0.03)),
        "Darcy Flow": ((0.67, 0.06), (0.64, 0.03), (0.73, 0.03)),
        "CPU Latency": ((0.73, 0.09), (0.62, 0.05), (0.80, 0.03)),
        "GPU Latency": ((0.77, 0.06), (0.67, 0.03), (0.73, 0.04)),
        "Overall Mean": ((0.59, 0.04), (0.62, 0.04), (0.75, 0.03)),
    },
    5: {
        "CIFAR10": (0.56, 0.77, (94.37, 0.00), (94.37, 0.02)),
        "CIFAR100": (0.58, 0.76, (73.51, 0.00), (73.49, 0.08)),
        "ImageNet": (0.54, 0.78, (46.9, 0.10), (47.2, 0.06)),
        "Ninapro": (0.27, 0.20, (92.84, 0.06), (92.85, 0.2)),
        "Overall Mean": (0.49, 0.63, 76.9, 77.0),
    },
    6: {
        "TB/Scene Clas.": ((0.66, 0.06), (0.76, 0.03), (0.87, 0.01)),
        "TB/Object Clas.": ((0.47, 0.07), (0.63, 0.03), (0.74, 0.02)),
        "TB/Jigsaw": ((0.51, 0.05), (0.62, 0.03), (0.74, 0.02)),
        "TB/Room Layout": ((0.35, 0.08), (0.59, 0.04), (0.72, 0.05)),
        "TB/Sem. Segment.": ((0.70, 0.05), (0.74, 0.03), (0.83, 0.03)),
        "TB/Surface Normal": ((0.60, 0.09), (0.72, 0.03), (0.79, 0.01)),
        "TB/Autoencoding": ((0.11, 0.04), (0.40, 0.04), (0.47, 0.05)),
        "NB101/CIFAR10": ((-0.06, 0.06), (0.40, 0.04), (0.46, 0.04)),
        "NB-ASR/Timit": ((-0.11, 0.05), (0.02, 0.02), (0.13, 0.04)),
        "Overall Mean": ((0.35, 0.05), (0.54, 0.02), (0.64, 0.03)),
    },
    7: {
        "Spherical (Acc.)": (14.23, 28.72, 32.59, 31.47, 35.6),
        "Darcy Flow (L2)": (0.073, 0.0079, 0.008, 0.010, 0.0078),
        "NinaPro (Acc.)": (93.22, 93.4, 91.27, 89.78, 92.71),
        "ECG (F1)": (0.57, 0.68, 0.72, 0.68, 0.68),
        "Satellite (Acc.)": (84.51, 87.72, 80.2, 86.04, 87.33),
    },
}


def _of_cell(table: int, row: str, column: str, points: int | None, cell: _Cell) -> Published:
    value, error = cell if isinstance(cell, tuple) else (cell, None)
    return Published(table, row, column, points, value, error)


PUBLISHED: tuple[Published, ...] = tuple(
    _of_cell(table, row, *column, cell)
    for table, rows in _CELLS.items()
    for row, cells in rows.items()
    for column, cell in zip(_COLUMNS[table], cells, strict=True)
)
"""All numbers of tables 2 to 7, in the paper's order."""

_NASBENCH201_ROWS = dict(zip(NASBENCH201, [row for row in _CELLS[4] if row != "Overall Mean"], strict=True))
_TRANSNASBENCH101_ROWS = dict(zip(TRANSNASBENCH101, [row for row in _CELLS[2] if row != "Overall Mean"], strict=True))

_ROWS: dict[int, dict[str, str]] = {
    2: _TRANSNASBENCH101_ROWS,
    3: _TRANSNASBENCH101_ROWS,
    4: _NASBENCH201_ROWS,
    5: {task: row for task, row in _NASBENCH201_ROWS.items() if row in _CELLS[5]},
    6: {
        **{task: f"TB/{row}" for task, row in _TRANSNASBENCH101_ROWS.items()},
        NASBENCH101: "NB101/CIFAR10",
        "nasbenchasr": "NB-ASR/Timit",
    },
}
"""Table of the paper -> task of ours -> its row there."""

_CAVEATS = {
    (4, "nasbench201/gpu-latency"): "the paper's is of a Jetson Nano, ours of a GTX 1080 Ti",
    (4, MEAN): "it contains the latency of another GPU than ours",
}


def published(table: int, task: str, column: str, points: int | None) -> Published | None:
    """Look up the paper's number; None if its table has none there.

    Args:
        table: Number of the table in the paper.
        task: A task of ours, or ``mean`` for the table's last row.
        column: Name of the column, as the paper prints it.
        points: Number of fine-tuning models; None for the accuracies of table 5.
    """
    row = "Overall Mean" if task == MEAN else _ROWS[table].get(task)
    wanted = (table, row, column, points)
    return next((item for item in PUBLISHED if (item.table, item.row, item.column, item.points) == wanted), None)


def published_mean(table: int, tasks: Sequence[str], column: str, points: int) -> Published | None:
    """Look up the paper's mean over these tasks, or compute it from their rows where they are not all of its table.

    None if one of them is not in the table.
    """
    if set(tasks) == set(_ROWS[table]):
        return published(table, MEAN, column, points)
    found = [item for task in tasks if (item := published(table, task, column, points)) is not None]
    if not found or len(found) < len(tasks):
        return None
    return Published(table, "computed", column, points, sum(item.value for item in found) / len(found), None)


def columns_of(table: int, points: int | None) -> list[str]:
    """List the columns that a table of the paper has at this number of fine-tuning models, its own method first."""
    found = [column for column, number_of in _COLUMNS[table] if number_of == points]
    return sorted(found, key=lambda column: column != MP_NAS)


def caveat(table: int, task: str) -> str:
    """Say why ours must not be counted a win or a loss against the paper's number; empty if it may be."""
    return _CAVEATS.get((table, task), "")
