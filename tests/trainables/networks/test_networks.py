from __future__ import annotations

from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import EXTENSIONS, OPERATIONS, SPACE_NAMES, Operation, get_space
from trainables import build_network
from trainables.networks.cell import Cell
from trainables.networks.limits import NetworkSizes
from trainables.networks.operations import BUILDERS, build_operation

SHAPES = [((1, 8, 8), False), ((3, 29, 29), True), ((2, 45), False), ((4, 24), True), ((3, 32, 32), False)]


def count(arch: str, **sizes: object) -> int:
    with torch.device("meta"):
        network = build_network(arch, (3, 32, 32), 10, **sizes)  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.long
@pytest.mark.parametrize("space", SPACE_NAMES)
@pytest.mark.parametrize("preset", ["small", "paper"])
def test_every_space_in_one_and_two_dimensions_for_points_and_fields(space: str, preset: str) -> None:
    # Macro networks of the paper's widths are large, and built in the same way for all shapes.
    large = preset == "paper" and get_space(space).has_attributes
    for number, (shape, dense) in enumerate(SHAPES[2:4] if large else SHAPES):
        arch = get_space(space).sample(np.random.default_rng(number))
        outputs = build_network(arch, shape, 5, dense, preset)(torch.randn(2, *shape))
        assert outputs.shape == ((2, 5, *shape[1:]) if dense else (2, 5))
        assert torch.isfinite(outputs).all()
        outputs.sum().backward()


@pytest.mark.data
@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_parameters_are_those_of_nasbench201(tables_folder: Path, every: bool) -> None:
    """All 15,625 cells when slow; else one for each of the 210 multisets of operations."""
    columns = ["arch_str", "params_m_c10", "op_e0_1", "op_e0_2", "op_e1_2", "op_e0_3", "op_e1_3", "op_e2_3"]
    table = pq.read_table(tables_folder / "nasbench201.parquet", columns=columns).to_pandas()
    if not every:
        table["operations"] = [tuple(sorted(row)) for row in table[columns[2:]].to_numpy().tolist()]
        table = table.groupby("operations").sample(1, random_state=0)
        assert len(table) == len(list(combinations_with_replacement(range(5), 6)))
    for text, millions in table[["arch_str", "params_m_c10"]].itertuples(index=False):
        assert count(f"nasbench201:{text}") == round(millions * 1e6), text


@pytest.mark.data
def test_parameters_are_those_of_the_size_space(tables_folder: Path) -> None:
    """All 32,768 counted, and some networks built."""
    columns = ["arch_idx", "params_c10"]
    table = pq.read_table(tables_folder / "natsbench_sss.parquet", columns=columns).to_pandas()
    archs = get_space("natsbench-size").enumerate()[table.arch_idx.to_numpy()]
    published = table.params_c10.to_numpy()
    assert np.array_equal(NetworkSizes((3, 32, 32), 10).parameters(archs), published)
    for row in range(0, len(archs), 1_111):
        assert count(str(archs[row])) == published[row]


def test_a_macro_network_is_built_as_its_benchmark_builds_it() -> None:
    """64-2311: a stem of two convolutions at stride 2, then four modules of two blocks, from 64 to 128 channels."""
    stem = 3 * 32 * 9 + 2 * 32 + 32 * 64 * 9 + 2 * 64
    first = (64 * 128 + 3 * 128 * 128) * 9 + 4 * 2 * 128 + 64 * 128 + 2 * 128
    second = 4 * 128 * 128 * 9 + 4 * 2 * 128 + 128 * 128 + 2 * 128  # its shortcut halves the resolution, too
    others = 2 * (4 * 128 * 128 * 9 + 4 * 2 * 128)
    assert count("transnasbench101-macro:64-2311-basic") == stem + first + second + others + 128 * 10 + 10
    network = build_network("transnasbench101-macro:64-2311-basic", (3, 32, 32), 10)
    sides = []
    features = torch.randn(2, 3, 32, 32)
    for block in list(network.children())[:-1]:
        features = block(features)
        sides.append(features.shape[2])
    assert sides == [8, 8, 4, 4, 4]


def test_widths_scale_with_the_preset_and_cells_are_refused() -> None:
    size = "natsbench-size:16:24:8:64:64"
    small = build_network(size, (1, 8, 8), 10, preset="small")
    assert [block(torch.randn(1, 1, 8, 8)).shape[1] for block in list(small.children())[:1]] == [8]
    assert count(size) == count(size, channels=(16,)) > count(size, channels=(8,)) == count(size, preset="small")
    with pytest.raises(TaskError, match="no stacks of cells"):
        build_network(size, (1, 8, 8), 10, cells_per_stack=2)


