"""The page in a real browser, at three widths, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.report.page import SECTIONS, page
from cluster.report.view import RunView

pytestmark = [pytest.mark.browser, pytest.mark.long]

WIDTHS = (380, 1_024, 1_920)
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def file(run: RunView, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(run), encoding="utf-8")
    return path


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_section_is_drawn_and_nothing_sticks_out(browser: Any, file: Path, width: int, theme: str) -> None:
    browser.open(file, width, theme)
    assert browser.errors == []
    assert browser.overflow == 0
    sizes = browser.run("""
        return [...document.querySelectorAll("section")].map((section) => {
          const shape = section.querySelector("svg.chart, svg.cell, table");
          const box = shape.getBoundingClientRect(), room = section.getBoundingClientRect();
          return [section.id, box.width, box.height, room.left <= box.left && box.right <= room.right];
        });""")
    assert [section for section, *_ in sizes] == list(SECTIONS)
    for section, shape_width, shape_height, fits in sizes:
        assert fits, section
        assert shape_width > 60, section
        assert shape_height > 40, section


@pytest.mark.parametrize("width", WIDTHS)
def test_texts_of_charts_are_large_enough_to_read(browser: Any, file: Path, width: int) -> None:
    browser.open(file, width)
    heights = browser.run("""
        return [...document.querySelectorAll("svg.chart text")].map((text) => {
          const scale = Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b);
          return scale * parseFloat(getComputedStyle(text).fontSize);
        });""")
    assert min(heights) >= 9
    assert max(heights) <= 20


@pytest.mark.parametrize("theme", THEMES)
def test_texts_stand_out_from_what_is_behind_them(browser: Any, file: Path, theme: str) -> None:
    """The contrast of WCAG 2.1, level AA."""
    browser.open(file, 1_024, theme)
    contrasts = browser.run("""
        const light = (colour) => {
          const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
            const share = part / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const behind = light(getComputedStyle(document.querySelector("section")).backgroundColor);
        return [...document.querySelectorAll("p, td, th, dt, dd, h2, figcaption, a, .chart text")].map((text) => {
          const style = getComputedStyle(text);
          const own = light(text.tagName === "text" ? style.fill : style.color);
          return (Math.max(own, behind) + 0.05) / (Math.min(own, behind) + 0.05);
        });""")
    assert min(contrasts) >= 4.5


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pointer_tells_about_a_trial_and_lights_it_in_all_charts(
    browser: Any, file: Path, run: RunView, width: int
) -> None:
    browser.open(file, width)
    tip = browser.find("#tip")
    assert not tip.is_displayed()
    assert run.best is not None
    assert run.best.trial is not None
    number = run.best.trial.number
    browser.hover(f'#sizes [data-t="{number}"]')
    assert tip.is_displayed()
    assert tip.text.startswith(f"Trial {number},")
    assert run.best.arch in tip.text
    box = browser.run("return document.getElementById('tip').getBoundingClientRect()")
    assert box["left"] >= 0
    assert box["right"] <= width
    lit = browser.run("return [...document.querySelectorAll('.over')].map((e) => e.closest('section').id)")
    assert {"progress", "curves", "predictions", "sizes"} <= set(lit)
    browser.hover("#sizes h2")
    assert not tip.is_displayed()
    assert browser.errors == []
