"""The command line: its help, its lists, and one clear line for everything that cannot be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
from typer.testing import CliRunner

import mpnas_ray
from cluster.artifacts.exporting import FORMATS
from cluster.artifacts.meta_training import ALGORITHMS
from cluster.cli import app, main
from cluster.commands.names import SEARCH_NAMES, remembered
from cluster.commands.options import completes, field_texts
from cluster.experiments.comparison.methods import METHODS
from cluster.experiments.comparison.presets import PRESETS
from cluster.experiments.studies.registry import STUDIES
from cluster.run.config import GROUPS, SearchConfig
from mpnas_ray.spaces import SPACE_NAMES
from mpnas_ray.tables import Kind
from searchers.registry import SEARCHERS
from searchers.schedulers.registry import SCHEDULERS
from trainables import task_names
from trainables.networks.baselines import baseline_names
from trainables.proxies import proxy_names

COMMAND = [sys.executable, "-m", "cluster.cli"]
TINY = ["--task", "digits", "--space", "nasbench201", "--num-samples", "2", "--epochs", "1"]


MPNAS = Callable[..., subprocess.CompletedProcess[str]]


def mpnas_alone(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def mpnas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> MPNAS:
    """Run the command in this process, which has imported everything already."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["mpnas", *arguments])
        with pytest.raises(SystemExit) as ended:  # any other exception would be a traceback
            main()
        return subprocess.CompletedProcess(arguments, ended.value.code or 0, *capsys.readouterr())  # type: ignore[arg-type]

    return run


@pytest.mark.long
def test_help_is_complete(mpnas: MPNAS, tmp_path: Path) -> None:
    top = mpnas_alone("--help", cwd=tmp_path)
    assert top.returncode == 0
    assert all(command in top.stdout for command in ("search", "tasks", "spaces", "tables"))
    options = mpnas("search", "--help").stdout
    for option in (
        "--task",
        "--space",
        "--num-samples",
        "--epochs",
        "--preset",
        "--searcher",
        "--max-concurrent",
        "--gpus-per-trial",
        "--workers-per-trial",
        "--predictor",
        "--storage",
        "--name",
        "--seed",
        "--data-dir",
    ):
        assert option in options


def test_version_and_short_help(mpnas: MPNAS) -> None:
    assert mpnas("--version").stdout.split() == ["mpnas-ray", mpnas_ray.__version__]
    assert mpnas("search", "-h").stdout == mpnas("search", "--help").stdout


