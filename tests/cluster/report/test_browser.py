"""The page in a real browser, at three widths, light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.report.page import SECTIONS, page
from cluster.report.view import RunView

pytestmark = [pytest.mark.browser, pytest.mark.long]

WIDTHS = (380, 1_024, 1_920)
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    found, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if found is None or driver is None:
        pytest.skip("there is no Chromium: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def file(run: RunView, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(run), encoding="utf-8")
    return path


def opened(browser: Any, file: Path, width: int, theme: str = "light") -> None:
    feature = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(file.as_uri())


def scrolled_to(browser: Any, element: Any) -> None:
    """Scroll, and wait until the page has heard of it, since it then takes away what the pointer told."""
    browser.execute_async_script(
        """
        const [element, done] = arguments;
        element.scrollIntoView({block: "center", behavior: "instant"});
        requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)));
        """,
        element,
    )


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_section_is_drawn_and_nothing_sticks_out(browser: Any, file: Path, width: int, theme: str) -> None:
    opened(browser, file, width, theme)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    sizes = browser.execute_script("""
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
    opened(browser, file, width)
    heights = browser.execute_script("""
        return [...document.querySelectorAll("svg.chart text")].map((text) => {
          const scale = Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b);
          return scale * parseFloat(getComputedStyle(text).fontSize);
        });""")
    assert min(heights) >= 9
    assert max(heights) <= 20


@pytest.mark.parametrize("theme", THEMES)
def test_texts_stand_out_from_what_is_behind_them(browser: Any, file: Path, theme: str) -> None:
    """The contrast of WCAG 2.1, level AA."""
    opened(browser, file, 1_024, theme)
    contrasts = browser.execute_script("""
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
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    opened(browser, file, width)
    tip = browser.find_element(By.ID, "tip")
    assert not tip.is_displayed()
    assert run.best is not None
    assert run.best.trial is not None
    number = run.best.trial.number
    mark = browser.find_element(By.CSS_SELECTOR, f'#sizes [data-t="{number}"]')
    scrolled_to(browser, mark)
    ActionChains(browser).move_to_element(mark).perform()
    assert tip.is_displayed()
    assert tip.text.startswith(f"Trial {number},")
    assert run.best.arch in tip.text
    box = browser.execute_script("return document.getElementById('tip').getBoundingClientRect()")
    assert box["left"] >= 0
    assert box["right"] <= width
    lit = browser.execute_script("return [...document.querySelectorAll('.over')].map((e) => e.closest('section').id)")
    assert {"progress", "curves", "predictions", "sizes"} <= set(lit)
    heading = browser.find_element(By.CSS_SELECTOR, "#sizes h2")
    scrolled_to(browser, heading)
    ActionChains(browser).move_to_element(heading).perform()
    assert not tip.is_displayed()
    assert browser.get_log("browser") == []
