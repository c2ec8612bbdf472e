"""Write a page that needs no other file: the style sheet, the marks and the program of all reports are in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

from cluster.report.charts import definitions
from cluster.report.html import Html, tag

__all__ = ["document", "section"]


def document(title: str, *content: Html | None, tips: Mapping[int, str] | None = None) -> str:
    """Write a page.

    Args:
        title: Title of the page.
        *content: Content of the page; None for nothing.
        tips: Number of a trial or a method -> what is shown where the pointer is on one of its marks.
    """
    told = json.dumps(tips or {}, separators=(",", ":")).replace("<", "\\u003c")  # no text may end the script
    head = tag(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'),
        tag("title", title),
        tag("style", Html(_file("style.css"))),
    )
    body = tag(
        "body",
        definitions(),
        tag("main", *content),
        tag("div", id="tip", role="status", hidden="hidden"),
        tag("script", Html(told), type="application/json", id="tips"),
        tag("script", Html(_file("pointer.js"))),
    )
    return f'<!doctype html>\n<html lang="en">{head}{body}</html>\n'


def section(anchor: str, title: str, *content: Html) -> Html:
    """Put content under a title, to which a link leads."""
    return tag("section", tag("h2", title), *content, id=anchor)


def _file(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
