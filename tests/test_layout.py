"""The house rules that no single module can keep: imports run downward, and light packages stay light."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "mpnas_ray": {"mpnas_ray"},
    "searchers": {"mpnas_ray", "searchers"},
    "trainables": {"mpnas_ray", "trainables"},
    "cluster": {"mpnas_ray", "searchers", "trainables", "cluster"},
}
"""Floor -> the floors that it may import."""

ROOMS = {
    "mpnas_ray": """
        errors version extras ray_versions names checks metric_values optimizers own_packages files stats spaces graphs
        tables predictors meta_learning pretrained curves explaining catalogue
    """,
    "searchers": "core background model_based baselines zero_cost schedulers registry testing",
    "trainables": """
        user_code data_options recipe_options tasks.formats tasks.core tasks.datasets tasks.sources tasks networks
        training oneshot proxies tune
    """,
    "cluster": """
        durations tracebacks pages storage ray work observe report run artifacts experiments.protocol
        experiments.replay
        experiments.comparison experiments.fronts experiments.studies commands cli
    """,
}
"""Floor -> its rooms from the bottom up: a room may import those before it, never those after it."""


def our_modules() -> dict[str, Path]:
    found = {}
    for floor in MAY_IMPORT:
        for path in (ROOT / floor).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = our_modules()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Whatever a module imports at any time, but for what only type checkers read: modules, not names in them."""
    return frozenset(_imports(parsed(path)))


def _imports(tree: ast.Module) -> Iterator[str]:
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module
        pending += ast.iter_child_nodes(node)


def room_of(module: str) -> int | None:
    """Number of the room that a module is in, or is: the longest that fits; None for the floor's own package."""
    floor, _, inner = module.partition(".")
    rooms = ROOMS[floor].split()
    fitting = [room for room in rooms if f"{inner}.".startswith(f"{room}.")]
    return rooms.index(max(fitting, key=len)) if fitting else None


@pytest.mark.parametrize("floor", MAY_IMPORT)
def test_floors_import_downward(floor: str) -> None:
    for module, path in MODULES.items():
        if module.partition(".")[0] == floor:
            outer = {name.partition(".")[0] for name in imports_of(path)}
            assert outer & MAY_IMPORT.keys() <= MAY_IMPORT[floor], f"{path} imports upward"
            assert floor != "mpnas_ray" or "ray" not in outer, f"{path} imports Ray"


def test_rooms_import_downward() -> None:
    for module, path in MODULES.items():
        own = room_of(module)
        if (
            own is None
        ):  # a floor's own package, which names what is public, or that of rooms with an order of their own
            assert path.name == "__init__.py", f"{path} is in no room"
            continue
        for name in imports_of(path):
            if name in MODULES and name.partition(".")[0] == module.partition(".")[0]:
                other = room_of(name)
                assert other is not None, f"{path} imports {name}, which stands above its room"
                assert other <= own, f"{path} imports {name}, of a room further up"


def test_no_modules_import_each_other() -> None:
    """Nor by way of others, whether at the top or later."""
    graph = {
        module: {name for name in imports_of(path) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_folder_is_a_package() -> None:
    """A wheel would leave out the others."""
    for path in MODULES.values():
        for folder in path.relative_to(ROOT).parents[:-1]:
            assert (ROOT / folder / "__init__.py").exists(), f"{folder} has no __init__.py"


MOST_PARAMETERS = 8


def functions(node: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """All functions below a node, by their names with those of what they are inside of."""
    for child in ast.iter_child_nodes(node):
        name = f"{inside}{getattr(child, 'name', '')}"
        if isinstance(child, ast.FunctionDef):
            yield name, child
        is_named = isinstance(child, ast.FunctionDef | ast.ClassDef)
        yield from functions(child, f"{name}." if is_named else inside)


def test_no_function_but_a_constructor_takes_more_than_eight_parameters() -> None:
    """More values are the fields of a frozen dataclass, of which `takes_options` makes a command."""
    taken = {}
    for module, path in MODULES.items():
        for name, function in functions(parsed(path)):
            parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            names = [parameter.arg for parameter in parameters if parameter.arg not in ("self", "cls")]
            if function.name != "__init__":
                taken[f"{module}.{name}"] = len(names)
    assert {name: number for name, number in taken.items() if number > MOST_PARAMETERS} == {}


def run_python(code: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_method_imports_neither_ray_nor_dgl_nor_torch_at_the_top(tmp_path: Path) -> None:
    code = "import sys, mpnas_ray; {}; print([m for m in ('ray', 'dgl', 'torch', 'pyarrow') if m in sys.modules])"
    assert run_python(code.format("mpnas_ray.__version__"), tmp_path).strip() == "[]"
    assert run_python(code.format("mpnas_ray.get_space"), tmp_path).strip() == "[]"


NEEDLESS = {
    "cluster.cli": ["ray", "torch", "pandas", "scipy"],
    "cluster.storage.run_folder, cluster.storage.shared_storage": ["torch", "ray.tune"],
    "mpnas_ray.predictors": ["ray", "dgl"],
    "searchers.background, searchers.model_based.ranking.by_predictor": ["ray.tune", "optuna"],
    "trainables.tune.trial": ["ray.tune", "ray.train"],  # the test score
    "cluster.run.start": ["ray.tune", "scipy", "optuna", "pandas", "sklearn"],  # a search up to Ray's start
    "trainables.tune.cell": ["ray.train.torch", "sklearn", "scipy", "dgl"],  # a trial of one worker
}
"""Modules that processes of a run import -> what they do without: each import is paid for in every process."""

IMPORTED = """
import json, os, sys
left = list(json.load(sys.stdin).items())
while left:
    for name in ("torch", "ray"):
        if not any(name in needless for _, needless in left):
            __import__(name)
    modules, needless = left.pop(0)
    if os.fork() == 0:
        exec(f"import {modules}")
        print(json.dumps([modules, [name for name in needless if name in sys.modules]]), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, modules
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """Import each of those in a copy of one process, which imports torch and Ray when all that are left may."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], input=json.dumps(NEEDLESS), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.long
@pytest.mark.parametrize("modules", NEEDLESS)
def test_processes_import_only_what_they_need(modules: str, imported: dict[str, list[str]]) -> None:
    assert imported[modules] == []


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
    names: dict[str, object] = {}
    exec("from cluster import *", names)
    assert names["run_search"] is cluster.run_search
