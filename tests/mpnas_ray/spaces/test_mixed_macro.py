"""The space of cells in networks of several widths, depths and strides."""

from __future__ import annotations

import numpy as np
import pytest

from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import Architectures, get_space
from mpnas_ray.spaces.mixed_macro import DEPTHS, STRIDES, WIDTHS

SPACE = get_space("mixed-macro")
CELL = "nasbenchasr:|conv5-d1~0|linear|skip|"


def test_it_has_every_cell_of_mixed_in_every_size() -> None:
    assert SPACE.num_architectures == get_space("mixed").num_architectures * 4 * 5 * 3
    texts = [f"{CELL}@w{width}-d{depth}-s{strides}" for width in WIDTHS for depth in DEPTHS for strides in STRIDES]
    archs = Architectures.of([SPACE.parse(text) for text in texts])
    assert len(set(archs.canonical_keys().tolist())) == len(texts)
    assert [str(arch) for arch in archs] == [f"mixed-macro:{text}" for text in texts]


def test_isomorphic_cells_of_one_size_are_one_network() -> None:
    one, same, other = (
        SPACE.parse(f"nasbench201:|{cell}@w16-d2-s1")
        for cell in (
            "conv3-d1~0|+|zero~0|skip~1|+|zero~0|zero~1|skip~2|",
            "skip~0|+|zero~0|conv3-d1~1|+|zero~0|zero~1|skip~2|",
            "conv5-d1~0|+|zero~0|skip~1|+|zero~0|zero~1|skip~2|",
        )
    )
    assert one.canonical == same.canonical != other.canonical
    assert one.canonical != get_space("mixed").parse(str(one).removeprefix("mixed-macro:").partition("@")[0]).canonical


def test_neighbours_change_the_cell_or_one_size() -> None:
    arch = SPACE.parse(f"{CELL}@w16-d2-s1")
    found = [str(neighbor).removeprefix("mixed-macro:") for neighbor in SPACE.neighbors(arch)]
    resized = [text for text in found if text.startswith(f"{CELL}@")]
    cells = get_space("mixed").neighbors(get_space("mixed").parse(CELL))

    assert len(found) == len(set(found)) == len(cells) + 3 + 4 + 2
    assert sorted(resized) == sorted(
        [f"{CELL}@w{width}-d2-s1" for width in (8, 32, 64)]
        + [f"{CELL}@w16-d{depth}-s1" for depth in (1, 3, 4, 5)]
        + [f"{CELL}@w16-d2-s{strides}" for strides in (0, 2)]
    )


def test_the_slots_hold_any_of_their_values() -> None:
    rng = np.random.default_rng(0)
    for arch in SPACE.sample_many(20, rng):
        codes = np.array(arch.codes, dtype=np.int8)
        slots = SPACE.slots(codes)
        for slot in slots:
            codes[slot.place] = rng.integers(len(slot.values))
        assert str(SPACE.architecture(codes)) in SPACE
        assert [slot.name for slot in slots[-3:]] == ["width", "depth", "strides"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CELL, "needs '@' and its sizes"),
        (f"{CELL}@w12-d2-s1", "width is one of 8, 16, 32, 64, not 12"),
        (f"{CELL}@w8-d9-s1", "depth is one of 1, 2, 3, 4, 5, not 9"),
        (f"{CELL}@w8-d1-s3", "number of strides is one of 0, 1, 2, not 3"),
        (f"{CELL}@w08-d1-s1", "not 08"),
        (f"{CELL}@wide", "sizes cannot be 'wide'"),
        ("nasbenchasr:|conv5-d1~0|lnear|skip|@w8-d1-s1", "Did you mean 'linear'"),
    ],
)
def test_a_wrong_text_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message.replace("|", r"\|")):
        SPACE.parse(text)
