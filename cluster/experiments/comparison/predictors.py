"""Meta-learned predictors for a comparison: one for each set of sources, made once and kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from cluster.artifacts.meta_training import meta_learn
from cluster.experiments.comparison.presets import sources_of_space
from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.pretrained import load_checkpoint, refuse_if_seen
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["COMPARED", "check_predictor", "learn_predictor", "predictor_name"]

COMPARED = MixtureConfig(iterations=100)
"""Settings of the predictors of a comparison. Sources are tables of the very space, whose measurements are remembered,
so that what the graph network says counts for the few cells alone that a source has not measured: twelve times as many
steps would take most of an hour and change next to nothing."""


def predictor_name(sources: Mapping[str, TableTask], seed: int) -> str:
    """Name of the checkpoint of these sources of one space, e.g. ``nasbench201.without.cifar10.seed0``.

    With latencies of all devices among them it begins with ``nasbench201-all-devices``.
    """
    space = next(iter(sources)).partition("/")[0]
    all_devices = not set(sources).issubset(sources_of_space(space))
    known = sources_of_space(space, all_devices=all_devices)
    missing = [name.partition("/")[2] for name in known if name not in sources]
    first = f"{space}-all-devices" if all_devices else space
    return ".".join([first, *(["without", *missing] if missing else ["all"]), f"seed{seed}"])


def check_predictor(path: Path, sources: Mapping[str, TableTask], config: MixtureConfig, target: TableTask) -> bool:
    """Whether there is a checkpoint for a target, which then is the right one.

    Args:
        path: Without ending.
        sources: What it is to be learned from.
        config: How.
        target: What it is to be judged on.

    Raises:
        PredictorError: If what is there is damaged, has seen the target, or was learned otherwise.
    """
    if not path.with_name(f"{path.name}.json").exists():
        return False
    _, card = load_checkpoint(path)
    refuse_if_seen(card, target)
    if set(card.tasks) != set(sources) or card.config != config:
        what = "in another way" if set(card.tasks) == set(sources) else f"from {', '.join(card.tasks)}"
        raise PredictorError(
            f"The predictor {path} was meta-learned {what}, not as this comparison needs it (from "
            f"{', '.join(sources)}): take its files away, and it is made anew, or name another folder."
        )
    return True


def learn_predictor(names: tuple[str, ...], config: MixtureConfig, path: Path, tables: Path) -> float:
    """Meta-learn from these tasks and write the checkpoint; interrupted and called again, it goes on. Seconds."""
    start = time.monotonic()
    unfinished = path.with_name(f"{path.name}.training")
    meta_learn(load_tasks(tables, names), config, path, name=path.name, unfinished=unfinished, command="mpnas compare")
    unfinished.unlink(missing_ok=True)
    return time.monotonic() - start