def test_the_help_of_a_search_is_the_text_of_its_fields(mpnas: MPNAS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    shown = " ".join(mpnas("search", "--help").stdout.replace("│", " ").split())
    for text in field_texts(SearchConfig).values():
        assert text in shown
    assert all(title in shown for title in GROUPS)
    assert f"One of: {', '.join(SEARCHERS)}." in shown
    assert f"One of: {', '.join(SCHEDULERS)}." in shown


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("search", SEARCHERS),
        ("search", SCHEDULERS),
        ("search", task_names()),
        ("train", baseline_names()),
        ("score", proxy_names()),
        ("tables build", SPACE_NAMES),
        ("compare", METHODS),
        ("compare", PRESETS),
        ("reproduce", STUDIES),
        ("meta-train", ALGORITHMS),
        ("predict", get_args(Kind)),
        ("export", FORMATS),
    ],
)
def test_help_lists_the_names_of_the_registries(
    mpnas: MPNAS, monkeypatch: pytest.MonkeyPatch, command: str, names: Iterable[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    shown = " ".join(mpnas(*command.split(), "--help").stdout.replace("│", " ").split())
    separator = "; " if command == "compare" and names is METHODS else ", "  # names such as "mpnas, far"
    end = "" if command == "search" and "digits" in names else "."  # tasks that other tests register come after ours
    assert f"One of: {separator.join(names)}{end}" in shown


def test_options_make_the_config_that_python_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[SearchConfig] = []
    monkeypatch.setattr("cluster.run.start.run_search", given.append)
    arguments = ["search", *TINY, "--resource", "slots=2", "--autoscaling", "--max-params", "7", "--data-dir", "data"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    few = {"task": "digits", "space": "nasbench201", "num_samples": 2, "epochs": 1, "data_dir": Path("data")}
    assert given == [SearchConfig(**few, resources_per_trial={"slots": 2}, autoscaling=True, max_params=7)]  # type: ignore[arg-type]


def test_widths_and_depths_are_read_with_commas_between(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[SearchConfig] = []
    monkeypatch.setattr("cluster.run.start.run_search", given.append)
    arguments = ["search", "--space", "mixed-macro", "--widths", "32,8", "--depths", "1", "--depths", "2,3"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert given == [SearchConfig(space="mixed-macro", widths=(8, 32), depths=(1, 2, 3))]


@pytest.mark.long
def test_names_are_completed_from_their_registries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert completes(SEARCH_NAMES["searcher"])("mp") == ["mpnas"]
    assert completes(SEARCH_NAMES["task"])("darc") == [name for name in task_names() if name.startswith("darc")]
    assert completes(SEARCH_NAMES["proxy"])("nas") == ["naswot"]
    code = """
import sys
from cluster.commands.names import SEARCH_NAMES
from cluster.commands.options import completes
print(completes(SEARCH_NAMES["proxy"])("nas"), [name for name in ("torch", "ray") if name in sys.modules])
"""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "['naswot'] []", "remembered: nothing heavy is imported"


def test_what_a_process_registers_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    registry = SimpleNamespace(names=["darcy"])
    monkeypatch.setitem(sys.modules, "registry_with_mine", registry)
    names = remembered("registry_with_mine", lambda module: module.names, "cluster/commands")
    assert names() == ["darcy"]
    registry.names.append("mine")
    assert names() == ["darcy", "mine"]
    assert not list(tmp_path.rglob("*.json"))


def test_lists(mpnas: MPNAS) -> None:
    tasks = mpnas("tasks").stdout
    assert "darcy" in tasks
    assert "accuracy" in tasks
    spaces = mpnas("spaces").stdout
    for number in ("15,625", "5,425", "13,824", "8,865", "4,096", "1,293,208", "796,556,817", "2.35 billion"):
        assert number in spaces


@pytest.mark.data
def test_tables_are_listed_and_checked(mpnas: MPNAS, tables_folder: Path, tmp_path: Path) -> None:
    listed = mpnas("tables", "list", str(tables_folder))
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == 1 + 15
    assert "94.373 %" in listed.stdout
    (tmp_path / "transnasbench101_micro.parquet").write_bytes(
        (tables_folder / "transnasbench101_micro.parquet").read_bytes()[:-1000]
    )
    checked = mpnas("tables", "check", str(tmp_path))
    assert checked.returncode == 1
    assert checked.stdout.startswith("transnasbench101_micro.parquet: not readable, ")
    empty = mpnas("tables", "list", str(tmp_path / "nowhere"))
    assert empty.returncode == 1
    assert empty.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--task", "darsy"], "There is no task 'darsy'. There are: cifar100, darcy, "),
        (["--space", "nasbench"], "There is no search space 'nasbench'"),
        (["--searcher", "best"], "There is no searcher 'best'. There are: mpnas, scratch"),
        (["--searcher", "random", "--predictor", "mine"], "The searcher random uses no meta-learned predictor"),
        (["--workers-per-trial", "2", "--scheduler", "hyperband"], "hyperband pauses trials"),
        (["--num-samples", "0"], "at least 1, not 0"),
        (["--num-samples", "-1"], "at least 1, not -1"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--max-concurrent", "0"], "max_concurrent must be at least 1"),
        (["--gpus-per-trial", "1.5"], "whole number of GPUs"),
        (["--name", "a/b"], "cannot be the name of a run"),
        (["--preset", "huge"], "'huge'"),
    ],
)
def test_what_cannot_be_is_one_line(mpnas: MPNAS, tmp_path: Path, arguments: list[str], named: str) -> None:
    ended = mpnas("search", *TINY, *arguments)
    assert ended.returncode not in (0, 130)
    assert named in " ".join(ended.stderr.replace("│", " ").split())
    assert not (tmp_path / "runs").exists(), "nothing was begun"


def test_storage_that_cannot_be_written_is_one_line(mpnas: MPNAS, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = mpnas("search", *TINY, "--storage", str(tmp_path / "file" / "runs"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_more_gpus_than_there_are_is_said_at_once(mpnas: MPNAS) -> None:
    done = mpnas("search", *TINY, "--gpus-per-trial", "8")
    assert done.returncode == 1
    assert "A trial needs 1 CPU, 8 GPU on one node; the most that a node of this cluster has is" in done.stderr
    assert "Traceback" not in done.stderr
