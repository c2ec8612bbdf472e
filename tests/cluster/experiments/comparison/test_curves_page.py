"""The page of a comparison in a real browser: the committed one, of twenty methods on fourteen columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long]

PAGE = Path(__file__).parents[4] / "benchmarks" / "results" / "compare-regret.html"
WIDTHS = (380, 1_024, 1_920)
SHOWN_BANDS = """
    return [...document.querySelectorAll(".band")].filter((band) => getComputedStyle(band).visibility === "visible")
      .map((band) => band.parentElement.getAttribute("data-t"));
"""


def test_the_page_is_small() -> None:
    assert PAGE.stat().st_size < 1_500_000


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_chart_is_drawn_and_nothing_sticks_out(browser: Any, width: int, theme: str) -> None:
    browser.open(PAGE, width, theme)
    assert browser.errors == []
    assert browser.overflow == 0
    sizes = browser.run("""
        return [...document.querySelectorAll("svg.chart")].map((chart) => {
          const box = chart.getBoundingClientRect();
          const plot = chart.querySelector("line.axis").getBoundingClientRect();
          return [box.width, box.height, plot.width];
        });""")
    assert len(sizes) >= 15
    for chart_width, height, plot_width in sizes:
        assert chart_width > 280
        assert height > 150
        assert plot_width > 160
    keys = browser.run("return document.querySelector('.keys').getBoundingClientRect().height")
    assert keys < 0.35 * 900, "the keys stay in view, above the charts"
    heights = browser.run("""
        return [...document.querySelectorAll("svg.chart text")].map((text) => {
          const scale = Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b);
          return scale * parseFloat(getComputedStyle(text).fontSize);
        });""")
    assert min(heights) >= 9


@pytest.mark.parametrize("width", WIDTHS)
def test_bands_are_shown_of_the_method_under_the_pointer_alone(browser: Any, width: int) -> None:
    browser.open(PAGE, width)
    assert browser.run(SHOWN_BANDS) == []
    browser.hover('#columns g[data-t="-4"] use')
    number = browser.run("return document.querySelector('g.over').getAttribute('data-t')")
    name = browser.find(f'.keys [data-t="{number}"]').text
    assert set(browser.run(SHOWN_BANDS)) == {number}
    tip = browser.find("#tip")
    assert tip.is_displayed()
    assert tip.text.startswith(f"{name}\nmedian regret of ")
    box = browser.run("return document.getElementById('tip').getBoundingClientRect()")
    assert 0 <= box["left"] < box["right"] <= width
    browser.hover("h1")
    assert not tip.is_displayed()
    assert browser.run(SHOWN_BANDS) == []
    assert browser.errors == []


def test_a_key_chooses_a_method_and_lets_it_go(browser: Any) -> None:
    browser.open(PAGE, 1_024)
    key = browser.find('.keys [data-t="-1"]')
    key.click()
    browser.hover("h1")
    assert key.get_attribute("aria-pressed") == "true"
    assert set(browser.run(SHOWN_BANDS)) == {"-1"}
    opacity = "return getComputedStyle(document.querySelector('#columns g[data-t=\"{}\"] .line')).opacity"
    assert float(browser.run(opacity.format(-6))) < 0.5 < float(browser.run(opacity.format(-1)))
    browser.find('.keys [data-t="-1"]').click()
    browser.hover("h1")
    assert browser.run(SHOWN_BANDS) == []
    assert float(browser.run(opacity.format(-6))) == 1.0
