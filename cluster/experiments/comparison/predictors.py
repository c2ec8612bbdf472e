"""Meta-learned predictors for a comparison: one for each set of sources, made once and kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cluster.artifacts.learned_predictors import PredictorToLearn
from cluster.experiments.comparison.presets import sources_of_space
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.tables import TableTask, load_tasks

__all__ = ["COMPARED", "predictor_name", "predictor_to_learn"]

COMPARED = MixtureConfig(iterations=100)
"""Settings of the predictors of a comparison. Sources are tables of the very space, whose measurements are remembered,
so that what the graph network says counts for the few cells alone that a source has not measured: twelve times as many
steps would take most of an hour and change next to nothing."""


def predictor_name(sources: Mapping[str, TableTask], seed: int) -> str:
    """Name the checkpoint of these sources of one space, e.g. ``nasbench201.without.cifar10.seed0``.

    With latencies of all devices among them it begins with ``nasbench201-all-devices``.
    """
    space = next(iter(sources)).partition("/")[0]
    all_devices = not set(sources).issubset(sources_of_space(space))
    known = sources_of_space(space, all_devices=all_devices)
    missing = [name.partition("/")[2] for name in known if name not in sources]
    first = f"{space}-all-devices" if all_devices else space
    return ".".join([first, *(["without", *missing] if missing else ["all"]), f"seed{seed}"])


def predictor_to_learn(
    folder: Path, sources: Mapping[str, TableTask], config: MixtureConfig, tables: Path
) -> PredictorToLearn:
    """Describe the predictor of these sources, of the seed that the configuration has.

    Args:
        folder: Folder of the checkpoints.
        sources: Tasks of one space that it is to be learned from.
        config: Settings of the learning.
        tables: Folder of NAS tables, from which the sources are read again where it is learned.
    """
    names = tuple(sources)
    path = folder / predictor_name(sources, config.seed)
    return PredictorToLearn(path, names, partial(load_tasks, tables, names), config, "mpnas compare")
