from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpnas_ray.spaces import parse_architecture
from mpnas_ray.tables import TableError, TableTask, check_tables, load_tasks

TASKS = [
    "nasbench201/cifar10",
    "nasbench201/cifar100",
    "nasbench201/imagenet16-120",
    "nasbench201/ninapro",
    "nasbench201/darcy",
    "nasbench201/cpu-latency",
    "nasbench201/gpu-latency",
    "nasbench101/cifar10",
    "transnasbench101/scene",
    "transnasbench101/object",
    "transnasbench101/jigsaw",
    "transnasbench101/room",
    "transnasbench101/segmentsemantic",
    "transnasbench101/normal",
    "transnasbench101/autoencoder",
]


@pytest.mark.data
def test_all_official_tasks_are_there_and_no_others(tables_folder: Path) -> None:
    assert list(load_tasks(tables_folder)) == TASKS


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("nasbench201/cifar10", 94.373),
        ("nasbench201/cifar100", 73.513),
        ("nasbench201/imagenet16-120", 47.311),
        ("nasbench101/cifar10", 0.94318),
        ("transnasbench101/scene", 54.94),
        ("transnasbench101/object", 46.32),
        ("transnasbench101/jigsaw", 95.37),
        ("transnasbench101/segmentsemantic@miou", 26.27),
        ("transnasbench101/autoencoder", 0.5772),
        ("transnasbench101/normal", 0.5962),
        ("transnasbench101/room", -0.5938),
        ("natsbench-size/cifar10", 93.65),
        ("natsbench-size/cifar100", 71.34),
        ("natsbench-size/imagenet16-120", 47.40),
        ("transnasbench101-macro/scene", 57.48),
        ("transnasbench101-macro/object", 47.96),
        ("transnasbench101-macro/jigsaw", 97.02),
        ("transnasbench101-macro/autoencoder", 0.7688),
        ("transnasbench101-macro/normal", 0.6435),
        ("transnasbench101-macro/room", -0.5628),
    ],
)
def test_the_best_scores_are_the_published_optima(tasks: Mapping[str, TableTask], name: str, best: float) -> None:
    decimals = len(str(best).partition(".")[2])

    assert tasks[name].scores.max() == pytest.approx(best, abs=0.51 * 10**-decimals)
    assert tasks[name].mode == "max"


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "index", "ops"),
    [("cifar10", 6111, "3 33 132"), ("cifar100", 9930, "3 33 133"), ("imagenet16-120", 857, "2 23 133")],
)
def test_the_best_architectures_are_at_their_official_index(
    tables_folder: Path, tasks: Mapping[str, TableTask], name: str, index: int, ops: str
) -> None:
    task = tasks[f"nasbench201/{name}"]
    official = pq.read_table(tables_folder / "nasbench201.parquet", columns=["arch_idx", "arch_str"]).to_pydict()
    a, b, c, d, e, f = (task.archs.space.operations[int(op)] for op in ops.replace(" ", ""))

    assert int(task.scores.argmax()) == index == official["arch_idx"][index]
    assert str(task.archs[index]) == f"nasbench201:{official['arch_str'][index]}"
    assert official["arch_str"][index] == f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


@pytest.mark.data
@pytest.mark.parametrize("name", ["nasbench201/darcy", "nasbench201/cpu-latency", "nasbench201/gpu-latency"])
def test_errors_and_latencies_are_turned_around(tasks: Mapping[str, TableTask], name: str) -> None:
    task = tasks[name]

    assert task.mode == "min"
    assert (task.raw > 0).all()
    assert task.scores.argmax() == task.raw.argmin()


@pytest.mark.data
def test_convolutions_cost_time_and_win_accuracy(tasks: Mapping[str, TableTask]) -> None:
    """Orientation and the join of the latencies, checked by sense alone: only the signs matter here."""
    accuracy, latency = tasks["nasbench201/cifar10"], tasks["nasbench201/cpu-latency"]
    conv = accuracy.archs.space.operations.index("nor_conv_3x3")
    of_accuracy = (accuracy.archs.codes == conv).sum(axis=1)
    of_latency = (latency.archs.codes == conv).sum(axis=1)

    assert np.corrcoef(of_accuracy, accuracy.scores)[0, 1] > 0.2
    assert np.corrcoef(of_latency, latency.scores)[0, 1] < -0.2


