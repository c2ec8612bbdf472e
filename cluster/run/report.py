"""The report of a search: as JSON in its folder, and as text for people."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, fields, replace
from typing import TypeVar

from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError
from mpnas_ray.files.json_records import from_plain
from mpnas_ray.spaces import draw, parse_architecture

__all__ = ["READ_FROM_DISK", "REPORT_FILE", "SearchReport", "earlier_report", "read_report"]

REPORT_FILE = "report.json"
"""File with the report in the folder of a run, which only a complete run has."""

READ_FROM_DISK = "The data were not in memory: trainings read their batches from disk.\n"
"""Line of a report on trainings that had their data on disk."""

_Report = TypeVar("_Report")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchReport:
    """Facts of a finished search.

    Attributes:
        task: Name of the task.
        space: Name of the search space.
        searcher: Name of the searcher.
        preset: Sizes of the networks.
        seed: Seed of the searcher and of the trainings.
        metric: Name of the metric, without ``validation_``.
        mode: ``min`` or ``max``.
        best_arch: The architecture with the best validation score among those whose training is complete; among all if
            there is none.
        validation: Validation score of the best architecture, by which it was chosen.
        test: Test score of the best architecture, computed once, after the choice.
        parameters: Number of trainable parameters of its network.
        num_trials: Trials that ended, failed ones included.
        num_failed: Trials that raised.
        num_nan: Trials whose metric was not finite.
        num_refits: Number of times that the predictor was fitted.
        training_seconds: Seconds of training, summed over all trials, validation included.
        wall_seconds: Seconds from the start of the search to its end; of the last session if it was continued.
        busy_fraction: Share of that time that the slots for trials spent training.
        max_concurrent: Number of these slots.
        folder: Folder or URI of the run.
        num_stopped: Trials that a scheduler or a time budget ended before their last epoch.
        has_network: Whether the best network is there.
        data_in: Place of the data of the best architecture's training: ``memory`` of its device, or ``disk``.
        num_front: Number of networks on the front of metric and costs; 0 for a search without costs.
        keeps_limits: Whether the best network keeps all limits on costs.
        weights: Supernet from whose weights the networks started; None for random weights.
    """

    task: str
    space: str
    searcher: str
    preset: str
    seed: int
    metric: str
    mode: str
    best_arch: str
    validation: float
    test: float
    parameters: int
    num_trials: int
    num_failed: int
    num_nan: int
    num_refits: int
    training_seconds: float
    wall_seconds: float
    busy_fraction: float
    max_concurrent: int
    folder: str
    num_stopped: int = 0
    has_network: bool = True
    data_in: str = "memory"
    num_front: int = 0
    keeps_limits: bool = True
    weights: str | None = None

    @property
    def network(self) -> str:
        """Folder or URI of the best network, for `trainables.load_network`."""
        place, mark, options = self.folder.partition("?") if "://" in self.folder else (self.folder, "", "")
        return f"{place}/best{mark}{options}"

    def to_json(self) -> str:
        """Write all fields as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def __str__(self) -> str:
        """Write the report as text for people."""
        picture = "\n".join(f"    {line}" for line in draw(parse_architecture(self.best_arch)).splitlines())
        failures = f"{self.num_failed} failed, {self.num_nan} without a finite metric"
        if self.num_stopped:
            failures += f", {self.num_stopped} stopped early"
        start = f"Networks started from the weights of {self.weights}, not from random ones.\n" if self.weights else ""
        return f"""
Best of {self.num_trials} architectures on {self.task}, chosen by validation:

    {self.best_arch}

{picture}

    validation {self.metric}   {self.validation:.5f}
    test {self.metric}         {self.test:.5f}   (computed once, after the choice)
    parameters   {self.parameters:,}

{self.num_trials} trials, {failures}; {self.num_refits} refits of the predictor.
{self.training_seconds:.0f} s of training in {self.wall_seconds:.0f} s; {self.max_concurrent} workers, \
busy for {self.busy_fraction:.0%} of the time.
{READ_FROM_DISK if self.data_in == "disk" else ""}{start}\
Everything is in {self.folder}: report.html there shows it.{self._costs()}

{self._use() if self.has_network else self._loss()}"""

    def _costs(self) -> str:
        exceeded = "" if self.keeps_limits else "\nNo network keeps all limits on costs: this is the best of all."
        front = f"\nThe front of metric and costs has {self.num_front} networks: mpnas pareto {self.folder}"
        return exceeded + (front if self.num_front else "")

    def _use(self) -> str:
        return f"""To use the network:

    from trainables import load_network
    network = load_network({self.network!r})
    outputs = network(inputs)  # [N, channels, ...] as measured, not scaled
"""

    def _loss(self) -> str:
        return f"""The network itself is lost, and no whole checkpoint of it is left. To train it again, and one more:

    mpnas extend {self.folder} --num-samples {self.num_trials + 1}
"""


def earlier_report(folder: RunFolder) -> SearchReport | None:
    """Read the report of a complete search, as `read_report` does."""
    report = read_report(folder, SearchReport)
    return None if report is None else replace(report, has_network=True)


def read_report(folder: RunFolder, kind: type[_Report]) -> _Report | None:
    """Read the report of a complete run, which names the folder where it is now; None if it is new or unfinished.

    A report that is damaged is put aside: it is made again from the trials.

    Args:
        folder: Folder of the run.
        kind: Dataclass of the report, with a field ``folder``.
    """
    try:
        content = folder.read_json(REPORT_FILE)
        if content is None:
            return None
        known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # a newer version may say more
        found = from_plain(kind, {name: value for name, value in content.items() if name in known})
        str(found)  # draws its architecture
        return replace(found, folder=folder.shown)  # type: ignore[type-var]
    except (RunError, ValueError) as error:
        _logger.warning("%s of %s is damaged (%s): it is put aside, and made again.", REPORT_FILE, folder, error)
        folder.rename(REPORT_FILE, f"damaged-{REPORT_FILE}")
        return None
