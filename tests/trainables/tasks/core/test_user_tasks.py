"""Tasks of users: found by module or file, and one line with file and line number where they fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from mpnas_ray.errors import TaskError, UserCodeError
from trainables import Split, Task, TaskData, accuracy, cross_entropy, get_task
from trainables.tasks.core.subset import with_fewer_samples
from trainables.tasks.core.task import task_reference
from trainables.user_code import failure_in_text

GOOD = """
import torch
from trainables import Split, Task, TaskData, accuracy, cross_entropy

def load(data_dir):
    return TaskData(*(Split(torch.randn(9, 1, 4, 4), torch.arange(9) % 3) for _ in range(3)))

TASK = Task("mine", load, 3, cross_entropy, accuracy)
NUMBER = 5
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    before = set(sys.modules)
    yield tmp_path  # type: ignore[misc]
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("name", ["my_task:TASK", "my_task.py:TASK", "./my_task.py:TASK", "HERE/my_task.py:TASK"])
def test_a_module_or_its_file_names_a_task(here: Path, name: str) -> None:
    (here / "my_task.py").write_text(GOOD)
    name = name.replace("HERE", str(here))
    task = get_task(name)
    assert task.name == "mine"
    assert task_reference(name) == "my_task:TASK"
    assert task.load.__module__ == "my_task", "so that a worker can import it"


@pytest.mark.parametrize(
    "name", ["mytasks/waves:TASK", "mytasks/waves.py:TASK", "./mytasks/waves.py:TASK", "mytasks.waves:TASK"]
)
def test_a_file_in_a_folder_is_a_module_of_a_package(here: Path, name: str) -> None:
    (here / "mytasks").mkdir()
    (here / "mytasks" / "waves.py").write_text(GOOD)
    assert get_task(name).load.__module__ == "mytasks.waves"
    assert task_reference(name) == "mytasks.waves:TASK"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bad:TASK", "x = 1\ndef (:\n", "HERE/bad.py:2: SyntaxError: "),
        ("bad.py:TASK", "x = 1\n  y = 2\n", "HERE/bad.py:2: IndentationError: "),
        ("bad:TASK", "\nimport not_there\n", "HERE/bad.py:2: ModuleNotFoundError: No module named 'not_there'."),
        ("bad:TASK", "from math import nothing\n", "HERE/bad.py:1: ImportError: "),
        ("bad:TASK", "\n\nraise ValueError('two\\nlines')\n", "HERE/bad.py:3: ValueError: two lines."),
        ("bad:TASK", "import json\njson.loads('{')\n", "HERE/bad.py:2: JSONDecodeError: "),
        ("bad:TASK", "import sys\nsys.exit(0)\n", "HERE/bad.py:2: SystemExit: 0."),
    ],
)
def test_a_module_that_fails(here: Path, name: str, content: str, said: str) -> None:
    (here / "bad.py").write_text(content)
    with pytest.raises(UserCodeError, match=re.escape(said.replace("HERE", str(here)))) as caught:
        get_task(name)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my_task:TSK", "there is no variable 'TSK' in HERE/my_task.py; it has TASK. Did you mean 'TASK'?"),
        ("my_task:NUMBER", "NUMBER is of type int, not a Task in HERE/my_task.py; it has TASK."),
        ("my_task:load", "load is of type function, not a Task"),
        (
            "my_tsak:TASK",
            "No module named 'my_tsak'. Modules are found in HERE and on PYTHONPATH. Did you mean 'my_",
        ),
        ("my_tsak.py:TASK", "there is no file HERE/my_tsak.py. Did you mean 'my_task.py'?"),
        ("/nowhere/x.py:TASK", "there is no file /nowhere/x.py."),
        ("json.py:TASK", "give your file another name"),
        ("../aside.py:TASK", "start mpnas in ABOVE, and write aside:TASK."),
        ("my.dotted.py:TASK", "is not a module there"),
        (":TASK", "is not module:variable"),
        ("my_task:", "is not module:variable"),
        ("my_task.py:", "is not module:variable"),
        (".my_task:TASK", "is not module:variable"),
        ("my_task", "There is no task 'my_task'."),
    ],
)
def test_what_names_no_task(here: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    inner = here / "inner"
    inner.mkdir()
    for file in ("inner/my_task.py", "inner/json.py", "inner/my.dotted.py", "aside.py"):
        (here / file).write_text(GOOD)
    monkeypatch.chdir(inner)
    with pytest.raises(
        TaskError, match=re.escape(said.replace("HERE", str(inner)).replace("ABOVE", str(here)))
    ) as caught:
        get_task(name)
    assert "\n" not in str(caught.value)


def raises(data_dir: Path | None) -> TaskData:
    raise OSError("waves.npz: no such file")


def raises_within(data_dir: Path | None) -> TaskData:
    torch.load("/nowhere/x.pt")
    raise AssertionError


def ends(data_dir: Path | None) -> TaskData:
    raise SystemExit(3)


def takes_nothing() -> TaskData:
    raise AssertionError


def line_of(function: Callable[..., Any], offset: int = 0) -> str:
    return re.escape(f"{__file__}:{function.__code__.co_firstlineno + offset}")


@dataclass(frozen=True)
class Loader:
    value: Any

    def __call__(self, data_dir: Path | None) -> Any:
        return self.value


def of(load: Any) -> Task:
    return Task("mine", load, 3, cross_entropy, accuracy)


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (raises, f"load failed at {line_of(raises, 1)}: OSError: waves.npz: no such file\\."),
        (raises_within, f"load failed at {line_of(raises_within, 1)}: FileNotFoundError: "),
        (ends, f"load failed at {line_of(ends, 1)}: SystemExit: 3\\."),
        (takes_nothing, f"load failed at {line_of(takes_nothing)}: TypeError: "),
        (partial(raises), f"load failed at {line_of(raises, 1)}: OSError: "),
    ],
)
@pytest.mark.parametrize("fewer", [False, True])
def test_a_load_that_raises(load: Any, said: str, fewer: bool) -> None:
    task = with_fewer_samples(of(load), 5) if fewer else of(load)
    with pytest.raises(UserCodeError, match=f"^Task mine: {said}") as caught:
        task.load_checked(None)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "None"),
        ((1, 2, 3), "a value of type tuple"),
        ({"train": 1}, "a value of type dict"),
        (Split(torch.zeros(1), torch.zeros(1)), "a value of type Split"),
    ],
)
@pytest.mark.parametrize("fewer", [False, True])
def test_a_load_that_returns_something_else(returned: Any, said: str, fewer: bool) -> None:
    task = of(Loader(returned))
    task = with_fewer_samples(task, 5) if fewer else task
    where = line_of(Loader.__call__)
    with pytest.raises(UserCodeError, match=rf"^Task mine: load at {where} returned {said}; it must return TaskData\("):
        task.load_checked(None)


