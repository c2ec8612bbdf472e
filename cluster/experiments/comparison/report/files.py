"""Write the files of a comparison: JSON with all figures, and from it a page, a picture, and a page of curves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.experiments.comparison.config import ComparisonConfig
from cluster.experiments.comparison.report.content import comparison_of, content_of
from cluster.experiments.comparison.report.curves_page import curves_page
from cluster.experiments.comparison.report.page import page_of
from cluster.experiments.comparison.report.plots import save_curves
from cluster.experiments.comparison.summary.summaries import Comparison
from cluster.pages.markdown import wrapped
from cluster.pages.result_json import result_json
from mpnas_ray.errors import RunError
from mpnas_ray.files.atomic import write_atomic

__all__ = ["rewrite_pages", "write_files"]


def write_files(config: ComparisonConfig, results: Comparison) -> list[Path]:
    """Write ``<out>/compare-<preset>`` as ``.json``, ``.md``, ``.png`` and ``.html``, each whole.

    Args:
        config: The comparison.
        results: All summaries.
    """
    content, folder = content_of(config, results), Path(config.out)
    file = folder / f"{content['comparison']}.json"
    write_atomic(file, result_json(content))
    return [file, *_write_pages(content, results, folder)]


def rewrite_pages(preset: str, out: str | Path) -> list[Path]:
    """Write ``<out>/compare-<preset>`` as ``.md``, ``.png`` and ``.html`` anew from ``.json``; nothing is computed.

    Raises:
        RunError: If there is no such JSON file, or it is damaged or of another version.
    """
    file = Path(out) / f"compare-{preset}.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        results = comparison_of(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = "it is not there" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise RunError(
            f"The pages of the comparison {preset} cannot be written from {file} ({why}). Name the folder of its "
            f"results with --out, or compute them: name the folder of NAS tables with --tables."
        ) from error
    return _write_pages(content, results, Path(out))


def _write_pages(content: Mapping[str, Any], results: Comparison, folder: Path) -> list[Path]:
    name = content["comparison"]
    made = ", ".join(f"{package} {number}" for package, number in content["versions"].items())
    page = (
        f"# {content['title']}\n\n`{content['command']}`, {content['machine']['cores']} cores, {made}. All figures and "
        f"curves are in [{name}.json]({name}.json); [{name}.html]({name}.html) shows the curves one by one.\n\n"
        f"![Regret against queries]({name}.png)\n\n{page_of(results)}"
    )
    write_atomic(folder / f"{name}.md", wrapped(page))
    save_curves(results, folder / f"{name}.png")
    write_atomic(folder / f"{name}.html", curves_page(content, results))
    return [folder / f"{name}.{ending}" for ending in ("md", "png", "html")]
