"""Items of work: a result is kept, and taken again only for what it is a result of."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cluster.work import running
from cluster.work.items import Results, Store, WorkItem
from cluster.work.running import compute_missing, compute_once, read_all, run_missing
from mpnas_ray.errors import RunError


def counted(folder: Path, name: str, value: float) -> dict[str, Any]:
    """Say the value, and leave a mark of every call."""
    if value < 0:
        raise ValueError(f"{value:g} is below 0")
    with (folder / f"{name}.calls").open("a") as calls:
        calls.write(".")
    return {"value": value, "more": [None, "ä"]}


def item_of(folder: Path, name: str, value: float = 1.0) -> WorkItem:
    return WorkItem(name, {"value": value, "of": (1, 2)}, partial(counted, folder, name, value))


def calls_of(folder: Path, name: str) -> int:
    return len((folder / f"{name}.calls").read_text())


def test_a_result_is_that_of_its_item_alone(tmp_path: Path) -> None:
    store, item = Store(tmp_path / "work"), item_of(tmp_path, "some")
    assert store.read(item) is None
    store.write(item, item.compute())
    assert store.read(item) == {"value": 1.0, "more": [None, "ä"]}
    assert store.read(replace(item, identity={**item.identity, "value": 2.0})) is None
    assert store.read(replace(item, name="other")) is None
    assert store.read(replace(item, identity={"of": [1, 2], "value": 1})) is not None, "as JSON has it"


def test_a_damaged_file_is_no_result(tmp_path: Path) -> None:
    store, item = Store(tmp_path), item_of(tmp_path, "some")
    store.write(item, item.compute())
    file = store.path(item)
    whole = file.read_text()
    for damaged in (
        whole[:-30],
        "[]",
        "{}",
        "",
        "\x00",
        whole.replace('"format": 1', '"format": 0'),
        whole.replace('"value": 1.0, "more"', '"value": 2.0, "more"'),
        re.sub(r'"more": \[null, ', '"more": [', whole),
    ):
        assert damaged != whole
        file.write_text(damaged)
        assert store.read(item) is None
    file.write_text(whole)
    assert store.read(item) is not None


def test_what_json_cannot_hold_is_no_result(tmp_path: Path) -> None:
    store, item = Store(tmp_path), item_of(tmp_path, "some")
    with pytest.raises(ValueError, match="JSON"):
        store.write(item, {"value": float("nan")})
    assert store.read(item) is None


def test_only_what_is_missing_is_computed(tmp_path: Path, computed_here: list[str]) -> None:
    store, items = Store(tmp_path), [item_of(tmp_path, name) for name in ("a", "b/c", "d")]
    (tmp_path / "b").mkdir()
    store.write(items[1], {"value": 7})
    found = run_missing(items, store)
    assert computed_here == ["a", "d"]
    assert list(found) == ["a", "b/c", "d"]
    assert found["b/c"] == {"value": 7}
    run_missing(items, store)
    assert computed_here == ["a", "d"]


def test_failures_are_named_in_one_closing_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(items: list[WorkItem], store: Results, *, gpus: float = 0.0) -> dict[str, str]:
        return {items[0].name: "it is broken"}

    monkeypatch.setattr(running, "compute_on_ray", failing)
    with pytest.raises(RunError, match=r"1 units of work failed; .* same command .* again:\n  a: it is broken$"):
        run_missing([item_of(tmp_path, "a")], Store(tmp_path))


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a is done, but its file is not in .*: all nodes must reach that folder"):
        read_all([item_of(tmp_path, "a")], Store(tmp_path))


@pytest.mark.ray
def test_one_that_fails_on_ray_stops_no_other(ray_cluster: None, tmp_path: Path) -> None:
    store, broken = Store(tmp_path / "work"), item_of(tmp_path, "b", -1.0)
    elsewhere = WorkItem("c", {}, partial(json.loads, '{"value": 2}'), without_ray=True)
    items = [item_of(tmp_path, "a"), broken, elsewhere]
    with ExitStack() as session:
        failures = compute_missing(items, store, session=session)
        again = compute_missing(items, store, session=session)
    for found in (failures, again):
        assert list(found) == ["b"]
        assert "-1 is below 0" in found["b"]
    assert calls_of(tmp_path, "a") == 1, "what is there is not computed again"
    assert read_all([items[0], elsewhere], store) == {"a": {"value": 1.0, "more": [None, "ä"]}, "c": {"value": 2}}


def test_one_item_is_computed_once_in_this_process(tmp_path: Path) -> None:
    store, item = Store(tmp_path / "work"), item_of(tmp_path, "a", 3.0)
    assert compute_once(item, store) == compute_once(item, store) == {"value": 3.0, "more": [None, "ä"]}
    assert calls_of(tmp_path, "a") == 1