def test_an_error_of_ours_stays_as_it_is() -> None:
    def missing(data_dir: Path | None) -> TaskData:
        raise TaskError("waves.npz is missing: get it from there.")

    with pytest.raises(TaskError, match=r"^waves\.npz is missing: get it from there\.$"):
        of(missing).load_checked(None)


def test_the_text_of_a_traceback_in_one_line() -> None:
    text = f'''ray::CellTrainable.train() (pid=1, ip=1.1.1.1)
  File "{Path(torch.__file__)}", line 5, in run
    run()
  File "/home/me/waves.py", line 12, in loss
    raise ValueError("no
  File "{Path(torch.__file__)}", line 9, in forward
    y
ValueError: no such
thing
'''
    assert failure_in_text(text) == "ValueError: no such (/home/me/waves.py:12)"
    assert failure_in_text("The actor died\nunexpectedly.") == "The actor died unexpectedly."
    assert failure_in_text("trainables.x.TaskError: at /a/b.py:3: no") == "TaskError: at /a/b.py:3: no"


@pytest.mark.long
def test_the_command_names_a_file_with_the_full_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("from helper import TASK\n")
    (tmp_path / "helper.py").write_text("\n\n1 / 0\n")
    command = [sys.executable, "-m", "cluster.cli", "search", "--task", "./bad.py:TASK"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"{tmp_path}/helper.py:3: ZeroDivisionError: division by zero. The full traceback is in " in line
    full = Path(line.rpartition(" ")[2]).read_text()
    assert f'File "{tmp_path}/bad.py", line 1' in full
    assert full.endswith("ZeroDivisionError: division by zero\n")
    assert not (tmp_path / "runs").exists()


class TestModulesNamedAsAKindOfFiles:
    """``images:TASK`` is a folder, whatever modules there are; what else may be meant is said."""

    def test_the_module_is_told_of_where_there_is_no_folder(self, here: Path) -> None:
        (here / "images.py").write_text(GOOD)
        with pytest.raises(TaskError) as refused:
            get_task("images:TASK")
        assert f"there is no {here}/TASK. For the variable TASK in {here}/images.py, write images.py:TASK." in str(
            refused.value
        )

    def test_the_file_names_the_module_for_workers_too(self, here: Path) -> None:
        (here / "images.py").write_text(GOOD)
        assert get_task("images.py:TASK").name == "mine"
        reference = task_reference("images.py:TASK")
        assert get_task(reference).name == "mine"

    def test_the_folder_is_taken_and_said_to_be(
        self, here: Path, own_data: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (here / "images.py").write_text(GOOD)
        (here / "TASK").symlink_to(own_data / "digits")
        assert get_task("images:TASK").num_outputs == 10
        get_task("images:TASK")
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith("The task images:TASK is the data in ")
        assert line.endswith("images.py, write images.py:TASK.")

    def test_paths_are_absolute_for_workers(self, here: Path) -> None:
        (here / "folder").mkdir()
        assert task_reference("images:folder") == f"images:{here / 'folder'}"
        with pytest.raises(TaskError, match="'csv:' names nothing: it is to be a CSV file, csv:FILE"):
            task_reference("csv:")
