"""Everything that README and docs name exists: commands and their options, links, files, extras, error messages."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
PACKAGES = ("mpnas_ray", "searchers", "trainables", "cluster")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def shell_lines(text: str) -> Iterator[str]:
    """The lines of a page's blocks of shell commands, those that are continued as one."""
    for block in re.findall(r"^ *```bash\n(.*?)```", text, flags=re.DOTALL | re.MULTILINE):
        yield from (line.strip() for line in block.replace("\\\n", " ").splitlines())


def our_commands(text: str) -> Iterator[list[str]]:
    """Words of the ``mpnas`` commands of a page, also of those that are handed to a cluster."""
    for line in shell_lines(text):
        if line.startswith(("mpnas ", "ray job submit ")):
            for part in line.split(" -- "):
                words = shlex.split(part, comments=True)
                if words[0] == "mpnas":
                    yield words[1:]
                elif words[:3] == ["python", "-m", "cluster.cli"]:
                    yield words[3:]
                elif words[0] != "ray":
                    yield words


def test_the_commands_of_a_page_are_found() -> None:
    page = """
```bash
mpnas tasks    # a comment
mpnas submit --no-wait -- search --task digits
ray job submit --working-dir . -- python -m cluster.cli resume runs/x
ray job submit --address http://127.0.0.1:8265 -- mpnas export x \\
    --format onnx
```
"""
    assert list(our_commands(page)) == [
        ["tasks"],
        ["submit", "--no-wait"],
        ["search", "--task", "digits"],
        ["resume", "runs/x"],
        ["export", "x", "--format", "onnx"],
    ]


def unknown_words(command: Any, words: list[str]) -> set[str]:
    """The subcommands and options among the words of a command that it does not have.

    The command is one of click, or of the copy of click that typer brings.
    """
    words = [*words]
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            return {name}
        command = command.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "--install-completion"}
    return {word for word in (word.partition("=")[0] for word in words) if word.startswith("--")} - known


@every_page
def test_our_commands_and_their_options_exist(page: Path) -> None:
    from cluster.cli import app

    for words in our_commands(page.read_text(encoding="utf-8")):
        assert not unknown_words(typer.main.get_command(app), words), words


@every_page
def test_rays_commands_and_their_options_exist(page: Path) -> None:
    from ray.scripts.scripts import cli

    for line in shell_lines(page.read_text(encoding="utf-8")):
        if line.startswith("ray "):
            words = shlex.split(line.split(" -- ")[0], comments=True)[1:]
            assert not unknown_words(cli, words), line


def test_the_readme_names_every_command_and_clusters_every_resource() -> None:
    from cluster.cli import app

    group: Any = typer.main.get_command(app)
    named = {words[0] for words in our_commands((ROOT / "README.md").read_text(encoding="utf-8")) if words}
    assert {name for name, command in group.commands.items() if not command.hidden} <= named
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(--[a-z-]+)", page, flags=re.MULTILINE)
    assert listed
    assert not unknown_words(group, ["search", *listed])


@every_page
def test_linked_files_and_headings_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        if anchor:
            assert anchor in headings(linked), target


def headings(page: Path) -> list[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    lines = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    """Every path below a folder of the project that stands in code marks, such as `cluster/deploy/Dockerfile`.

    The changelog also names files as they were.
    """
    folders = "|".join((*PACKAGES, "tests", "benchmarks", "docs", "examples"))
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for path in re.findall(rf"`((?:{folders})/[\w./-]*|mkdocs\.yml|[\w-]+\.(?:toml|cff))`", text):
        assert (ROOT / path).exists(), path


@every_page
def test_extras_and_targets_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = project.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    for extra in re.findall(r"mpnas-ray\[(\w+)\]", text):
        assert re.search(rf"^{extra} = ", extras, flags=re.MULTILINE), extra
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in shell_lines(text):
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", makefile, flags=re.MULTILINE), line


def test_all_files_name_the_same_version() -> None:
    from mpnas_ray import __version__

    found = re.search(r"^version = \"(.+)\"$", (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert found
    assert found[1] == __version__
    assert f"\nversion: {found[1]}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## [{found[1]}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_api_pages_have_every_public_name() -> None:
    for package in PACKAGES:
        listed = set(
            re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api" / f"{package}.md").read_text(), flags=re.MULTILINE)
        )
        public = import_module(package).__all__
        assert {f"{package}.{name}" for name in public if not name.startswith("__")} <= listed


def test_the_page_on_predictors_lists_all_that_ranks() -> None:
    from mpnas_ray.catalogue import CURVE_METHODS, PREDICTORS
    from trainables.proxies import proxy_names

    page = (ROOT / "docs" / "predictors.md").read_text(encoding="utf-8")
    rows = "".join(row.split("|")[1] for row in re.findall(r"^\| `.*$", page, flags=re.MULTILINE))
    assert {*PREDICTORS, *CURVE_METHODS, *proxy_names()} <= set(re.findall(r"`([^`]+)`", rows))


def test_the_page_on_experiments_lists_every_searcher() -> None:
    import searchers

    page = (ROOT / "docs" / "experiment.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(\w+Search|RegularizedEvolution)`", page.partition("## Other searchers")[2]))
    assert {*searchers.__all__} - {"ArchitectureSearcher", "MPNASSearch"} <= listed


def messages() -> Iterator[str]:
    """Every text in our packages, with ``...`` where a value is put in."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(part.value if isinstance(part, ast.Constant) else "..." for part in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


@pytest.mark.long
def test_the_program_says_what_the_page_on_troubleshooting_explains() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE)
    assert len(explained) > 20
    said = list(messages())
    assert [message for message in explained if not any(message in text for text in said)] == []
