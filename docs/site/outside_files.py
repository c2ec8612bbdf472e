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

_LINK = re.compile(r"(?<=\]\()[\w./-]+(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside of ``docs/`` that a page links to, and those that these link to."""
    docs = Path(config.docs_dir)
    pages = [docs / file.src_uri for file in files.documentation_pages()]
    added: set[Path] = set()
    while pages:
        found = {path for path in _linked(pages.pop()) if docs not in path.parents} - added
        added |= found
        pages += [path for path in found if path.suffix == ".md"]
    for path in sorted(added):
        files.append(File.generated(config, path.relative_to(docs.parent).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links that leave ``docs/`` point into the site."""
    path = Path(config.docs_dir) / page.file.src_uri
    if not path.exists():
        return markdown  # a page from outside, whose links stay where it is
    return _LINK.sub(lambda found: _inside(found[0], path, Path(config.docs_dir)), markdown)


def _linked(page: Path) -> list[Path]:
    targets = [(page.parent / target).resolve() for target in _LINK.findall(page.read_text(encoding="utf-8"))]
    return [target for target in targets if target.is_file()]


def _inside(target: str, page: Path, docs: Path) -> str:
    leaves = docs not in (page.parent / target).resolve().parents
    return target.replace("../", "", 1) if leaves else target
