"""Drawings of architectures of every space."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from cluster.report.cells import large_drawing, short_name, small_drawing
from mpnas_ray.spaces import SPACE_NAMES, get_space
from mpnas_ray.spaces.operations import EXTENSIONS, INPUT, KINDS, OPERATIONS, OUTPUT, ZERO

NUM_ARCHS = 40


def boxes(drawing: ET.Element) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each vertex."""
    found = []
    for shape in drawing:
        if shape.tag == "rect":
            x, y, width, height = (float(shape.attrib[name]) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
        elif shape.tag == "circle":
            x, y, r = (float(shape.attrib[name]) for name in ("cx", "cy", "r"))
            found.append((x - r, y - r, x + r, y + r))
    return found


@pytest.mark.parametrize("space", SPACE_NAMES)
def test_a_large_drawing_has_every_operation_and_none_over_another(space: str) -> None:
    for arch in get_space(space).sample_many(NUM_ARCHS, np.random.default_rng(0)):
        drawing = ET.fromstring(str(large_drawing(str(arch))))
        kinds = [kind for kind in arch.graph.kinds[0].tolist() if kind >= 0 and kind != ZERO]
        assert sorted(text.text or "" for text in drawing.iter("text")) == sorted(KINDS[kind] for kind in kinds)
        check_places(drawing)


@pytest.mark.parametrize("space", SPACE_NAMES)
def test_a_small_drawing_has_what_the_cell_computes(space: str) -> None:
    for arch in get_space(space).sample_many(NUM_ARCHS, np.random.default_rng(1)):
        drawing = ET.fromstring(str(small_drawing(str(arch))))
        kinds = [kind for kind in arch.graph.contracted().kinds[0].tolist() if kind not in (-1, INPUT, OUTPUT)]
        if not kinds and drawing.tag == "span":
            continue
        assert sorted(text.text or "" for text in drawing.iter("text")) == sorted(short_name(KINDS[k]) for k in kinds)
        check_places(drawing)


def check_places(drawing: ET.Element) -> None:
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    found = boxes(drawing)
    for left, top, right, bottom in found:
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height
    for number, one in enumerate(found):
        for other in found[:number]:
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            assert apart, "vertices overlap"


def test_edges_lead_from_the_input_to_the_output() -> None:
    drawing = ET.fromstring(str(large_drawing("nasbench101:|conv3x3-bn-relu~0|maxpool3x3~0|output~0~1~2|")))
    edges = [list(map(float, re.findall(r"-?[\d.]+", path.attrib["d"]))) for path in drawing.iter("path")]
    assert len(edges) == 5
    assert all(edge[1] < edge[-1] for edge in edges), "they go down"


def test_isomorphic_cells_have_the_same_operations_in_their_small_drawing() -> None:
    one = small_drawing("nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|")
    other = small_drawing("nasbench201:|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    assert str(one).partition("aria-label")[0] == str(other).partition("aria-label")[0]


def test_a_cell_without_a_path_says_so() -> None:
    arch = "nasbench201:|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    assert small_drawing(arch) == "<span>no path</span>"
    assert "output" in str(large_drawing(arch))


def test_what_no_space_reads_is_not_drawn() -> None:
    assert large_drawing("nasbench201:|nor_conv_9x9~0|") is None
    assert small_drawing("<b>") is None


def test_short_names_tell_all_operations_apart() -> None:
    names = [short_name(operation.name) for operation in (*OPERATIONS, *EXTENSIONS)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 3
