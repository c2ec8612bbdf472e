"""Export the state of a running search to Prometheus, by way of Ray on the node of the search's driver.

All metrics are gauges, even counts. A count here is read from the searcher or from Tune's trials, goes on where it was
when a run is continued, and is 0 before the first failure. Ray's counters cannot be set to 0, and those of a driver
that has ended stay on its node and are added to those of the next driver; a gauge ends with its driver.
"""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from ray.tune import Callback
from ray.util.metrics import Gauge

from searchers import ArchitectureSearcher, PredictorSearch
from searchers.core.trials.observations import EVALUATED

__all__ = ["METRICS", "VERDICTS", "SearchMetrics"]

logger = logging.getLogger(__name__)

METRICS = {
    "mpnas_best_value": "Best last value of the trials that ended, in the metric's own unit and direction.",
    "mpnas_trials_finished": "Trials that ended without an error, those that a scheduler stopped or that gave NaN too.",
    "mpnas_trials_failed": "Trials that ended with an error.",
    "mpnas_trials_running": "Trials under way.",
    "mpnas_proposals": "Architectures that the searcher has proposed.",
    "mpnas_searcher_failures": "Failures inside the searcher that did not end the search, such as failed refits.",
    "mpnas_refits": "Number of times that the predictor was fitted.",
    "mpnas_ranking_age": "Results that the ranking in use does not know.",
    "mpnas_transfer_verdict": "Knowledge from other tasks hurts (-1), is undecided (0) or helps (1) on this one.",
}
"""Name -> description. Each has the tag ``run``, and in Prometheus the prefix ``ray_``. Only searchers with a predictor
have the last three, and only those with a meta-learned one have the verdict. Ranking age and verdict begin with the
first ranking and the first check."""

VERDICTS = {"hurts": -1, "undecided": 0, "helps": 1}
"""`searchers.model_based.ranking.transfer_check.Verdict` as the value of ``mpnas_transfer_verdict``."""

_SECONDS_BETWEEN_UPDATES = 5.0
"""Half of Ray's own default interval between two exports, ``metrics_report_interval_ms``."""


class SearchMetrics(Callback):
    """Keep the gauges of `METRICS` up to date; an error there never ends the search.

    Tune pickles searcher and callback together, so that a restored callback looks at the restored searcher.
    """

    def __init__(self, searcher: ArchitectureSearcher, run: str, metric: str, mode: str) -> None:
        """Export nothing before the first step of the experiment.

        Args:
            searcher: Searcher of the experiment.
            run: Value of the tag ``run``.
            metric: Key of the metric in the trials' results.
            mode: ``min`` or ``max``.
        """
        self._searcher = searcher
        self._run, self._metric, self._mode = run, metric, mode
        self._forget()

    def _forget(self) -> None:
        self._gauges: dict[str, Gauge] = {}
        self._updated = -math.inf
        self._warned = False

    def setup(self, *args: Any, **info: Any) -> None:
        """Begin or continue a run."""
        self._forget()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Update the gauges now and then, after Tune has handled an event."""
        if time.monotonic() - self._updated >= _SECONDS_BETWEEN_UPDATES:
            self._update(trials)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Export the last values."""
        self._update(trials)

    def _update(self, trials: list[Any]) -> None:
        try:
            for name, value in {**self._trial_values(trials), **self._searcher_values()}.items():
                if name not in self._gauges:
                    gauge = Gauge(name, description=METRICS[name], tag_keys=("run",))
                    self._gauges[name] = gauge.set_default_tags({"run": self._run})
                self._gauges[name].set(value)
        except Exception:  # one that gets through would end the experiment
            if not self._warned:
                logger.exception("The metrics of run %s could not be brought up to date.", self._run)
            self._warned = True
        self._updated = time.monotonic()

    def _trial_values(self, trials: list[Any]) -> dict[str, float]:
        statuses = [trial.status for trial in trials]
        values: dict[str, float] = {
            "mpnas_trials_finished": statuses.count("TERMINATED"),
            "mpnas_trials_failed": statuses.count("ERROR"),
            "mpnas_trials_running": statuses.count("RUNNING"),
        }
        last = [
            float(trial.last_result.get(self._metric, math.nan))
            for trial in trials
            if trial.status == "TERMINATED" and trial.last_result
        ]
        finite = [value for value in last if math.isfinite(value)]
        if finite:
            values["mpnas_best_value"] = max(finite) if self._mode == "max" else min(finite)
        return values

    def _searcher_values(self) -> dict[str, float]:
        searcher = self._searcher
        values: dict[str, float] = {
            "mpnas_proposals": sum(not trial_id.startswith(EVALUATED) for trial_id in searcher.observations.trials),
            "mpnas_searcher_failures": searcher.num_failures,
        }
        if not isinstance(searcher, PredictorSearch):
            return values
        values["mpnas_refits"] = searcher.num_refits
        if searcher.ranking_age is not None:
            values["mpnas_ranking_age"] = searcher.ranking_age
        if searcher.transfer_verdict is not None:
            values["mpnas_transfer_verdict"] = VERDICTS[searcher.transfer_verdict]
        return values

    def __getstate__(self) -> dict[str, Any]:
        """Leave the gauges, which belong to one process, out of Tune's pickles."""
        return {**self.__dict__, "_gauges": {}}
