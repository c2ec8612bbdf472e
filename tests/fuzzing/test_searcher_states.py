"""States of searchers: a state that can be restored leaves a searcher that works."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from searchers import ArchitectureSearcher, LocalSearch, PredictorSearch, RandomSearch, RegularizedEvolution, TPESearch
from searchers.core.state import read_state

SPACE = "transnasbench101"
KINDS: dict[str, Callable[..., ArchitectureSearcher]] = {
    "random": RandomSearch,
    "evolution": RegularizedEvolution,
    "local": LocalSearch,
    "tpe": TPESearch,
    "predictor": partial(
        PredictorSearch, predictor=None, num_candidates=50, refit_every=3, num_random=3, synchronous=True
    ),
}


def go_on(searcher: ArchitectureSearcher, prefix: str, num_trials: int) -> None:
    for number in range(num_trials):
        config = searcher.suggest(f"{prefix}{number}")
        if not isinstance(config, dict):
            return
        searcher.on_trial_result(f"{prefix}{number}", {"score": 0.5, "training_iteration": 1})
        searcher.on_trial_complete(f"{prefix}{number}", {"score": float(number), "training_iteration": 2})


@pytest.fixture(params=KINDS)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Callable[[], ArchitectureSearcher]]:
    """A state file, and what makes a searcher to restore it into."""

    def make() -> ArchitectureSearcher:
        return KINDS[request.param](SPACE, "score", "max", seed=0)

    searcher = make()
    go_on(searcher, "before", 6)
    searcher.suggest("pending")
    searcher.save(str(tmp_path / "state"))
    return tmp_path / "state", make


def restored(path: Path, make: Callable[[], ArchitectureSearcher]) -> None:
    searcher = make()
    searcher.restore(str(path))
    # A searcher may be saved before it knows metric and mode: Tune names them then, or `suggest` asks for them.
    searcher.set_search_properties(searcher.metric or "score", searcher.mode or "max", {})
    go_on(searcher, "after", 1)
    searcher.suggest("last")
    searcher.save(str(path.with_name("again")))


State = tuple[Path, Callable[[], ArchitectureSearcher]]


@pytest.mark.long
def test_bytes(state: State, fuzz: Any, damaged_bytes: Any) -> None:
    path, make = state
    restored(path, make)

    def check(content: bytes) -> None:
        path.write_bytes(content)
        restored(path, make)

    fuzz(check, damaged_bytes(path.read_bytes()))


@pytest.mark.long
def test_plain_values(state: State, fuzz: Any, damaged_json: Any) -> None:
    path, make = state
    plain, arrays = read_state(path)

    def check(content: Any) -> None:
        text = json.dumps(content)
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, plain=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)
        restored(path, make)

    fuzz(check, damaged_json({"format": 4, **plain}))


@pytest.mark.long
def test_arrays(state: State, fuzz: Any) -> None:
    path, make = state
    with np.load(path) as archive:
        whole = {name: archive[name] for name in archive.files}
    changes: dict[str, Callable[[Any], Any]] = {
        **{f"as {kind}": lambda values, kind=kind: values.astype(kind) for kind in ("f8", "i1", "u1", "?", "S3", "c8")},
        "empty": lambda values: values[:0],
        "flat": lambda values: values.reshape(-1),
        "one": lambda values: np.asarray(values.reshape(-1)[0] if values.size else 0),
        "longer": lambda values: values[None],
        "twice": lambda values: np.concatenate([values, values]),
        "negative": lambda values: np.full_like(values, 0) - 1,
        "full": lambda values: np.full_like(values, 100),
        "half": lambda values: values[: len(values) // 2],
    }

    def check(chosen: list[tuple[str, str]]) -> None:
        arrays = dict(whole)
        for name, change in chosen:
            if change == "gone":
                arrays.pop(name, None)
            else:
                arrays[name] = changes[change](whole[name])
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        restored(path, make)

    pairs = st.tuples(st.sampled_from(sorted(whole)), st.sampled_from([*sorted(changes), "gone"]))
    fuzz(check, st.lists(pairs, min_size=1, max_size=2))
