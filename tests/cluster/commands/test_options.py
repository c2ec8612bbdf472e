"""Commands made from dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import typer
from typer.testing import CliRunner

from cluster.commands.options import Command, takes_options


@dataclass(frozen=True, kw_only=True)
class Base:
    """Fields that another class adds to.

    Attributes:
        files: Files to read, [any].
        kind: Kind of the files,
            which goes on in a second line.

    Raises:
        RunError: Never.
    """

    files: tuple[str, ...] = field(metadata={"option": "--file"})
    kind: Literal["a", "b"] | None = None


@dataclass(frozen=True, kw_only=True)
class Options(Base):
    """Fields of a command.

    Attributes:
        target: Where to write.
        most: Most lines.
        flag: Whether to do it.
        amounts: Amounts by name.
    """

    target: Path = field(metadata={"argument": True})
    most: int = 3
    flag: bool = False
    amounts: dict[str, float] | None = field(default=None, metadata={"option": "--amount"})


asked: list[str] = []


def kinds() -> list[str]:
    asked.append("kinds")
    return ["a", "b, c"]


@pytest.fixture
def given() -> list[Options]:
    return []


@pytest.fixture
def app(given: list[Options]) -> typer.Typer:
    app = typer.Typer()

    @app.command(cls=Command)
    @takes_options(Options, names={"kind": kinds, "files": ("x", "y")})
    def command(options: Options) -> None:
        """Do it."""
        given.append(options)

    return app


def test_options_become_the_dataclass(app: typer.Typer, given: list[Options]) -> None:
    words = ["out", "--file", "x", "--file", "y", "--kind", "a", "--flag", "--amount", "n=2"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert given == [Options(files=("x", "y"), kind="a", target=Path("out"), flag=True, amounts={"n": 2.0})]


def test_what_has_no_default_must_be_given(app: typer.Typer, given: list[Options]) -> None:
    assert CliRunner().invoke(app, ["--file", "x"]).exit_code == 2
    assert CliRunner().invoke(app, ["out"]).exit_code == 2
    assert not given


def test_the_help_is_made_of_the_fields_and_of_the_names(app: typer.Typer) -> None:
    asked.clear()
    shown = " ".join(CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300"}).output.replace("│", " ").split())
    assert asked == ["kinds"], "names are looked up for the help alone"
    assert "Files to read, [any]. One of: x, y." in shown
    assert "Kind of the files, which goes on in a second line. One of: a; b, c." in shown
    assert "--flag" in shown
    assert "--no-flag" not in shown
