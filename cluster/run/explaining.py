"""Explain architectures by what the predictor has learned from the results of a run."""

from __future__ import annotations

import logging

from cluster.observe.events import read_events
from cluster.report.view import RunView, as_score
from cluster.run.reading import EXPLANATION_FILE, network_sizes, read_run
from cluster.run.record import RunRecord
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import PredictorError, RunError
from mpnas_ray.explaining import Explanation, explain
from mpnas_ray.explaining.swaps import Costs
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.predictors import Predictor
from mpnas_ray.predictors.support import thinned_points
from mpnas_ray.pretrained import find_checkpoint, load_checkpoint
from mpnas_ray.spaces import Architectures, get_space

__all__ = ["explain_in_run", "write_explanation"]

_LEAST = 5
"""Number of results from which the winner is explained: with fewer, the predictor speaks of other tasks alone."""

_logger = logging.getLogger(__name__)


def explain_in_run(folder: RunFolder, arch: str | None = None, *, costs: Costs | None = None) -> Explanation:
    """Explain an architecture by the predictor of a run, adapted to all whole trainings.

    A search without a meta-learned predictor is explained by the default one.

    Args:
        folder: Folder of the run, which may be complete, under way or stopped.
        arch: Architecture string; the best one of the run if None.
        costs: Costs to compare beside parameters and FLOPs; see `mpnas_ray.explain`.

    Raises:
        RunError, OSError: If the run has no result yet, or cannot be read.
        PredictorError: If the predictor cannot be read, or does not rank qualities.
        SearchSpaceError: If the architecture is none of the run's space.
    """
    run, record = read_run(folder), RunRecord.read(folder)
    if record is None or run.best is None:
        raise RunError(f"{folder} has no result yet: there is nothing to explain.")
    space = get_space(record.config.space)
    asked = space.parse(arch or run.best.arch)
    sessions = [event for event in read_events(folder) if event.get("event") == "session"]
    sizes = network_sizes(sessions[-1] if sessions else {}, record)
    counted: Costs = {} if sizes is None else {"parameters": sizes.parameters, "FLOPs": sizes.flops}
    return explain(_adapted(record, run), asked, costs={**counted, **(costs or {})})


def write_explanation(folder: RunFolder) -> None:
    """Explain the winner of a complete run, and write that beside its report.

    Nothing that fails here reaches the run: it is logged.
    """
    try:
        if len(_whole(read_run(folder))) >= _LEAST:
            folder.write(EXPLANATION_FILE, explain_in_run(folder).to_json())
    except Exception as error:  # an explanation is worth no run
        _logger.warning("Could not explain the best architecture of %s: %s: %s", folder, type(error).__name__, error)


def _whole(run: RunView) -> list[tuple[str, float]]:
    """List architectures and scores of the trials that went through all epochs, in their order."""
    counted = {trial.number for trial in run.ranked if trial.state == "complete"}
    return [(trial.arch, as_score(trial.value, run.mode)) for trial in run.trials if trial.number in counted]


def _adapted(record: RunRecord, run: RunView) -> Predictor:
    config, space = record.config, get_space(record.config.space)
    name = config.predictor if config.searcher == "mpnas" else "default"
    loaded, card = load_checkpoint(find_checkpoint(name, space))
    if not card.covers(space):
        raise PredictorError(f"The predictor {card.name!r} does not know all operations of {space.name}.")
    predictor = loaded.measuring("quality") if isinstance(loaded, MixturePredictor) else loaded
    results = _whole(run)
    if not results:
        return predictor
    scores = [score for _, score in results]
    kept = thinned_points(scores)
    return predictor.adapt(Architectures.of([results[row][0] for row in kept], space), [scores[row] for row in kept])
