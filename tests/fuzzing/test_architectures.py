"""Architecture strings of all spaces: whatever is read is written again as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from mpnas_ray.spaces import SPACE_NAMES, get_space, parse_architecture

PIECES = [
    "|",
    "~",
    "+",
    "_",
    "-",
    ":",
    "||",
    "0",
    "1",
    "2",
    "3",
    "7",
    "9",
    "²",
    "\uff11",
    "٣",
    "1_0",
    "-1",
    " ",
    "\n",
    "\x00",
]
PIECES += ["output", "skip", "none", "conv3-d1", "nasbench101:", "mixed:", "é", "\ud800", ""]


@st.composite
def damaged(draw: DrawFn, space: str) -> str:
    text = str(get_space(space).sample(np.random.default_rng(draw(st.integers(0, 1_000)))))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.sampled_from([start, start + 1, start + 1, start + 3, len(text)]))
        text = text[:start] + draw(st.one_of(st.sampled_from(PIECES), st.text(max_size=3))) + text[end:]
    return text


@pytest.mark.parametrize("name", SPACE_NAMES)
def test_architecture_strings(name: str, fuzz: Any) -> None:
    space = get_space(name)

    def check(text: str) -> None:
        assert (text in space) in (True, False)
        for parse in (space.parse, parse_architecture):
            arch = parse(text)
            assert str(arch) in (text, f"{name}:{text}")
            assert arch.canonical >= 0

    fuzz(check, st.one_of(damaged(name), damaged(name), st.text(), st.text(alphabet="|~+0123_-:")))


@pytest.mark.parametrize("text", ["²", "\uff11", "٣", "1_0", "-1", " 0", "0 ", "+0", "0" * 5_000])
def test_digits_are_those_of_the_space(text: str) -> None:
    for name, cell in (("nasbenchasr", "|conv5~{}|linear|linear|"), ("nasbench101", "|maxpool3x3~{}|output~1|")):
        assert cell.format(0) in get_space(name)
        assert cell.format(text) not in get_space(name)
