"""The pages with charts of studies, from the committed results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cluster.experiments.studies.registry import STUDIES
from cluster.report.document import document

RESULTS = Path(__file__).parents[4] / "benchmarks" / "results"
WITH_CHARTS = [name for name, study in STUDIES.items() if study.has_picture]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name in WITH_CHARTS:
        content = json.loads((RESULTS / f"{name}.json").read_text())
        (folder / f"{name}.html").write_text(document(name, *STUDIES[name].charts(content)))
    return {name: folder / f"{name}.html" for name in WITH_CHARTS}


@pytest.mark.long
def test_every_method_has_a_key_and_a_curve(pages: dict[str, Path]) -> None:
    assert WITH_CHARTS == ["table7", "fig2", "fig3", "predictors"]
    searches = json.loads((RESULTS / "table7.json").read_text())
    keys = {name: re.findall(r"<button .*?</svg>(.*?)</button>", page.read_text()) for name, page in pages.items()}
    assert [name.replace("&#x27;", "'") for name in keys["table7"]] == list(searches["searches"])
    assert keys["fig2"] == ["mixture", "boil", "random"]
    assert {"mp-nas", "gp", "bananas"} < set(keys["predictors"])
    for name in ("table7", "fig2", "predictors"):
        drawn = set(re.findall(r'<g [^>]*data-t="(-\d+)"', pages[name].read_text()))
        assert drawn == {str(-number) for number in range(1, len(keys[name]) + 1)}
    assert 'data-tip="cifar10 ranks cifar100: 0.9' in pages["fig3"].read_text()


@pytest.mark.parametrize("study", WITH_CHARTS)
def test_the_page_in_markdown_leads_to_it(study: str) -> None:
    assert f"[{study}.html]({study}.html)" in (RESULTS / f"{study}.md").read_text()
    assert (RESULTS / f"{study}.html").exists()


@pytest.mark.browser
@pytest.mark.long
@pytest.mark.parametrize("study", WITH_CHARTS)
def test_it_fits_a_phone_and_a_large_screen(browser: Any, pages: dict[str, Path], study: str) -> None:
    for width, theme in ((380, "dark"), (1_024, "light"), (1_920, "dark")):
        browser.open(pages[study], width, theme)
        assert browser.errors == []
        assert browser.overflow == 0
