"""A hook of MkDocs that adds to the site what pages link to outside of ``docs/``, such as pages of results.

The site has the layout of the checkout with ``docs/`` as its root: a link ``../benchmarks/results/table4.md`` becomes
``benchmarks/results/table4.md``, and that page with the files that it links to becomes part of the site.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<=\]\()(?:\.\./)+(?=\w)[^)#\s]+")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside of ``docs/`` that a page links to, and those that these link to in their own folder."""
    docs = Path(config.docs_dir)
    wanted = {path for file in files.documentation_pages() for path in _linked(docs / file.src_uri, docs)}
    for path in sorted(wanted | {beside for path in wanted for beside in _beside(path)}):
        name = path.relative_to(docs.parent).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links that leave ``docs/`` point into the site."""
    docs = Path(config.docs_dir)
    if not (docs / page.file.src_uri).exists():
        return markdown  # a page from outside, whose links stay in its folder
    return _LINK.sub(lambda found: _inside(found[0], docs / page.file.src_uri, docs), markdown)


def _linked(page: Path, docs: Path) -> list[Path]:
    targets = [(page.parent / target).resolve() for target in _LINK.findall(page.read_text(encoding="utf-8"))]
    return [target for target in targets if target.is_file() and docs not in target.parents]


def _beside(page: Path) -> list[Path]:
    if page.suffix != ".md":
        return []
    targets = re.findall(r"\]\(([\w.-]+)\)", page.read_text(encoding="utf-8"))
    return [page.parent / target for target in targets if (page.parent / target).is_file()]


def _inside(target: str, page: Path, docs: Path) -> str:
    outside = docs not in (page.parent / target).resolve().parents
    return target.replace("../", "", 1) if outside else target
