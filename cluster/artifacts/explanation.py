"""Explain why an architecture is ranked where it is, as ``mpnas explain`` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.artifacts.config import ExplanationConfig
from cluster.artifacts.prediction import AdaptedPredictor, read_observed
from cluster.run.explaining import explain_in_run
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import PredictorError
from mpnas_ray.explaining import Explanation, explain
from mpnas_ray.pretrained import find_checkpoint, load_checkpoint
from mpnas_ray.spaces import Architectures, parse_architecture
from trainables.networks.limits import NetworkSizes

__all__ = ["LATENCY", "explain_architecture"]

LATENCY = "latency in ms"
"""Name of the cost that measured latencies give."""

_USUAL = NetworkSizes((3, 32, 32), 10)
"""Sizes where no run says what the data are like: those of networks for CIFAR-10."""

_CostOfArchs = Callable[[Architectures], NDArray[np.float64]]


def explain_architecture(config: ExplanationConfig) -> Explanation:
    """Explain an architecture by a meta-learned predictor, or by what it has learned from a run.

    Raises:
        RunError, OSError: If the run has no result yet, or cannot be read.
        SearchSpaceError: If the string is no architecture of the space.
        PredictorError: If the predictor cannot be read, does not cover the space or a file is not as it should be.
    """
    costs = {} if config.latencies is None else {LATENCY: _latency(Path(config.latencies))}
    if config.run is not None:
        return explain_in_run(RunFolder.of_run(config.run, writable=False), config.arch, costs=costs)
    asked = parse_architecture(str(config.arch).strip())
    adapted = AdaptedPredictor.of(config, asked.space)
    sizes = {"parameters": _USUAL.parameters, "FLOPs": _USUAL.flops}
    return explain(adapted.predictor, asked, costs={**sizes, **costs})


def _latency(path: Path) -> _CostOfArchs:
    """Make a function that predicts latencies from the measured ones of a file."""
    known: dict[str, Any] = {}

    def predicted(archs: Architectures) -> NDArray[np.float64]:
        if archs.space.name not in known:
            measured, values = read_observed(path, archs.space)
            if len(set(values)) < 2:
                raise PredictorError(f"{path} holds no latencies that differ: nothing can be predicted from them.")
            cost, _ = load_checkpoint(find_checkpoint("cost"))
            known[archs.space.name] = cost.adapt(Architectures.of(measured, archs.space), -np.array(values))
        latencies: NDArray[np.float64] = -known[archs.space.name].predict(archs)
        return latencies

    return predicted
