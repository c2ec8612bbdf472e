from __future__ import annotations

from pathlib import Path

import pytest

from cluster.run_folder import RunFolder
from mpnas_ray.errors import RunError


def test_files_are_read_as_written_and_replaced_whole(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path / "runs"), "one")
    assert folder.is_empty()
    assert folder.read("a.json") is None
    folder.write("a.json", '{"x": 1}')
    folder.write("a.json", '{"x": 2}')
    assert folder.read_json("a.json") == {"x": 2}
    assert [path.name for path in (tmp_path / "runs" / "one").iterdir()] == ["a.json"]
    assert not folder.is_empty()
    assert RunFolder(f"file://{tmp_path}/runs", "one").read_json("a.json") == {"x": 2}, "a URI means the same place"


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "one")
    folder.write("a.json", "{")
    with pytest.raises(RunError, match="damaged"):
        folder.read_json("a.json")
    folder.write("a.json", "[]")
    with pytest.raises(RunError, match="does not hold"):
        folder.read_json("a.json")


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_names_that_are_no_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="name of a run"):
        RunFolder(str(tmp_path), name)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        RunFolder(str(tmp_path / "file"), "one")


def test_folders_are_copied(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "card.json").write_text("{}")
    RunFolder(str(tmp_path / "runs"), "one").upload(tmp_path / "best", "best")
    assert (tmp_path / "runs" / "one" / "best" / "card.json").read_text() == "{}"


def test_all_files_are_listed_and_can_be_renamed(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path / "runs"), "one")
    folder.write("a.json", "{}")
    folder.write_bytes("b.bin", b"\x00\xff")
    (tmp_path / "runs" / "one" / "trial" / "checkpoint_000000").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "trial" / "checkpoint_000000" / "weights").write_bytes(b"12345")
    assert folder.files() == {"a.json": 2, "b.bin": 2, "trial/checkpoint_000000/weights": 5}
    assert folder.read_bytes("b.bin") == b"\x00\xff"
    assert folder.read_bytes("c.bin") is None
    folder.rename("a.json", "b.bin")
    assert folder.read("b.bin") == "{}"
    assert folder.read("a.json") is None


def test_the_folder_of_a_run_is_found_and_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunFolder(str(tmp_path / "runs"), "one").write("run.json", "{}")
    monkeypatch.chdir(tmp_path)
    for place in ("runs/one", "runs/one/", tmp_path / "runs" / "one", f"file://{tmp_path}/runs/one"):
        assert RunFolder.of_run(place).read("run.json") == "{}"
    for place in ("runs/two", "runs", f"file://{tmp_path}/runs/two", "nothing://one/two"):
        with pytest.raises(RunError, match=r"holds no run|cannot be read"):
            RunFolder.of_run(place)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["one"]
