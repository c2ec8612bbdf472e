"""The whole scripts of examples/: all as they stand (most of them slow), and their functions on little data."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mpnas_ray.spaces import get_space

ROOT = Path(__file__).parents[2]

SCRIPTS = {
    "ask_and_tell": r"nasbench201:\S+ accuracy=0\.[5-9]\d*",
    "csv_regression": r"nasbench201:\S+ mae=[4-7]\d\.\d",
    "hugging_face_trainer": r"nasbenchasr:\S+ accuracy=0\.[5-9]\d*",
    "image_folder": r"nasbench201:\S+ balanced_accuracy=0\.[5-9]\d*",
    "lightning_experiment": r"nasbench201:\S+ lr=0\.\d+ accuracy=0\.[5-9]\d*",
    "own_task": r"nasbenchasr:\S+ mae=0\.[01]\d*",
    "own_training": r"nasbench201:\S+ accuracy=0\.[89]\d*",
    "table_rehearsal": r"validation_accuracy 0\.\d+ found in 20 trials; the best of 300 is 0\.9065",
    "tune_experiment": r"nasbench201:\S+ lr=0\.\d+ accuracy=0\.[89]\d*",
    "two_objectives": r"accuracy=0\.\d+ parameters=\d,\d+ nasbench201:\S+",
}
"""Script of examples/ -> its last line."""

NEEDS = {"hugging_face_trainer": ("transformers", "accelerate"), "lightning_experiment": ("lightning",)}
"""Script -> packages that only it needs."""


def skip_without_packages(script: str) -> None:
    for package in NEEDS.get(script, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"examples/{script}.py needs {package}")


def test_every_script_has_a_test() -> None:
    assert {script.stem for script in (ROOT / "examples").glob("*.py")} == SCRIPTS.keys()
    assert [script.name for script in (ROOT / "examples").glob("*.sh")] == ["cluster_job.sh"]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script(script: str, tmp_path: Path, on_ray: dict[str, str]) -> None:
    skip_without_packages(script)
    assert re.fullmatch(SCRIPTS[script], last_line(ROOT / "examples" / f"{script}.py", tmp_path, on_ray))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_the_tune_experiment_in_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other scripts' functions are called below, without Ray."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "examples" / "tune_experiment.py").read_text()
    for line, smaller in (("EPOCHS = 6", "EPOCHS = 2"), ("num_samples=6", "num_samples=3")):
        assert line in text
        text = text.replace(line, smaller)
    exec(text, {"__name__": "__main__"})
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"nasbench201:\S+ lr=0\.\d+ accuracy=0\.\d+", last)


def last_line(script: Path, folder: Path, environment: dict[str, str]) -> str:
    """Run a script, as a program of its own."""
    path = os.pathsep.join((str(ROOT / "examples"), str(ROOT), environment["PYTHONPATH"]))
    environment = {**environment, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


Load = Callable[[str], ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import a script in an empty folder; the tasks that it registers are forgotten after the test."""
    from trainables.tasks.core import task

    skip = skip_without_packages
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(task, "_TASKS", dict(task._TASKS))

    def imported(script: str) -> ModuleType:
        skip(script)
        spec = importlib.util.spec_from_file_location(f"example_{script}", ROOT / "examples" / f"{script}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return imported


def an_arch(space: str) -> str:
    return str(get_space(space).sample(np.random.default_rng(0)))


def search_here(task: Any = None, **fields: Any) -> SimpleNamespace:
    """Do what `run_search` does, with one architecture, one epoch and no Ray."""
    from cluster import SearchConfig
    from trainables import Task, get_task
    from trainables.networks import save_network
    from trainables.tune.trial import build_training, prepare_data, run_epoch, score_test, write_checkpoint

    config = SearchConfig(task=task.name if isinstance(task, Task) else task, **fields)
    found = task if isinstance(task, Task) else get_task(config.task, config.data_options)
    trial = {"arch": an_arch(config.space), "preset": config.preset, **config.recipe, "epochs": 1}
    training = build_training(trial, found, prepare_data(found, trial))
    Path("run").mkdir()
    write_checkpoint("run", training, trial, run_epoch(training, {}))
    network = score_test(trial, found, "run")
    save_network(Path("best"), network)
    test = network.card.scores[f"test_{found.metric.name}"]
    return SimpleNamespace(best_arch=trial["arch"], metric=found.metric.name, test=test, network="best")


@pytest.mark.parametrize(
    ("script", "arguments", "printed"),
    [
        ("image_folder", [120], r"digits/digit-0/0\.png is digit-\d"),
        ("csv_regression", [], r"progression of the first patient: -?\d+ predicted, 151 measured"),
        ("own_task", [], ""),
    ],
)
def test_a_search_and_its_network(
    script: str,
    arguments: list[Any],
    printed: str,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = load(script)
    monkeypatch.setattr(module, "run_search", search_here)
    module.main(*arguments)
    *before, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"nasbench\w+:\S+ [a-z_]+=\d+\.\d+", last)
    assert re.fullmatch(printed, before[-1] if before else "")


@pytest.mark.long
def test_trainings_of_ones_own(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    module = load("own_training")
    module.TASK = replace(module.TASK, recipe=replace(module.TASK.recipe, epochs=2))
    module.main(num_archs=1)
    assert re.fullmatch(r"nasbench201:\S+ accuracy=0\.\d+", capsys.readouterr().out.splitlines()[-1])
    load("ask_and_tell").main(num_archs=1)
    assert re.fullmatch(r"nasbench201:\S+ accuracy=0\.\d+", capsys.readouterr().out.splitlines()[-1])


@pytest.mark.long
def test_the_trainer_of_hugging_face(load: Load) -> None:
    module = load("hugging_face_trainer")
    assert 0 <= module.train(an_arch("nasbenchasr"), num_texts=200, epochs=1) <= 1
    training, validation = module.examples(200)
    assert len(training) == len(validation) == 100
    assert {len(example["text"]) for example in training} == {module.LENGTH}


@pytest.mark.long
def test_the_trainer_of_lightning(load: Load) -> None:
    module = load("lightning_experiment")
    assert 0 <= module.fit({"arch": an_arch("nasbench201"), "lr": 0.01}, epochs=1) <= 1


def test_the_rehearsal_knows_its_table(load: Load) -> None:
    from mpnas_ray.tables import BUNDLED_TABLE, load_tasks

    task = load("table_rehearsal").TASK
    assert len(load_tasks(BUNDLED_TABLE.parent, [task])[task]) == 300


def test_the_job_is_a_command_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search is checked as it is submitted; tests/cluster/ray/test_jobs.py runs it on a cluster."""
    from cluster.cli import main
    from cluster.ray import jobs

    *_, line = (ROOT / "examples" / "cluster_job.sh").read_text().splitlines()
    words = [{"$1": "127.0.0.1:1", "$2": str(tmp_path)}.get(word, word) for word in shlex.split(line)]
    submitted: list[Any] = []
    monkeypatch.setattr(jobs, "submit_job", lambda command, **more: submitted.append(command) or "job")
    monkeypatch.setattr(jobs, "follow_job", lambda job, **more: 0)
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    (command,) = submitted
    assert command[:3] == ["search", "--task", "own_task.py:TASK"]
