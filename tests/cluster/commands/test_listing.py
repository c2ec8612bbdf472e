from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster.commands.listing import tasks
from trainables import get_task, task_names


def test_check_lists_every_file_with_state_size_licence_and_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ninapro").mkdir()
    (tmp_path / "ninapro" / "ninapro_val.npy").write_bytes(bytes(4_400_000))
    (tmp_path / "ninapro_test.npy").write_bytes(bytes(1_000_000))
    tasks(check=True, data_dir=tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert str(tmp_path) in lines[0]

    def line(*words: str) -> str:
        (found,) = [line for line in lines if all(word in line.split() for word in words)]
        return found

    assert "present" in line("ninapro", "ninapro/ninapro_val.npy")
    assert "incomplete? 1 MB" in line("ninapro", "ninapro/ninapro_test.npy")
    assert "missing" in line("ninapro", "ninapro/ninapro_train.npy")
    spherical = line("spherical", "spherical/s2_cifar100.gz")
    assert all(part in spherical for part in ("missing", "272 MB", "CC BY-SA", "https://"))
    assert "pip install --no-deps" in line("watch", "seglearn/data/watch_dataset.npy")
    assert any(line.startswith("digits ") and "ready" in line for line in lines)
    for name in built_in():
        assert sum(line.startswith(f"{name} ") for line in lines) == max(1, len(get_task(name).files))


def built_in() -> list[str]:
    return [name for name in task_names() if not name.startswith("tiny")]  # other tests register such


def test_the_page_on_tasks_has_them_all() -> None:
    page = (Path(__file__).parents[3] / "docs" / "tasks.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for name in built_in():
        row = next(row for row in rows if row.startswith(f"| `{name}` |"))
        task = get_task(name)
        sizes = re.search(r"([\d,]+/[\d,]+/[\d,]+)", task.description)
        assert sizes
        assert sizes[1].replace("/", " / ") in row
