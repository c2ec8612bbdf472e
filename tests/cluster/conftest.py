from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from cluster.work import running
from cluster.work.items import Results, WorkItem

_MODULE = """
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from trainables import get_task
from trainables.tasks.core.subset import with_fewer_samples

HERE = Path(__file__).parent

def loss(outputs, targets):  # a function of this module, so that workers import it
    if outputs.requires_grad:
        with (HERE / "epochs").open("ab") as epochs:
            epochs.write(b".")
            epochs.flush()
            number = epochs.tell()
        while any(number > int(held.name) for held in HERE.glob("held-after/*")):
            time.sleep(0.02)
    return DIGITS.loss(outputs, targets)

DIGITS = with_fewer_samples(get_task("digits"), 100)
TASK = replace(DIGITS, name="held", loss=loss, recipe=replace(DIGITS.recipe, batch_size=100))
"""


@dataclass(frozen=True)
class HeldTask:
    """A quick task whose trainings stand still after a number of epochs, which are of one batch, until they are let go.

    So a test that interrupts a run does so in its middle, however fast the machine is.

    Attributes:
        folder: Folder of its module, from which commands find it.
    """

    folder: Path

    reference = "held:TASK"

    def hold_after(self, num_epochs: int) -> None:
        self._held.mkdir()
        (self._held / str(num_epochs)).touch()

    def let_go(self) -> None:
        shutil.rmtree(self._held)

    @property
    def _held(self) -> Path:
        return self.folder / "held-after"


@pytest.fixture
def held_task(tmp_path: Path) -> HeldTask:
    folder = tmp_path / "held-task"
    folder.mkdir()
    (folder / "held.py").write_text(_MODULE)
    return HeldTask(folder)


@pytest.fixture
def computed_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Items of work are computed in this process, without Ray; gives their names."""
    names: list[str] = []

    def one_by_one(items: Sequence[WorkItem], store: Results, *, gpus: float = 0.0) -> dict[str, str]:
        for item in items:
            names.append(item.name)
            store.write(item, pickle.loads(pickle.dumps(item)).compute())
        return {}

    monkeypatch.setattr(running, "compute_on_ray", one_by_one)
    return names


class Browser:
    """Chromium without a screen, and what tests do in it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, file: Path, width: int, theme: str = "light") -> None:
        """Show a file in a window of that width, on a system that is ``light`` or ``dark``."""
        feature = {"name": "prefers-color-scheme", "value": theme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(file.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript, and give what it returns."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def hover(self, selector: str) -> None:
        """Scroll to an element, and put the pointer on it once the page has heard of the scrolling."""
        from selenium.webdriver.common.action_chains import ActionChains

        element = self.find(selector)
        self.driver.execute_async_script(
            """
            const [element, done] = arguments;
            element.scrollIntoView({block: "center", behavior: "instant"});
            requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)));
            """,
            element,
        )
        ActionChains(self.driver).move_to_element(element).perform()

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        width: int = self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return width

    @property
    def errors(self) -> list[Any]:
        """Errors of the page since they were last asked for."""
        found: list[Any] = self.driver.get_log("browser")
        return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    found, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if found is None or driver is None:
        pytest.skip("there is no Chromium: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    start = retry(  # a browser that a busy machine did not start within its minute is started again
        retry=retry_if_exception_type(pytest.importorskip("selenium.common").WebDriverException),
        stop=stop_after_attempt(4),
        reraise=True,
    )(webdriver.Chrome)
    started = start(options=options, service=webdriver.ChromeService(driver))
    yield Browser(started)
    started.quit()
