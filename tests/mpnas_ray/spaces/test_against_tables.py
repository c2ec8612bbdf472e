"""Every architecture that the published tables hold is one of ours, and is written as there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mpnas_ray.spaces import get_space
from mpnas_ray.spaces.natsbench_size import WIDTHS

pytestmark = pytest.mark.data


@pytest.mark.parametrize(("space", "count"), [("nasbench201", 15_625), ("transnasbench101", 4_096)])
def test_official_strings_round_trip(tables_folder: Path, space: str, count: int) -> None:
    name = {"nasbench201": "nasbench201.parquet", "transnasbench101": "transnasbench101_micro.parquet"}[space]
    slots = ["op_e0_1", "op_e0_2", "op_e1_2", "op_e0_3", "op_e1_3", "op_e2_3"]
    table = pq.read_table(tables_folder / name, columns=["arch_str", *slots]).to_pandas()
    assert table.arch_str.nunique() == count
    for text, *codes in table[["arch_str", *slots]].itertuples(index=False):
        arch = get_space(space).parse(text)
        assert str(arch) == f"{space}:{text}"
        assert arch in get_space(space)
        assert list(arch.codes) == codes


def test_macro_spaces_are_those_of_the_tables(tables_folder: Path) -> None:
    table = pq.read_table(tables_folder / "transnasbench101_macro.parquet", columns=["arch_str"]).to_pandas()
    space = get_space("transnasbench101-macro")
    assert {str(arch) for arch in space.enumerate()} == {f"{space.name}:{text}" for text in table.arch_str}
    stages = [f"c{number}" for number in range(5)]
    rows = pq.read_table(tables_folder / "natsbench_sss.parquet", columns=["arch_idx", *stages]).to_pandas()
    everything = get_space("natsbench-size").enumerate()
    widths = np.array(WIDTHS)[everything.codes[rows.arch_idx]]
    assert np.array_equal(widths, rows[stages])


@pytest.mark.parametrize("count", [10_000, pytest.param(423_624, marks=pytest.mark.slow)])
def test_nasbench101_cells_round_trip(tables_folder: Path, count: int) -> None:
    table = pq.read_table(tables_folder / "nasbench101.parquet", columns=["n_vertices", "adj_upper", "ops"]).to_pandas()
    space = get_space("nasbench101")
    for n, upper, ops in table.iloc[np.random.default_rng(0).permutation(len(table))[:count]].itertuples(index=False):
        edges = np.zeros((n, n), dtype=int)
        edges[np.triu_indices(n, 1)] = [int(bit) for bit in upper]
        names = [*(space.operations[int(op)] for op in ops), "output"]
        vertices = ["~".join([name, *map(str, np.flatnonzero(edges[:, v]))]) for v, name in enumerate(names, start=1)]
        text = f"|{'|'.join(vertices)}|"
        arch = space.parse(text)
        assert str(arch) == f"nasbench101:{text}"
        assert arch in space
