"""The words of docstrings: first lines say what a thing does or is, lines of arguments begin with the thing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = ("mpnas_ray", "searchers", "trainables", "cluster")
"""Packages that keep the rules."""

CLAUSE = re.compile(
    r"(What|Of|Those|That|Who|Whose|Whom|Which|Where|How|Whether|When|If|As|And|But|Nor|Also|With|Without|They|There|It)\b"
)
"""Words that a docstring's first line does not begin with: such a line is a clause, or leans on the code above it."""

FRAGMENT = re.compile(
    r"(What|Of|Those|That|Who|Whose|Whom|Which|Where|How|As|In|From|To|By|For|With|Without|Also|It|Its|Their)\b"
)
"""Words that the line of an argument does not begin with: "seed: Seed of the draws.", not "seed: Of the draws."."""

SECTION = re.compile(r"^\s*(Args|Attributes|Raises|Returns|Yields|Example|Config, all plain values):$")
ENTRY = re.compile(r"^\s+[*\w]+(?:, [*\w]+)*: (.*)$")


def docstrings(floor: str) -> Iterator[tuple[str, str]]:
    """Yield place and text of each string that stands as a statement, be it after a ``def`` or after a constant."""
    for path in sorted((ROOT / floor).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            body = getattr(node, "body", None)
            for statement in body if isinstance(body, list) else []:
                if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
                    continue
                if isinstance(text := statement.value.value, str):
                    yield f"{path.relative_to(ROOT)}:{statement.lineno}", text


def entries(text: str) -> Iterator[str]:
    """Yield what is said of each argument and attribute; errors may begin with "If" and "For"."""
    section = ""
    for line in text.splitlines():
        heading = SECTION.match(line)
        if heading is not None:
            section = heading[1]
        elif not line.strip():
            section = ""
        elif section in ("Args", "Attributes", "Config, all plain values") and (entry := ENTRY.match(line)) is not None:
            yield entry[1]


@pytest.mark.parametrize("floor", FLOORS)
def test_first_lines_are_sentences(floor: str) -> None:
    wrong = [f"{place}: {text.splitlines()[0]}" for place, text in docstrings(floor) if CLAUSE.match(text)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("floor", FLOORS)
def test_lines_of_arguments_begin_with_the_thing(floor: str) -> None:
    wrong = [
        f"{place}: {entry}" for place, text in docstrings(floor) for entry in entries(text) if FRAGMENT.match(entry)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("floor", FLOORS)
def test_words_of_the_glossary(floor: str) -> None:
    """architecture.md: isomorphic, not twin; a standard deviation is not only a deviation."""
    plain_deviation = re.compile(r"(?<![Ss]tandard )(?<!absolute )\bdeviations?\b")
    wrong = [
        f"{place}: {found[0]}"
        for place, text in docstrings(floor)
        if (found := re.search(r"\btwins?\b", text) or plain_deviation.search(" ".join(text.split())))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_rules_find_what_they_are_for() -> None:
    text = (
        "Do it.\n\n    Args:\n        seed: Of the draws.\n        name: A name.\n\n    Raises:\n        E: For all.\n"
    )
    assert list(entries(text)) == ["Of the draws.", "A name."]
    assert [bool(FRAGMENT.match(entry)) for entry in entries(text)] == [True, False]
    assert CLAUSE.match("What a trial runs.")
    assert not CLAUSE.match("Whatever fails is logged.")
