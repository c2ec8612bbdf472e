from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from mpnas_ray.errors import MPNASError
from mpnas_ray.tables import TableError, TableTask


def test_scores_are_higher_where_values_are_better(small_task: TableTask) -> None:
    accuracy = dataclasses.replace(small_task, mode="max")

    np.testing.assert_array_equal(small_task.scores, -small_task.raw)
    np.testing.assert_array_equal(accuracy.scores, accuracy.raw)


def test_values_cannot_be_changed(small_task: TableTask) -> None:
    for values in (small_task.raw, small_task.scores):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0.0


def test_a_task_keeps_its_own_copy_of_the_values(small_task: TableTask) -> None:
    values = np.arange(300.0)
    task = dataclasses.replace(small_task, raw=values)
    values[0] = 7.0

    assert task.raw[0] == 0.0


def test_a_part_of_a_task_is_a_task(small_task: TableTask) -> None:
    part = small_task[np.array([5, 2])]

    assert len(part) == 2
    assert [str(arch) for arch in part.archs] == [str(small_task.archs[5]), str(small_task.archs[2])]
    np.testing.assert_array_equal(part.scores, small_task.scores[[5, 2]])
    assert part.datasets == small_task.datasets


def test_canonical_keys_are_those_of_the_architectures(small_task: TableTask) -> None:
    assert [int(key) for key in small_task.canonical_keys] == [arch.canonical for arch in small_task.archs]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raw": np.zeros(299)}, r"300 architectures but values of shape \[299\]"),
        ({"raw": np.full(300, np.nan)}, r"value nan \(row 0\)"),
        ({"raw": np.full(300, -np.inf)}, r"value -inf \(row 0\)"),
        ({"mode": "maximum"}, "'min' or 'max'"),
    ],
)
def test_a_task_refuses_what_does_not_fit(small_task: TableTask, changes: dict[str, object], message: str) -> None:
    with pytest.raises(TableError, match=message):
        dataclasses.replace(small_task, **changes)  # type: ignore[arg-type]


def test_a_table_error_is_ours_and_a_value_error() -> None:
    assert issubclass(TableError, MPNASError)
    assert issubclass(TableError, ValueError)


def test_the_package_itself_does_not_import_pyarrow() -> None:
    code = "import sys, mpnas_ray; sys.exit('pyarrow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
