"""Searchers and schedulers by name."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from ray.tune.schedulers import ASHAScheduler, HyperBandScheduler, MedianStoppingRule, TrialScheduler

import searchers
from searchers import ArchitectureSearcher, MPNASSearch
from searchers.registry import ALL_SEARCHERS, BY_SCORE, SEARCHERS
from searchers.schedulers.lcranknet import LCRankNetScheduler
from searchers.schedulers.registry import SCHEDULERS


@pytest.mark.parametrize("name", ALL_SEARCHERS)
def test_a_name_says_what_its_searcher_needs_and_takes(name: str) -> None:
    entry = ALL_SEARCHERS[name]
    kind = getattr(searchers, entry.class_name)
    assert issubclass(kind, ArchitectureSearcher)
    parameters = inspect.signature(kind).parameters
    given = {*entry.takes, *entry.arguments, *([entry.needs] if entry.needs else [])}
    assert given <= parameters.keys()
    required = {each for each, parameter in parameters.items() if parameter.default is inspect.Parameter.empty}
    assert required - {"space"} <= {entry.needs}
    assert entry.description


def test_runs_have_the_searchers_that_need_no_tables() -> None:
    assert ALL_SEARCHERS.keys() - SEARCHERS.keys() == {"mean-rank", "nearest-task", "quantile-transfer", "rush"}
    assert BY_SCORE == ("naswot", "area", "oneshot")


def test_a_searcher_is_made_with_the_arguments_that_its_name_stands_for() -> None:
    scratch = SEARCHERS["scratch"]("transnasbench101", "accuracy", "max", seed=0)
    assert isinstance(scratch, MPNASSearch)
    scratch.suggest("first")
    assert [event["event"] for event in scratch.events] == ["proposal"], "it ranks nothing before the first result"


def test_type_checkers_know_the_names_that_there_are() -> None:
    tree = ast.parse(Path(str(searchers.__file__)).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == set(searchers.__all__)


@pytest.mark.long
def test_names_wait_for_neither_ray_nor_torch() -> None:
    code = "import sys, searchers.registry, searchers.schedulers.registry; print({'ray', 'torch'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("asha", ASHAScheduler),
        ("hyperband", HyperBandScheduler),
        ("median", MedianStoppingRule),
        ("lcranknet", LCRankNetScheduler),
    ],
)
@pytest.mark.parametrize("epochs", [1, 27])
def test_schedulers_are_made_for_a_number_of_epochs(name: str, kind: type[TrialScheduler], epochs: int) -> None:
    assert type(SCHEDULERS[name](epochs, "digits", 0)) is kind
    assert SCHEDULERS[name].description


def test_every_scheduler_is_listed_once_by_its_name() -> None:
    assert list(SCHEDULERS) == ["asha", "hyperband", "median", "lcranknet"]
    assert [name for name, entry in SCHEDULERS.items() if entry.pauses] == ["hyperband"]
