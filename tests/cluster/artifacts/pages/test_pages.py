"""The pages of a training, and of a table of trainings, in a real browser."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from cluster.artifacts.pages.table import table_page
from cluster.artifacts.pages.training import TrainingReport, write_training_page
from cluster.storage.run_folder import RunFolder
from mpnas_ray.tables.curves import read_curves

ARCH = "mixed:nasbenchasr:|conv5-d1~0|linear|skip|"


def report(model: str) -> TrainingReport:
    return TrainingReport("digits", model, 0, 3, "accuracy", "max", 0.91, 0.89, 12_345, 60.0, 70.0, "/runs/one", [])


def written(folder: Path, model: str) -> Path:
    """The page of a training whose third epoch has a loss that is not finite."""
    trial = folder / "one" / "t0"
    trial.mkdir(parents=True)
    config = {"arch" if ":" in model else "model": model}
    (trial / "params.json").write_text(json.dumps(config))
    losses = [1.0, 0.5, float("nan")]
    results = [
        {"epoch": epoch, "validation_accuracy": 0.3 * epoch, "train_loss": loss, "config": config}
        for epoch, loss in enumerate(losses, 1)
    ]
    (trial / "result.json").write_text("".join(f"{json.dumps(result)}\n" for result in results))
    return Path(write_training_page(RunFolder(str(folder), "one"), report(model)))


def test_a_training_is_shown_with_its_curves(tmp_path: Path) -> None:
    page = written(tmp_path, ARCH).read_text()
    assert page.count('data-tip="epoch ') == 3 + 2
    assert f"The architecture {ARCH} as a graph" in page
    assert asdict(report(ARCH))["folder"] in page
    assert "There is no drawing of this network." in written(tmp_path / "other", "fno-2d").read_text()


@pytest.mark.browser
@pytest.mark.long
def test_pages_fit_a_phone_and_a_large_screen(browser: Any, tmp_path: Path) -> None:
    table = Path(str(files("mpnas_ray.tables") / "mini.parquet"))
    pages = [tmp_path / "table.html", written(tmp_path, ARCH)]
    tasks = dict(list(read_curves(table).items())[:2])  # of seven, each with 350 trainings
    pages[0].write_text(table_page(table.name, tasks))
    assert pages[0].stat().st_size < 500_000
    for page in pages:
        for width, theme in ((380, "dark"), (1_024, "light"), (1_920, "light")):
            browser.open(page, width, theme)
            assert browser.errors == []
            assert browser.overflow == 0, (page.name, width)
    browser.hover('#curves use[data-tip^="epoch 2"]')
    assert browser.find("#tip").text == "epoch 2: 0.6"
