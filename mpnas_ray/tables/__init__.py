"""NAS tables: measured (architecture, score) pairs of tasks, read from Parquet files (this package imports pyarrow)."""

from __future__ import annotations

from mpnas_ray.errors import TableError
from mpnas_ray.tables.checking import FileCheck, check_tables
from mpnas_ray.tables.curves import LearningCurves, read_curves, write_curves
from mpnas_ray.tables.holdout import leaves_out
from mpnas_ray.tables.loading import BUNDLED_TABLE, load_tasks
from mpnas_ray.tables.normalization import Normalization, clip_outliers, normalize, outlier_limits
from mpnas_ray.tables.origins import origins
from mpnas_ray.tables.schema import read_task, write_task
from mpnas_ray.tables.splits import split_by_class, split_random
from mpnas_ray.tables.table_task import Kind, TableTask

__all__ = [
    "BUNDLED_TABLE",
    "FileCheck",
    "Kind",
    "LearningCurves",
    "Normalization",
    "TableError",
    "TableTask",
    "check_tables",
    "clip_outliers",
    "leaves_out",
    "load_tasks",
    "normalize",
    "origins",
    "outlier_limits",
    "read_curves",
    "read_task",
    "split_by_class",
    "split_random",
    "write_curves",
    "write_task",
]
