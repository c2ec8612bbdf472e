"""What came out of a search: as JSON in its folder, and as text for people."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ray.tune.integration.ray_train import CHECKPOINT_PATH_KEY

from mpnas_ray.errors import RunError
from mpnas_ray.spaces import draw, parse_architecture
from trainables.user_code import failure_in_text

__all__ = ["SearchReport", "best_result", "error_file", "is_complete"]


@dataclass(frozen=True)
class SearchReport:
    """Facts of a finished search.

    Attributes:
        task: Name of the task.
        space: Name of the search space.
        searcher: Name of the searcher.
        preset: Sizes of the networks.
        seed: Of the searcher and of the trainings.
        metric: Name of the metric, without ``validation_``.
        mode: ``min`` or ``max``.
        best_arch: The architecture with the best validation score among those whose training is complete; among all if
            there is none.
        validation: Its validation score; the choice was made by this.
        test: Its test score, computed once, after the choice.
        parameters: Of its network.
        num_trials: Trials that ended, failed ones included.
        num_failed: Trials that raised.
        num_nan: Trials whose metric was not finite.
        num_refits: How often the predictor was fitted.
        training_seconds: Summed over all trials, validation included.
        wall_seconds: From the start of the search to its end; of the last session if it was continued.
        busy_fraction: Share of that time that the places for trials spent training.
        max_concurrent: Number of these places.
        folder: Of the run.
        num_stopped: Trials that a scheduler or a time budget ended before their last epoch.
        has_network: Whether the best network is there.
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
    num_stopped: int = 0  # not in older reports
    has_network: bool = True

    @property
    def network(self) -> str:
        """Where the best network is, for `trainables.load_network`."""
        place, mark, options = self.folder.partition("?") if "://" in self.folder else (self.folder, "", "")
        return f"{place}/best{mark}{options}"

    def to_json(self) -> str:
        """All fields."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def __str__(self) -> str:
        """For people."""
        picture = "\n".join(f"    {line}" for line in draw(parse_architecture(self.best_arch)).splitlines())
        failures = f"{self.num_failed} failed, {self.num_nan} without a finite metric"
        if self.num_stopped:
            failures += f", {self.num_stopped} stopped early"
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
Everything is in {self.folder}

{self._use() if self.has_network else self._loss()}"""

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


def is_complete(result: Any, epochs: int) -> bool:
    """Whether a trial's training went through all of its epochs."""
    return int((result.metrics or {}).get("epoch", 0)) >= epochs


def error_file(result: Any) -> str:
    """Where the full traceback of a failed trial is, as a sentence that follows its error in a line."""
    path = getattr(result, "path", None)
    return f". The full traceback is in {path}/error.txt" if path else ""


def best_result(results: Iterable[Any], metric_key: str, mode: str, epochs: int) -> Any:
    """The trial result with the best last value of a metric.

    Failed trials, values that are not finite and trials without a checkpoint do not count. Those whose training went
    through all ``epochs`` go before those that were stopped, whose values do not compare.

    Raises:
        RunError: If no trial has one; the message holds the first error, or says that no training came to a result.
    """
    ended = list(results)
    finite = [
        result
        for result in ended
        if result.error is None
        and (result.checkpoint is not None or CHECKPOINT_PATH_KEY in (result.metrics or {}))  # one worker, several
        and math.isfinite((result.metrics or {}).get(metric_key, math.nan))
    ]
    if not finite:
        errors = [f"{failure_in_text(str(r.error))}{error_file(r)}" for r in ended if r.error is not None]
        if not errors and not any(metric_key in (result.metrics or {}) for result in ended):
            raise RunError(f"No trial gave a {metric_key}: the run ended before their first epoch. Give it more time.")
        again = (
            ". A trial that failed is not repeated: once that is mended, search under another name." if errors else ""
        )
        raise RunError(
            f"No trial gave a finite {metric_key}. First error: {errors[0] if errors else 'none raised'}{again}"
        )
    complete = [result for result in finite if is_complete(result, epochs)]
    return (max if mode == "max" else min)(complete or finite, key=lambda result: result.metrics[metric_key])