@pytest.mark.data
def test_the_disconnected_cells_have_no_cpu_latency(tasks: Mapping[str, TableTask]) -> None:
    accuracy, latency = tasks["nasbench201/cifar10"], tasks["nasbench201/cpu-latency"]
    connected = accuracy.archs.graphs().live().any(axis=1)

    assert len(latency) == 15_625 - 341 == connected.sum()
    np.testing.assert_array_equal(accuracy.archs.codes[connected], latency.archs.codes)


@pytest.mark.data
def test_every_task_says_what_it_is(tasks: Mapping[str, TableTask]) -> None:
    for name, task in tasks.items():
        assert task.name == name
        assert task.archs.space.name == name.partition("/")[0]
        assert task.datasets or task.devices
        assert task.columns
        assert task.source


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "task"), [("nasbench201", "cifar10"), ("transnasbench101_micro", "scene")], ids=["nasbench201", "transnas"]
)
def test_every_architecture_is_the_official_string(
    tables_folder: Path, tasks: Mapping[str, TableTask], file: str, task: str
) -> None:
    texts = pq.read_table(tables_folder / f"{file}.parquet", columns=["arch_str"]).column(0).to_pylist()
    space = file.partition("_")[0]
    archs = tasks[f"{space}/{task}"].archs

    for arch, text in zip(archs, texts, strict=True):
        assert str(arch) == f"{space}:{text}"
        assert parse_architecture(str(arch)).codes == arch.codes


@pytest.mark.data
def test_architectures_of_nasbench101_are_those_of_the_columns(
    tables_folder: Path, tasks: Mapping[str, TableTask]
) -> None:
    """Cells are built here once more, one at a time, by writing their text: 3,000, and all with few vertices."""
    columns = ["n_vertices", "adj_upper", "ops", "test_acc_ep108_mean3"]
    table = pq.read_table(tables_folder / "nasbench101.parquet", columns=columns)
    rng = np.random.default_rng(0)
    rows = [*np.flatnonzero(table["n_vertices"].to_numpy() < 6), *rng.integers(table.num_rows, size=3_000)]
    task, names = tasks["nasbench101/cifar10"], ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")

    for row, cell in zip(rows, table.take(rows).to_pylist(), strict=True):
        n, bits = cell["n_vertices"], iter(cell["adj_upper"])
        reads: list[list[int]] = [[] for _ in range(n)]
        for source in range(n):
            for target in range(source + 1, n):
                if next(bits) == "1":
                    reads[target].append(source)
        vertices = [*(names[int(code)] for code in cell["ops"]), "output"]
        text = "|".join("~".join([name, *map(str, reads[v])]) for v, name in enumerate(vertices, start=1))
        assert str(task.archs[row]) == f"nasbench101:|{text}|"
        assert parse_architecture(str(task.archs[row])).codes == task.archs[row].codes
        assert task.raw[row] == cell["test_acc_ep108_mean3"]


@pytest.mark.data
def test_all_cells_of_nasbench101_are_of_different_canonical_form(tasks: Mapping[str, TableTask]) -> None:
    assert len(np.unique(tasks["nasbench101/cifar10"].canonical_keys)) == 423_624


@pytest.mark.data
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_nasbench101_loads_in_time_and_memory(tables_folder: Path) -> None:
    # Not getrusage: its peak is that of this test's own process too, from which the new one was forked.
    code = (
        "import sys; from mpnas_ray.tables import load_tasks; "
        "assert len(load_tasks(sys.argv[1], ['nasbench101/cifar10'])['nasbench101/cifar10']) == 423_624; "
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run([sys.executable, "-c", code, str(tables_folder)], check=True, capture_output=True, text=True)

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 60, "a loop over architectures takes minutes"
    assert int(run.stdout) * 1024 < 1e9


@pytest.mark.data
def test_only_named_tasks_are_read(tables_folder: Path) -> None:
    names = ["nasbench201/raspi4-latency", "nasbench201/cifar10@valid"]

    assert set(load_tasks(tables_folder, names)) == set(names)


@pytest.mark.data
def test_a_folder_may_hold_only_some_tables(tables_folder: Path, tmp_path: Path) -> None:
    shutil.copy(tables_folder / "transnasbench101_micro.parquet", tmp_path)

    assert set(load_tasks(tmp_path)) == {name for name in TASKS if name.startswith("transnas")}
    with pytest.raises(TableError, match=r"no task 'nasbench201/darcy'. It comes from nasbench201\.parquet"):
        load_tasks(tmp_path, ["nasbench201/darcy"])
    with pytest.raises(TableError, match=r"no task 'nasbench201/cifar'. Official tables have: nasbench201/cifar10"):
        load_tasks(tmp_path, ["nasbench201/cifar"])


@pytest.mark.data
def test_latencies_without_their_cells_are_an_error(tables_folder: Path, tmp_path: Path) -> None:
    shutil.copy(tables_folder / "nasbench201_hardware.parquet", tmp_path)

    with pytest.raises(TableError, match=r"nasbench201\.parquet is missing beside it"):
        load_tasks(tmp_path)


def test_a_folder_without_tables_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"has no NAS table: no \*\.parquet file"):
        load_tasks(tmp_path)
    with pytest.raises(TableError, match="is not there"):
        load_tasks(tmp_path / "missing")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"arch,score\n1,2\n" * 100])
