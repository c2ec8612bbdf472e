"""What all fuzz tests share: how many inputs, and ways to damage something whole.

Each test runs with a few inputs, always the same ones, and as a slow test with many that are new each time. A failure
prints the input it was reduced to.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from mpnas_ray.errors import MPNASError

FEW, MANY = 12, 400

Fuzz = Callable[[Callable[[Any], object], SearchStrategy[Any]], None]

DEEP: Any = json.loads("[" * 150 + "]" * 150)
ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 7, 10**30, 10**400, -0.5, 1.5, float("nan"), float("inf"), -float("inf"), "", " ", "x",
    "²", "1_000", "\uff11", "nan", "\ud800", "\x00", "x" * 300, [], [[]], {}, {"x": None}, [1, "x"], DEEP,
)  # fmt: skip


@pytest.fixture(params=[pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)])
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """Call a check with inputs: each may succeed or raise an `MPNASError`, nothing else."""

    def run(check: Callable[[Any], object], inputs: SearchStrategy[Any]) -> None:
        @settings(
            max_examples=request.param,
            derandomize=request.param == FEW,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(inputs)
        def one(value: Any) -> None:
            with suppress(MPNASError):
                check(value)

        one()

    return run


@pytest.fixture(scope="session")
def damaged_bytes() -> Callable[[bytes], SearchStrategy[bytes]]:
    """Content of a file with some bytes changed, cut, put in, repeated, or cut off at the end."""

    @st.composite
    def damaged(draw: DrawFn, whole: bytes) -> bytes:
        content = bytearray(whole)
        for _ in range(draw(st.integers(1, 4))):
            start = draw(st.integers(0, len(content)))
            length = draw(st.sampled_from([1, 2, 4, 16, 100]))
            kind = draw(st.sampled_from(["change", "change", "change", "cut", "put in", "repeat", "end"]))
            if kind == "change":
                content[start : start + length] = draw(st.binary(min_size=length, max_size=length))
            elif kind == "cut":
                del content[start : start + length]
            elif kind == "put in":
                content[start:start] = draw(st.binary(max_size=16))
            elif kind == "repeat":
                content[start:start] = content[start : start + length]
            else:
                del content[start:]
        return bytes(content)

    return damaged


@pytest.fixture(scope="session")
def damaged_json() -> Callable[[Any], SearchStrategy[Any]]:
    """A JSON value in which some values at any depth are replaced by odd ones, taken away, repeated or put in."""

    @st.composite
    def damaged(draw: DrawFn, whole: Any) -> Any:
        box = {"value": deepcopy(whole)}
        for _ in range(draw(st.integers(1, 3))):
            holder: Any = box
            while True:
                places = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
                if not places:
                    break
                place = draw(st.sampled_from(places))
                if isinstance(holder[place], dict | list) and holder[place] and draw(st.integers(0, 5)):
                    holder = holder[place]
                    continue
                kind = draw(st.sampled_from(["odd", "odd", "odd", "gone", "another", "swap"]))
                if kind == "odd" or holder is box:
                    holder[place] = deepcopy(draw(st.sampled_from(ODD)))
                elif kind == "gone":
                    del holder[place]
                elif kind == "swap":
                    holder[place] = deepcopy(holder[draw(st.sampled_from(places))])
                elif isinstance(holder, dict):
                    holder[draw(st.sampled_from(["x", "", "version", "config"]))] = deepcopy(draw(st.sampled_from(ODD)))
                else:
                    holder.insert(place, deepcopy(holder[place]))
                break
        return box["value"]

    return damaged
