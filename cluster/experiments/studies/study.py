"""The interface of studies, and the way from one to its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from cluster.pages.markdown import wrapped
from cluster.pages.result_json import result_json
from cluster.report.document import document
from cluster.report.html import Html, tag
from cluster.work.folders import check_folders, make_folders
from cluster.work.provenance import machine, versions
from mpnas_ray.errors import RunError
from mpnas_ray.extras import require_extra
from mpnas_ray.files.atomic import write_atomic

__all__ = ["Report", "Study", "WithoutPicture", "reproduce", "rewrite_pages"]

Report = Callable[[str], None]
"""Receives a line for each step."""


class Study(Protocol):
    """A published table or figure: how it is measured, and how its results are shown."""

    @property
    def name(self) -> str:
        """Name of the study for the command, and of its files."""
        ...

    @property
    def title(self) -> str:
        """First line of the page."""
        ...

    @property
    def holds(self) -> str:
        """Content of the JSON file in words, such as "All draws are"."""
        ...

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options of `measure` that the command offers."""
        ...

    @property
    def has_picture(self) -> bool:
        """Say whether there is a picture."""
        ...

    @property
    def measure(self) -> Callable[..., dict[str, Any]]:
        """Do the missing work on Ray, and return the results: ``measure(tables, work, report, **options)``.

        ``tables`` is the folder of NAS tables, ``work`` that of the work, which studies share; all nodes must reach
        both. ``report`` receives a line for each step. The results are values that JSON can hold, ``command`` among
        them where it has more than name and tables. If some of the work fails, all the rest is done before the error.
        """
        ...

    def body(self, content: Mapping[str, Any]) -> str:
        """Write the page below its head, in Markdown, from the content of the JSON file alone."""
        ...

    def save_picture(self, content: Mapping[str, Any], path: Path) -> None:
        """Draw the content of the JSON file into a file."""
        ...

    def charts(self, content: Mapping[str, Any]) -> list[Html]:
        """Draw the content of the JSON file for a page with charts, for a study with a picture."""
        ...


class WithoutPicture:
    """The part of a study that has no picture."""

    has_picture: ClassVar[bool] = False

    def save_picture(self, content: Mapping[str, Any], path: Path) -> None:
        """Draw nothing."""

    def charts(self, content: Mapping[str, Any]) -> list[Html]:
        """Return no charts."""
        return []


def reproduce(
    study: Study, tables: str | Path | None, out: str | Path, work: str | Path, report: Report = print, **options: Any
) -> list[Path]:
    """Do the missing work of a study on Ray, and write ``<out>/<study>`` as ``.json`` and ``.md``; with a picture,
    as ``.html`` and ``.png`` too.

    Args:
        study: One of `registry.STUDIES`.
        tables: Folder of NAS tables, which on a cluster all nodes must reach; None for a study that needs none.
        out: Folder of the files.
        work: Folder of the work, which studies share; on a cluster all nodes must reach it.
        report: Receives a line for each step.
        **options: Options of the study, see its ``measure``.

    Returns:
        The files.

    Raises:
        MPNASError: If tables or data are missing, or an option is out of range.
        RunError: If the library of pictures is not installed, a folder cannot be written, or some of the work failed,
            once all the rest is done; no file of the study is written then.
        RunInterruptedError: After Ctrl-C; the same call goes on.
    """
    out, work = Path(out), Path(work).expanduser().resolve()
    if study.has_picture:
        require_extra("studies", "matplotlib", to="The picture of a study", error=RunError)
    check_folders(out, work)
    found = study.measure(Path(tables or ".").expanduser().resolve(), work, report, **options)
    content: dict[str, Any] = {
        "study": study.name,
        "title": study.title,
        "command": f"mpnas reproduce {study.name} --tables DIR",
        "versions": versions(),
        "machine": machine(),
        **found,
    }
    make_folders(out)
    file = out / f"{study.name}.json"
    write_atomic(file, result_json(content))
    written = [file, *_write_pages(_pages(study, content), out)]
    if study.has_picture:
        written.append(out / f"{study.name}.png")
        study.save_picture(content, written[-1])
    return written


def rewrite_pages(study: Study, out: str | Path) -> list[Path]:
    """Write ``<out>/<study>.md``, and ``.html`` if there is one, anew from ``<out>/<study>.json``; nothing is computed.

    Raises:
        RunError: If there is no such JSON file, or it is damaged or of another study.
    """
    file = Path(out) / f"{study.name}.json"
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if content["study"] != study.name:
            raise ValueError(f"it is of the study {content['study']!r}")
        pages = _pages(study, content)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        why = "it is not there" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise RunError(
            f"The page of {study.name} cannot be written from {file} ({why}). Name the folder of its results with "
            "--out, or compute them: name the folder of NAS tables with --tables."
        ) from error
    return _write_pages(pages, Path(out))


def _write_pages(pages: Mapping[str, str], folder: Path) -> list[Path]:
    for name, page in pages.items():
        write_atomic(folder / name, page)
    return [folder / name for name in pages]


def _pages(study: Study, content: Mapping[str, Any]) -> dict[str, str]:
    """Return name -> text of the page in Markdown, and of that with charts if there is one."""
    name, body, command = study.name, study.body(content), content["command"]
    numbers = ", ".join(f"{package} {number}" for package, number in content["versions"].items())
    made = f"{content['machine']['cores']} cores, {numbers}."
    shows = f"; [{name}.html]({name}.html) shows them in charts" if study.has_picture else ""
    head = f"`{command}`, {made} {study.holds} in [{name}.json]({name}.json){shows}."
    pages = {f"{name}.md": wrapped(f"# {study.title}\n\n{head}\n\n{body}")}
    if study.has_picture:
        pages[f"{name}.html"] = document(
            study.title,
            tag("header", tag("h1", study.title)),
            *study.charts(content),
            tag("footer", tag("p", tag("code", command), f", {made}", class_="place")),
        )
    return pages
