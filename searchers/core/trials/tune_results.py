"""Results as Tune hands them to a searcher: the trial, the config, the iteration and the score in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpnas_ray.errors import MPNASError
from mpnas_ray.metric_values import find_metric, metric_value
from searchers.core.proposals import Proposals
from searchers.core.trials.observations import Observations, TrialRecord

__all__ = ["config_of", "iteration_of", "recognise", "score_of"]

_MISSING = object()


def config_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config in a result, which Tune hands over nested or flattened to ``config/...``; empty if none is."""
    config = result.get("config")
    if isinstance(config, Mapping):
        return dict(config)
    found: dict[str, Any] = {}
    for name, value in result.items():
        if isinstance(name, str) and name.startswith("config/"):
            *way, last = name.split("/")[1:]
            inner = found
            for key in way:
                inner = inner.setdefault(key, {})
                if not isinstance(inner, dict):
                    break
            else:
                inner[last] = value
    return found


def iteration_of(result: Mapping[str, Any]) -> int | None:
    """Return the training iteration of a result; None if it names none that is a number of iterations."""
    number = metric_value(result.get("training_iteration"))
    return int(number) if 0 <= number < 2**53 else None


def score_of(result: Mapping[str, Any], metric: str | None, mode: str | None) -> float | None:
    """Return the metric of a result so that higher is better; None if the result has no such metric.

    A metric whose value is no number, such as the None of a training that failed, is NaN.
    """
    if metric is None or (value := find_metric(result, metric, _MISSING)) is _MISSING:
        return None
    return metric_value(value) * (-1 if mode == "min" else 1)


def recognise(observations: Observations, proposals: Proposals, trial_id: str, result: Mapping[str, Any]) -> None:
    """Take note of the architecture in a result's config, if it is not the one that the trial is known by.

    Tune resets failed trials under new ids that were never suggested, and a scheduler may give a trial the config of
    another one: the value belongs to the architecture of the config.
    """
    record, config = observations.trials.get(trial_id), config_of(result)
    text = config.pop("arch", None)
    if record is not None and (text is None or text == record.arch or record.status != "pending"):
        return
    try:
        arch = proposals.candidates.space.parse(text) if isinstance(text, str) else None
    except MPNASError:
        arch = None
    if arch is not None and (record is None or str(arch) != record.arch):
        proposals.add(arch)
        observations.trials[trial_id] = TrialRecord(str(arch), config=config)
