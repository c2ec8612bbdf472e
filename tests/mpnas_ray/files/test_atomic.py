from __future__ import annotations

from pathlib import Path

import pytest

from mpnas_ray.files.atomic import atomic_path, write_atomic


def test_text_and_bytes_replace_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "file.json"
    write_atomic(file, "ä\n")
    assert file.read_bytes() == "ä\n".encode()
    write_atomic(file, b"\x00")
    assert file.read_bytes() == b"\x00"
    assert list(file.parent.iterdir()) == [file]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_atomic(file, "old")

    def interrupted() -> None:
        with atomic_path(file) as part:
            part.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_two_writers_of_a_file_do_each_other_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with atomic_path(file) as one, atomic_path(file) as other:
        one.write_text("one")
        other.write_text("other")
    assert file.read_text() == "one", "the last to finish"
