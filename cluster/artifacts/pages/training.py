"""The report of the training of one network, as text and as a page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cluster.report.charts import Frame, chart, figure
from cluster.report.document import document, section
from cluster.report.html import Html, number, tag, whole
from cluster.report.parts.answer import direction, drawing, figures, how_to_load
from cluster.report.scales import counts, robust
from cluster.run.html.writing import PAGE_FILE
from cluster.run.report import READ_FROM_DISK
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_results, read_trials

__all__ = ["SETTINGS", "TrainingReport", "write_training_page"]

SETTINGS = "training.json"
"""In the folder of a training: its settings."""


@dataclass(frozen=True)
class TrainingReport:
    """Facts of a finished training.

    Attributes:
        task: Name of the task.
        model: Name of the network.
        seed: Seed of the training.
        epochs: Epochs that were trained: all, or those up to the end of the patience.
        metric: Name of the metric, without ``validation_``.
        mode: ``min`` or ``max``.
        validation: Score after the last epoch.
        test: Test score of the same network, computed once.
        parameters: Number of trainable parameters.
        training_seconds: Seconds of training and validation, added up over all sessions of the run.
        wall_seconds: Seconds of the last session.
        folder: Folder of the run.
        chosen: Choices of a search by DASH for each convolution, first layer first; empty for other networks.
        data_in: Place of the data: ``memory`` of the device, or ``disk``.
    """

    task: str
    model: str
    seed: int
    epochs: int
    metric: str
    mode: str
    validation: float
    test: float
    parameters: int
    training_seconds: float
    wall_seconds: float
    folder: str
    chosen: list[str]
    data_in: str = "memory"

    @property
    def network(self) -> str:
        """Folder of the network, for `trainables.load_network`."""
        return f"{self.folder}/best"

    def to_json(self) -> str:
        """Write all fields as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def __str__(self) -> str:
        """Write the report as text for people."""
        text = f"""
{self.model} on {self.task}, {self.epochs} epochs:

    validation {self.metric}   {self.validation:.5f}
    test {self.metric}         {self.test:.5f}   (computed once, after the training)
    parameters   {self.parameters:,}

{READ_FROM_DISK if self.data_in == "disk" else ""}\
{self.training_seconds:.0f} s of training. Everything is in {self.folder}: report.html there shows it.
"""
        if not self.chosen:
            return text
        backbone = "resnet-1d" if len(self.chosen) == 9 else "wrn-16-4"
        return f"""{text}
To train what was chosen from the beginning{" (or with dash-wrn-16-1)" if backbone == "wrn-16-4" else ""}:

    mpnas train --task {self.task} --model dash-{backbone}:{",".join(self.chosen)}
"""


def write_training_page(folder: RunFolder, report: TrainingReport) -> str:
    """Write ``report.html`` into the folder of a training that is complete.

    Returns:
        Path or URI of the page.
    """
    folder.write(PAGE_FILE, _page(report, _reported(folder, report.metric)))
    return f"{folder.shown}/{PAGE_FILE}" if folder.is_local else folder.place_of(PAGE_FILE)


def _reported(folder: RunFolder, metric: str) -> list[tuple[int, float, float]]:
    """Read (epoch, metric on the validation part, loss in training) of all sessions, the newest of each epoch."""
    found = {
        result["epoch"]: (
            result["epoch"],
            _number(result.get(f"validation_{metric}")),
            _number(result.get("train_loss")),
        )
        for trial in read_trials(folder)
        for result in read_results(folder, trial.trial_id)
        if isinstance(result.get("epoch"), int)
    }
    return [found[epoch] for epoch in sorted(found)]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _page(report: TrainingReport, epochs: Sequence[tuple[int, float, float]]) -> str:
    rows = [
        ("validation", number(report.validation), f"{report.metric}{direction(report.mode)}, after the last epoch"),
        ("test", number(report.test), "computed once, after the training"),
        ("parameters", whole(report.parameters), "trainable"),
        ("training", f"{report.training_seconds:,.0f} s", f"{report.epochs} epochs, seed {report.seed}"),
    ]
    name = report.folder.rstrip("/").rpartition("/")[2]
    header = tag(
        "header",
        tag("h1", name),
        tag(
            "p",
            tag("span", tag("b", "task"), f" {report.task}"),
            tag("span", tag("b", "network"), f" {report.model}"),
            class_="facts",
        ),
        tag("p", tag("code", report.folder), class_="place"),
    )
    network = tag(
        "div",
        tag("div", drawing(report.model), class_="drawing"),
        tag("div", figures(rows), how_to_load(report.network)),
        class_="answer",
    )
    curves = tag(
        "div",
        _curve(
            f"{report.metric} on the validation part", report.metric, [(epoch, value) for epoch, value, _ in epochs]
        ),
        _curve("Loss in training", "loss", [(epoch, loss) for epoch, _, loss in epochs]),
        class_="charts",
    )
    sections = (section("network", "The network", network), section("curves", "Learning curves", curves))
    return document(name, header, *sections)


def _curve(title: str, name: str, points: Sequence[tuple[int, float]]) -> Html:
    frame = Frame(counts(max((epoch for epoch, _ in points), default=1)), robust(value for _, value in points))
    marks = [
        frame.mark(epoch, value, "circle", "dot", tip=f"epoch {epoch}: {number(value)}")
        for epoch, value in points
        if math.isfinite(value)
    ]
    picture = chart(frame, "epoch", name, [frame.line(points, "rank-1"), *marks], label=f"{title}, by epoch")
    return figure(title, picture)
