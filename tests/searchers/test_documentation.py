"""Every searcher's help documents all arguments that it takes, and its example runs."""

from __future__ import annotations

import doctest
import inspect
import pydoc
from importlib import import_module
from typing import Any

import pytest

import searchers
from searchers import ArchitectureSearcher, RandomSearch

CLASSES = [getattr(searchers, name) for name in searchers.__all__]
every_class = pytest.mark.parametrize("kind", CLASSES)


def documented(kind: type) -> list[str]:
    """Names of the arguments in a docstring, in their order."""
    lines = (inspect.getdoc(kind) or "").partition("\nArgs:\n")[2].split("\n\n")[0].split("\n")
    return [line.strip().partition(":")[0] for line in lines if line.startswith("    ") and line[4] != " "]


@every_class
def test_all_arguments_are_documented_in_their_order(kind: type[ArchitectureSearcher]) -> None:
    assert documented(kind) == list(inspect.signature(kind).parameters)


@every_class
def test_help_shows_the_words_of_the_base(kind: type[ArchitectureSearcher]) -> None:
    shown = pydoc.plain(pydoc.render_doc(kind))
    assert "Architectures to begin with, as strings or as configs" in shown
    assert "**shared" not in shown.partition("Method resolution order")[0]


def test_an_argument_is_said_once_and_by_the_class_that_gives_it_a_meaning_of_its_own() -> None:
    from searchers import GaussianProcessSearch, MPNASSearch, PredictorSearch

    assert "(MP-NAS: 4)" in str(inspect.getdoc(MPNASSearch))
    assert "(MP-NAS: 4)" not in str(inspect.getdoc(PredictorSearch))
    assert "makes sequential runs reproducible" in str(inspect.getdoc(GaussianProcessSearch))
    for kind in CLASSES:
        assert len(documented(kind)) == len(set(documented(kind)))


def test_a_searcher_of_a_users_own_is_documented_too() -> None:
    class Mine(RandomSearch):
        """Searches in a way of its own."""

    class Bare(RandomSearch):
        pass

    assert documented(Mine) == documented(RandomSearch)
    assert str(inspect.getdoc(Mine)).startswith("Searches in a way of its own.\n\nArgs:\n    space:")
    assert inspect.getdoc(Bare) == inspect.getdoc(RandomSearch)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.long) if kind.__name__ == "QuantileTransferSearch" else kind
        for kind in CLASSES
        if kind is not ArchitectureSearcher
    ],
)
def test_the_example_runs(kind: Any) -> None:
    module = import_module(kind.__module__)
    (found,) = doctest.DocTestFinder(recurse=False).find(kind, kind.__name__, module=module, globs={})
    assert found.examples, "each searcher has an example"
    failed, _ = doctest.DocTestRunner().run(found)
    assert not failed
