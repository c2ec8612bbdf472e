"""The house rules that no single module can keep: imports run downward, and light packages stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "mpnas_ray": {"mpnas_ray"},
    "searchers": {"mpnas_ray", "searchers"},
    "trainables": {"mpnas_ray", "trainables"},
    "cluster": {"mpnas_ray", "searchers", "trainables", "cluster"},
}


def imported_packages(source: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_downward(package: str) -> None:
    for source in (ROOT / package).rglob("*.py"):
        ours = imported_packages(source) & MAY_IMPORT.keys()
        assert ours <= MAY_IMPORT[package], f"{source} imports {ours - MAY_IMPORT[package]}"
        if package == "mpnas_ray":
            assert "ray" not in imported_packages(source), f"{source} imports Ray"


def run_python(code: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_method_imports_neither_ray_nor_dgl_nor_torch_at_the_top(tmp_path: Path) -> None:
    code = "import sys, mpnas_ray; print([m for m in ('ray', 'dgl', 'torch') if m in sys.modules])"
    assert run_python(code, tmp_path).strip() == "[]"


@pytest.mark.long
def test_predictors_import_no_dgl(tmp_path: Path) -> None:
    code = "import sys, mpnas_ray.predictors; print([m for m in ('ray', 'dgl') if m in sys.modules])"
    assert run_python(code, tmp_path).strip() == "[]"


@pytest.mark.long
def test_help_waits_for_neither_torch_nor_ray(tmp_path: Path) -> None:
    code = "import sys, cluster.cli; print([m for m in ('ray', 'torch', 'pandas', 'scipy') if m in sys.modules])"
    assert run_python(code, tmp_path).strip() == "[]"
    assert run_python("from cluster import *; print(run_search.__module__)", tmp_path).strip() == "cluster.search"


@pytest.mark.long
def test_a_trials_process_imports_no_library_that_few_tasks_need(tmp_path: Path) -> None:
    code = "import sys, trainables.cell; print([m for m in ('sklearn', 'scipy', 'dgl') if m in sys.modules])"
    assert run_python(code, tmp_path).strip() == "[]"


@pytest.mark.long
@pytest.mark.parametrize(
    ("modules", "needless"),
    [
        pytest.param("cluster.run_folder, cluster.shared_storage", ["torch", "ray.tune"], id="storage"),
        pytest.param("searchers.refitting, searchers.ranking", ["ray.tune", "optuna"], id="rankings"),
        pytest.param("trainables.trial", ["ray.tune", "ray.train"], id="the test score"),
        pytest.param("trainables.cell", ["ray.train.torch"], id="a trial of one worker"),
    ],
)
def test_processes_of_a_run_import_only_what_they_need(modules: str, needless: list[str], tmp_path: Path) -> None:
    """Each import is paid for once in every process that Ray starts, on two cores with seconds."""
    code = f"import sys, {modules}; print([m for m in {needless} if m in sys.modules])"
    assert run_python(code, tmp_path).strip() == "[]"


@pytest.mark.long
def test_searchers_work_beside_a_users_own_trainables_and_cluster(tmp_path: Path) -> None:
    for name in ("trainables", "cluster"):
        (tmp_path / f"{name}.py").write_text("mine = True\n", encoding="utf-8")
    code = """
import trainables, cluster
assert trainables.mine and cluster.mine
from searchers import MPNASSearch
searcher = MPNASSearch("nasbench201", "score", "max", seed=0)
for number in range(6):
    config = searcher.suggest(str(number))
    searcher.on_trial_complete(str(number), result={"score": float(number)})
print(config["arch"].partition(":")[0], searcher.num_refits, searcher.num_failures)
"""
    assert run_python(code, tmp_path).split() == ["nasbench201", "1", "0"]


def test_every_public_name_is_there() -> None:
    import cluster
    import mpnas_ray
    import mpnas_ray.predictors
    import mpnas_ray.spaces
    import searchers
    import trainables

    for package in (mpnas_ray, mpnas_ray.spaces, mpnas_ray.predictors, searchers, trainables, cluster):
        for name in package.__all__:
            assert hasattr(package, name), f"{package.__name__}.{name}"