def test_a_file_that_is_not_parquet_is_an_error(tmp_path: Path, content: bytes) -> None:
    for name in ("nasbench201.parquet", "mine.parquet"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TableError, match=f"{name} cannot be read as Parquet"):
            load_tasks(tmp_path)
        (tmp_path / name).unlink()


def test_a_table_of_somebody_else_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"arch": ["a"], "score": [1.0]}), tmp_path / "theirs.parquet")

    with pytest.raises(TableError, match=r"theirs\.parquet is neither an official table"):
        load_tasks(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
@pytest.mark.parametrize("file", ["nasbench201", "nasbench101", "transnasbench101_micro"])
def test_a_truncated_file_is_one_clear_error(tables_folder: Path, tmp_path: Path, file: str, share: float) -> None:
    whole = (tables_folder / f"{file}.parquet").read_bytes()
    (tmp_path / f"{file}.parquet").write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(TableError, match=rf"{file}\.parquet cannot be read as Parquet: .* Copy it again"):
        load_tasks(tmp_path)


@pytest.mark.data
def test_damage_inside_a_file_is_an_error_that_names_it_or_harmless(tables_folder: Path, tmp_path: Path) -> None:
    whole = (tables_folder / "transnasbench101_micro.parquet").read_bytes()
    path = tmp_path / "transnasbench101_micro.parquet"
    rng = np.random.default_rng(0)
    num_errors = 0
    for _ in range(40):
        damaged = bytearray(whole)
        start = int(rng.integers(len(whole) - 50))
        damaged[start : start + 50] = rng.bytes(50)
        path.write_bytes(damaged)
        try:
            load_tasks(tmp_path)
        except TableError as error:
            num_errors += 1
            assert str(path) in str(error)  # noqa: PT017 (damage to a column that is not read stays unseen)
    assert num_errors > 0


def edited(source: Path, target: Path, column: str, values: Any) -> None:
    """Copy a table with the values of one column changed."""
    table = pq.read_table(source)
    changed = values(table.column(column).to_pylist())
    index = table.schema.get_field_index(column)
    pq.write_table(table.set_column(index, column, pa.array(changed)), target / source.name, row_group_size=50_000)


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "column", "values", "message"),
    [
        ("nasbench201", "op_e0_2", lambda v: [5, *v[1:]], "row 0 has the operation 5 in op_e0_2; codes are 0 to 4"),
        ("nasbench201", "op_e0_2", lambda v: [None, *v[1:]], "op_e0_2 has 1 empty entries"),
        ("nasbench201", "op_e0_2", lambda v: ["skip"] * len(v), "op_e0_2 holds string, not integers"),
        ("nasbench201", "op_e2_3", lambda v: [0] * len(v), "have the same cell"),
        ("nasbench201", "arch_idx", lambda v: [1, *v[1:]], "rows 0 and 1 have the same arch_idx"),
        ("nasbench201", "cifar10_test", lambda v: [943.7, *v[1:]], "cifar10_test has 943.7 in row 0"),
        ("nasbench201", "cifar10_test", lambda v: [float("inf"), *v[1:]], "cifar10_test has inf in row 0"),
        ("nasbench201", "darcy_rel_l2", lambda v: [-0.1, *v[1:]], "darcy_rel_l2 has -0.1 in row 0"),
        ("nasbench201", "ninapro_test", lambda v: [float("nan")] * len(v), "ninapro_test is empty"),
        ("nasbench201", "ninapro_test", lambda v: ["90"] * len(v), "ninapro_test holds string, not floating"),
        ("nasbench101_subset", "adj_upper", lambda v: ["0" * 21, *v[1:]], "is not the upper triangle of a cell"),
        ("nasbench101_subset", "adj_upper", lambda v: ["1" * 21, *v[1:]], "is not the upper triangle of a cell"),
        ("nasbench101_subset", "adj_upper", lambda v: ["1" * 4, *v[1:]], "is not the upper triangle of a cell"),
        ("nasbench101_subset", "adj_upper", lambda v: ["1", *v[1:]], r"2 vertices \(adj_upper\) but 5 operations"),
        ("nasbench101_subset", "ops", lambda v: ["01234", *v[1:]], "ops '01234' are not at most five codes of 0 to 2"),
    ],
)
def test_what_makes_no_sense_is_named(
    tables_folder: Path, tmp_path: Path, file: str, column: str, values: Any, message: str
) -> None:
    edited(tables_folder / f"{file}.parquet", tmp_path, column, values)

    with pytest.raises(TableError, match=message) as caught:
        load_tasks(tmp_path, variants=True)
    assert f"{file}.parquet" in str(caught.value)


