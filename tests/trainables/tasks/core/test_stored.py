"""Samples on disk: written once and whole, read by all, made anew where they are damaged or their source changed."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from mpnas_ray.errors import TaskError
from trainables import Split, TaskData
from trainables.tasks.core.stored import kept, mapped, read_data, samples_folder, write_part


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MPNAS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "samples"


def data(seed: int = 0, groups: bool = False) -> TaskData:
    draw = torch.Generator().manual_seed(seed)

    def split(num: int) -> Split:
        of_groups = torch.arange(num) // 2 if groups else None
        return Split(torch.randn(num, 3, 4, generator=draw), torch.randint(5, (num,), generator=draw), of_groups)

    return TaskData(split(9), split(4), split(3))


def files_of(cache: Path) -> list[Path]:
    others = ("lock", "source.txt")
    return sorted(path for path in cache.rglob("*") if path.is_file() and path.name not in others)


@pytest.mark.parametrize("groups", [False, True])
def test_data_come_back_as_they_were(cache: Path, groups: bool) -> None:
    given = data(groups=groups)
    found = mapped("noise", given)
    for part in ("train", "validation", "test"):
        mine, theirs = getattr(given, part), getattr(found, part)
        assert torch.equal(mine.inputs, theirs.inputs)
        assert torch.equal(mine.targets, theirs.targets)
        assert torch.equal(mine.groups, theirs.groups) if groups else theirs.groups is None
    assert len(files_of(cache)) == (9 if groups else 6)
    assert mapped("noise", found) is found
    assert next(cache.glob("*/source.txt")).read_text() == "data noise\n"


def test_the_same_content_is_written_once_and_another_takes_its_place(cache: Path) -> None:
    first = mapped("noise", data())
    before = {file: file.stat().st_mtime_ns for file in files_of(cache)}
    mapped("noise", data())
    assert {file: file.stat().st_mtime_ns for file in files_of(cache)} == before
    other = mapped("noise", data(seed=1))
    assert len(files_of(cache)) == 6, "the old files are gone"
    assert not torch.equal(first.train.inputs, other.train.inputs)
    assert torch.equal(first.train.inputs, data().train.inputs), "who has mapped them keeps them"
    mapped("other", data())
    assert len(files_of(cache)) == 12


def test_what_is_written_into_a_tensor_stays_in_the_process() -> None:
    mapped("noise", data()).train.inputs.zero_()
    assert torch.equal(mapped("noise", data()).train.inputs, data().train.inputs)


@pytest.mark.parametrize("damage", ["cut", "gone", "empty"])
def test_damaged_files_are_made_again(cache: Path, damage: str) -> None:
    mapped("noise", data())
    file = next(file for file in files_of(cache) if file.name == "test-inputs.npy")
    content = file.read_bytes()
    file.unlink()
    if damage != "gone":
        file.write_bytes(content[:-8] if damage == "cut" else b"")
    assert torch.equal(mapped("noise", data()).test.inputs, data().test.inputs)
    assert file.read_bytes() == content


def test_of_those_that_want_them_at_once_one_writes() -> None:
    writers, together = [], threading.Barrier(4)

    def write(folder: Path) -> None:
        writers.append(folder)
        for part in ("train", "validation", "test"):
            write_part(folder, part, {"inputs": np.ones((5, 1, 2), np.float32), "targets": np.arange(5)})

    def want(number: int) -> TaskData:
        together.wait()
        return kept("five", 1, write, read_data)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(want, range(4)))
    assert len(writers) == 1
    assert all(torch.equal(each.train.targets, torch.arange(5)) for each in found)


def test_a_writer_that_fails_or_is_killed_leaves_nothing(cache: Path) -> None:
    def fail(folder: Path) -> None:
        write_part(folder, "train", {"inputs": np.ones((5, 1, 2), np.float32)})
        raise TaskError("no image")

    with pytest.raises(TaskError, match="no image"):
        kept("bad", 1, fail, read_data)
    assert files_of(cache) == []
    (home,) = cache.iterdir()
    (home / "part-of-a-killed-one").mkdir()
    kept("bad", 1, lambda folder: (folder / "fine").touch(), lambda folder: (folder / "fine").read_bytes())
    assert [file.name for file in files_of(cache)] == ["fine"]
    assert not (home / "part-of-a-killed-one").exists()


def test_a_folder_that_cannot_be_written(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file in its place")
    with pytest.raises(TaskError, match="name another folder by the environment variable MPNAS_CACHE_DIR"):
        mapped("noise", data())
    assert samples_folder() == cache


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(array: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.ascontiguousarray", full)
    with pytest.raises(TaskError, match="No space left on device"):
        kept("five", 1, lambda folder: write_part(folder, "train", {"inputs": np.ones((5, 1))}), read_data)


def test_the_folder_may_be_deleted(cache: Path) -> None:
    mapped("noise", data())
    shutil.rmtree(cache)
    assert torch.equal(mapped("noise", data()).train.inputs, data().train.inputs)
