"""Work whose optional libraries are not installed is refused in one line that names the extra, before it begins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.cli import app
from cluster.experiments.comparison.compare import compare
from cluster.experiments.comparison.config import ComparisonConfig
from cluster.experiments.comparison.presets import get_preset
from cluster.experiments.studies.registry import get_study
from cluster.experiments.studies.study import reproduce
from cluster.run.checking import check_config
from cluster.run.config import SearchConfig
from mpnas_ray.errors import MPNASError, RunError
from mpnas_ray.extras import require_extra

SEARCH = {"task": "digits", "space": "mixed", "num_samples": 1}
PYPROJECT = (Path(__file__).parents[2] / "pyproject.toml").read_text()


def test_what_is_there_is_no_error() -> None:
    require_extra("studies", "json", "numpy", to="Counting")


def test_all_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RunError) as refused:
        require_extra(
            "studies", "nowhere_at_all", "matplotlib", "json", to="It", error=RunError, otherwise="or do without"
        )
    assert str(refused.value) == "It needs nowhere_at_all, matplotlib: pip install 'mpnas-ray[studies]', or do without."


def submitted() -> None:
    result = CliRunner().invoke(app, ["submit", "--address", "http://127.0.0.1:9", "--", "tasks"])
    assert result.exception is not None
    raise result.exception


@pytest.mark.parametrize(
    ("library", "extra", "work"),
    [
        ("matplotlib", "studies", lambda here: reproduce(get_study("fig2"), here, here / "out", here / "work")),
        (
            "matplotlib",
            "studies",
            lambda here: compare(ComparisonConfig(get_preset("regret"), here, here / "out", here / "work", here / "c")),
        ),
        ("aiohttp", "cluster", lambda here: check_config(SearchConfig(**SEARCH, workers_per_trial=2))),
        ("aiohttp", "cluster", lambda here: submitted()),
    ],
    ids=["picture", "comparison", "workers", "submit"],
)
def test_nothing_begins_without(
    library: str, extra: str, work: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MPNASError, match=rf"needs {library}: pip install 'mpnas-ray\[{extra}\]'\."):
        work(tmp_path)
    assert f"\n{extra} = [" in PYPROJECT
    assert not list(tmp_path.iterdir())
