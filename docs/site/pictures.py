"""Take the pictures of the tutorial from the report of its run.

Run it where the commands of docs/tutorial.md were run, with Chromium and its driver (``apt-get install chromium
chromium-driver``)::

    python docs/site/pictures.py runs/first
"""

from __future__ import annotations

import base64
import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from selenium import webdriver

_PICTURES = Path(__file__).parents[1] / "pictures"
_SECTIONS = ("answer", "progress", "sizes")
_WIDTH = 860
_COLOURS = 128
"""Colours that are kept: charts have few, and a picture takes a third of the space."""


def main(run: Path) -> None:
    """Write one picture for each section."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))) as browser:
        size = {"width": _WIDTH, "height": 900, "deviceScaleFactor": 1.5, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get((run / "report.html").resolve().as_uri())
        browser.execute_script(
            "const code = document.querySelector('#answer pre code');"
            "code.textContent = code.textContent.replace(arguments[0], arguments[1]);",  # not where it was run
            str(run.resolve()),
            run.as_posix(),
        )
        for name in _SECTIONS:
            place = browser.execute_script(
                "const box = document.getElementById(arguments[0]).getBoundingClientRect();"
                "return {x: box.x, y: box.y + window.scrollY, width: box.width, height: box.height, scale: 1};",
                name,
            )
            taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": place, "captureBeyondViewport": True})
            picture = Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
            file = _PICTURES / f"{name}.png"
            picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
            print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
