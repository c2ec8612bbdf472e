from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError
from trainables.tune import storage_retries as patience


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


@pytest.mark.parametrize("scheme", ["fsspec+file", "fsspec+local"])
def test_what_only_fsspec_knows_is_storage_like_any_other(tmp_path: Path, scheme: str) -> None:
    folder = RunFolder(f"{scheme}://{tmp_path}/runs", "one")
    assert folder.is_empty()
    folder.write("run.json", '{"x": 1}')
    folder.write("run.json", '{"x": 2}')
    folder.write("b", "")
    folder.rename("b", "c")
    folder.delete("b")
    assert folder.files() == {"run.json": 8, "c": 0}
    assert folder.read("b") is None
    assert str(folder) == f"{scheme}://{tmp_path}/runs/one"
    assert RunFolder.of_run(str(folder)).read_json("run.json") == {"x": 2}
    assert (tmp_path / "runs" / "one" / "c").exists()
    assert not folder.is_local


@pytest.mark.parametrize("uri", ["fsspec+nothing://runs", "nothing://runs", "s3://"])
def test_storage_that_nobody_knows_is_refused_and_others_are_named(uri: str) -> None:
    with pytest.raises(RunError, match=r"cannot be written.*--storage.*fsspec\+<protocol>://"):
        RunFolder(uri, "one")


def test_options_of_a_uri_stay_at_its_end(tmp_path: Path) -> None:
    folder = RunFolder(f"file://{tmp_path}/runs?region=eu&x=1", "one")
    folder.write("run.json", "{}")
    assert (tmp_path / "runs" / "one" / "run.json").exists()
    assert str(folder) == f"file://{tmp_path}/runs/one?region=eu&x=1"
    assert folder.place_of("trial/checkpoint") == f"file://{tmp_path}/runs/one/trial/checkpoint?region=eu&x=1"
    for place in (str(folder), f"file://{tmp_path}/runs/one/?region=eu&x=1"):
        again = RunFolder.of_run(place)
        assert (again.storage, again.name) == (folder.storage, "one")
    (tmp_path / "best").mkdir()
    assert folder.upload(tmp_path / "best", "best") == folder.place_of("best")
    assert (tmp_path / "runs" / "one" / "best").is_dir()


def test_a_question_mark_in_a_folders_name_begins_no_options(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path / "what?" / "runs"), "one")
    folder.write("run.json", "{}")
    assert str(folder) == str(tmp_path / "what?" / "runs" / "one")
    assert RunFolder.of_run(str(folder)).read("run.json") == "{}"


def test_storage_that_is_away_for_a_while_is_waited_for(storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE", 0.05)
    folder = RunFolder(storage.uri, "one")
    folder.write("a", "1")
    storage.go_away()  # what is asked for lies under a file: an error that is not "not found"
    with pytest.raises(OSError, match=r".") as caught:
        folder.impatient().write("a", "2")
    assert not isinstance(caught.value, FileNotFoundError)
    back = threading.Timer(0.2, storage.come_back)
    back.start()
    folder.write("a", "3")
    back.join()
    assert folder.read("a") == "3"
    storage.go_away()
    back = threading.Timer(0.2, storage.come_back)
    back.start()
    assert folder.read("a") == "3"
    back.join()


def test_a_place_that_cannot_be_written_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    (tmp_path / "file").touch()
    with pytest.raises(RunError):
        RunFolder(str(tmp_path / "file"), "one")
    assert not pauses
