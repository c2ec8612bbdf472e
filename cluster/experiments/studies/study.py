"""A study from its units to its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cluster.experiments.protocol.splits import SPLIT_SEED
from cluster.experiments.studies.methods import METHODS, Method
from cluster.experiments.studies.pages import wrapped
from cluster.experiments.studies.results import Row, Rows, rows_of
from cluster.experiments.studies.units import Unit, UnitResult, study_tasks
from cluster.work.result_files import machine, make_folders, read_results, unreadable, versions
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.tables import TableTask

__all__ = ["Study", "reproduce", "rewrite_page"]


@dataclass(frozen=True)
class Study:
    """One published table or figure.

    Attributes:
        name: Of the command and of its files.
        title: First line of its page.
        units: The work that it needs.
        page: From all rows to the rest of the page, in Markdown.
        rows: From the rows of its units, and the tables, to all rows: adds what is computed from them.
        plot: Draws the rows into a file; None if the study has no picture.
    """

    name: str
    title: str
    units: tuple[Unit, ...]
    page: Callable[[Rows], str]
    rows: Callable[[list[Row], Mapping[str, TableTask]], list[Row]] = field(default=lambda rows, _: rows)
    plot: Callable[[Rows, Path], None] | None = None


def reproduce(
    study: Study,
    tables: str | Path,
    out: str | Path,
    work: str | Path,
    methods: Mapping[str, Method] = METHODS,
) -> list[Path]:
    """Do the missing units of a study on Ray, and write ``<out>/<study>.json``, ``.md`` and, if it has one, ``.png``.

    Args:
        study: One of `registry.STUDIES`.
        tables: Folder of NAS tables; on a cluster all nodes must reach it.
        out: Folder of the files.
        work: Folder of the units, shared by all studies; on a cluster all nodes must reach it.
        methods: What the units' methods stand for.

    Returns:
        The files.

    Raises:
        TableError: If a table is missing or damaged.
        RunError: If units failed, once all others are done, or a folder cannot be written; no file of the study is
            written then.
        RunInterruptedError: After Ctrl-C; the same call goes on.
    """
    tasks = study_tasks(tables)
    make_folders(Path(out), Path(work))
    results: dict[Unit, UnitResult] = {}
    if study.units:
        from cluster.experiments.studies.running import run_units  # imports Ray

        results = run_units(study.units, methods, tasks, tables, work)
    rows = Rows(tuple(study.rows(rows_of(results), tasks)))
    content = _content(study, rows, results)
    written = [Path(out) / f"{study.name}.json", Path(out) / f"{study.name}.md"]
    write_atomic(written[0], json.dumps(content, indent=1) + "\n")
    write_atomic(written[1], _page(study, content, rows))
    if study.plot is not None:
        written.append(Path(out) / f"{study.name}.png")
        study.plot(rows, written[2])
    return written


def rewrite_page(study: Study, out: str | Path) -> Path:
    """Write ``<out>/<study>.md`` anew from the draws in ``<out>/<study>.json``; nothing is computed.

    Raises:
        RunError: If there is no such JSON file, or it is damaged or of another study.
    """
    content = read_results(study.name, out)
    try:
        rows = Rows(tuple(Row.from_dict(item) for item in content["rows"]))
        page = _page(study, content, rows)
    except (KeyError, TypeError) as error:
        raise unreadable(study.name, out, error) from error
    written = Path(out) / f"{study.name}.md"
    write_atomic(written, page)
    return written


def _page(study: Study, content: Mapping[str, Any], rows: Rows) -> str:
    return wrapped(
        f"# {study.title}\n\n`{content['command']}`, {content['machine']['cores']} cores, "
        f"{', '.join(f'{name} {number}' for name, number in content['versions'].items())}. "
        f"All draws are in [{study.name}.json]({study.name}.json).\n\n{study.page(rows)}"
    )


def _content(study: Study, rows: Rows, results: Mapping[Unit, UnitResult]) -> dict[str, Any]:
    return {
        "study": study.name,
        "title": study.title,
        "command": f"mpnas reproduce {study.name} --tables DIR",
        "versions": versions(),
        "machine": machine(),
        "seeds": {"splits and draws": SPLIT_SEED, "methods": sorted({unit.seed for unit in study.units})},
        "rows": [asdict(row) | asdict(row.estimate) for row in rows],
        "units": [
            {"name": unit.name, "learn_seconds": result.learn_seconds, "versions": result.versions} | result.identity
            for unit, result in results.items()
        ],
    }