def test_counts_by_hand() -> None:
    cell = "nasbench201:|{}~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    assert count(cell.format("none")) == 73_306
    assert count(cell.format("nor_conv_1x1")) == 73_306 + 28_000, "dead operations are built too"
    assert count(cell.format("nor_conv_3x3")) == 73_306 + 243_040
    assert count(cell.format("none"), channels=(16, 16, 16), cells_per_stack=1) < 73_306


def test_a_vertex_adds_up_what_it_reads() -> None:
    arch = get_space("mixed").parse("nasbench101:|skip~0|skip~0~1|output~0~1~2|")
    inputs = torch.randn(2, 4, 6, 6)
    assert torch.allclose(Cell(arch.graph, 4, 2)(inputs), 4 * inputs)  # 1 + 1 + 2


def test_cells_of_one_canonical_form_compute_the_same_function() -> None:
    space = get_space("mixed")
    one = space.parse("nasbench101:|conv3-d1~0|output~0~1|")
    other = space.parse("nasbench201:|skip~0|+|zero~0|conv3-d1~1|+|skip~0|zero~1|skip~2|")
    third = space.parse("nasbenchasr:|conv3-d1~0|skip|skip|")
    assert one.canonical == other.canonical == third.canonical
    inputs = torch.randn(3, 4, 9)
    results = []
    for arch in (one, other, third):
        cell = Cell(arch.graph, 4, 1).eval()
        for parameter in cell.parameters():
            nn.init.constant_(parameter, 0.1)
        results.append(cell(inputs))
    assert torch.allclose(results[0], results[1], atol=1e-6)
    assert torch.allclose(results[0], results[2], atol=1e-6)


def test_a_cell_without_a_path_returns_zeros_and_still_trains() -> None:
    arch = "nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"
    assert not Cell(get_space("nasbench201").parse(arch).graph, 4, 2)(torch.randn(2, 4, 8, 8)).any()
    network = build_network(arch, (1, 8, 8), 3, preset="small")
    network(torch.randn(4, 1, 8, 8)).square().sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())


def test_every_operation_has_a_builder_and_every_builder_an_operation() -> None:
    assert list(BUILDERS) == [operation.name for operation in (*OPERATIONS, *EXTENSIONS)]


@pytest.mark.parametrize("operation", [*OPERATIONS, *EXTENSIONS], ids=lambda operation: operation.name)
@pytest.mark.parametrize("shape", [(2, 8, 24), (2, 8, 7, 7)])
def test_operations_keep_shape(operation: Operation, shape: tuple[int, ...]) -> None:
    assert build_operation(operation.name, 8, len(shape) - 2)(torch.randn(*shape)).shape == shape


@pytest.mark.parametrize("operation", [*OPERATIONS, *EXTENSIONS], ids=lambda operation: operation.name)
def test_operations_have_as_many_weights_as_they_say(operation: Operation) -> None:
    module = build_operation(operation.name, 8, 2)
    weights = sum(parameter.numel() for parameter in module.parameters() if parameter.ndim >= 3)
    assert weights == operation.weights_per_channel_pair * 8 * 8


@pytest.mark.parametrize("side", [7, 8, 29, 33])
def test_odd_sides_are_halved_upward_on_both_ways(side: int) -> None:
    network = build_network(get_space("nasbench201").sample(np.random.default_rng(0)), (1, side, side), 2)
    assert network(torch.randn(2, 1, side, side)).shape == (2, 2)


def test_small_preset_keeps_small_images_whole() -> None:
    def shapes(side: int) -> list[tuple[int, ...]]:
        network = build_network("mixed:nasbench101:|output~0|", (1, side, side), 10, preset="small")
        seen = []
        for block in network.body.modules():
            if isinstance(block, Cell):
                block.register_forward_hook(lambda _module, inputs, _outputs: seen.append(tuple(inputs[0].shape[2:])))
        network(torch.randn(2, 1, side, side))
        return seen

    assert shapes(8) == [(8, 8)] * 3
    assert shapes(32) == [(32, 32), (16, 16), (8, 8)]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"input_shape": (3,)}, "input_shape"),
        ({"input_shape": (3, 0, 4)}, "input_shape"),
        ({"preset": "medium"}, "small"),
        ({"arch": "nasbench201:|skip~0|"}, "nasbench201"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: dict, named: str) -> None:  # type: ignore[type-arg]
    good = {"arch": "mixed:nasbench101:|output~0|", "input_shape": (3, 8, 8), "num_outputs": 2}
    with pytest.raises((TaskError, ValueError), match=named):
        build_network(**{**good, **arguments})