@pytest.mark.data
def test_missing_columns_are_named(tables_folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(tables_folder / "nasbench201.parquet", columns=["arch_idx", "op_e0_1"])
    pq.write_table(table, tmp_path / "nasbench201.parquet")

    with pytest.raises(TableError, match=r"has no column op_e0_2, op_e1_2, .* It has: arch_idx, op_e0_1"):
        load_tasks(tmp_path)


@pytest.mark.data
def test_files_of_several_row_groups_and_other_row_orders_are_the_same(
    tables_folder: Path, tmp_path: Path, tasks: Mapping[str, TableTask]
) -> None:
    rng = np.random.default_rng(0)
    for name in ("nasbench201", "nasbench201_hardware", "nasbench101_subset"):
        table = pq.read_table(tables_folder / f"{name}.parquet")
        shuffled = table.take(rng.permutation(table.num_rows))
        pq.write_table(shuffled, tmp_path / f"{name}.parquet", row_group_size=1_000)

    for name, task in load_tasks(tmp_path, variants=True).items():
        order = np.lexsort(task.archs.codes.T)
        expected = np.lexsort(tasks[name].archs.codes.T)
        np.testing.assert_array_equal(task.archs.codes[order], tasks[name].archs.codes[expected])
        np.testing.assert_array_equal(task.raw[order], tasks[name].raw[expected])


@pytest.mark.data
def test_all_tasks_in_order_and_latency_without_the_cells_that_have_none(tables_folder: Path) -> None:
    tasks = load_tasks(tables_folder)

    assert list(tasks) == TASKS
    latency = tasks["nasbench201/cpu-latency"]
    assert (len(latency), latency.mode, latency.unit, latency.devices) == (15_284, "min", "ms", ("i7-7820x",))
    assert 1.0 < latency.raw.min() < 1.1
    assert 9.5 < latency.raw.max() < 9.6


@pytest.mark.data
def test_check_finds_the_official_tables_sound(tables_folder: Path) -> None:
    checks = {check.path.name: check for check in check_tables(tables_folder)}

    assert [check.problem for check in checks.values() if check.problem] == []
    assert checks["nasbench101.parquet"].num_rows == 423_624
    assert checks["natsbench_sss.parquet"].tasks == tuple(
        f"natsbench-size/{task}" for task in ("cifar10", "cifar100", "imagenet16-120")
    )
    assert len(checks["transnasbench101_macro.parquet"].tasks) == 7 * 3 + 1


@pytest.mark.data
def test_check_reports_every_file_not_only_the_first_bad_one(tables_folder: Path, tmp_path: Path) -> None:
    edited(tables_folder / "nasbench201.parquet", tmp_path, "arch_str", lambda v: [v[1], *v[1:]])
    whole = (tables_folder / "natsbench_sss.parquet").read_bytes()
    (tmp_path / "natsbench_sss.parquet").write_bytes(whole[:1000])
    shutil.copy(tables_folder / "transnasbench101_micro.parquet", tmp_path)

    problems = {check.path.name: check.problem or "" for check in check_tables(tmp_path)}

    assert "row 0 says" in problems["nasbench201.parquet"]
    assert "cannot be read as Parquet" in problems["natsbench_sss.parquet"]
    assert problems["transnasbench101_micro.parquet"] == ""
