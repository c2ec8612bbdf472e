"""The method of the paper: a GCN predictor meta-learned over many NAS tasks, adapted to a new one by a few gradient
steps (MP-NAS: BOIL; MAML and ANIL beside it).
"""

from __future__ import annotations

from mpnas_ray.meta_learning.common.network import Graphs, Parameters, forward, graphs_of, initial_parameters
from mpnas_ray.meta_learning.common.pooling import MeasuredTask, SpacePool, pool_by_space
from mpnas_ray.meta_learning.gradient.config import Algorithm, MetaConfig
from mpnas_ray.meta_learning.gradient.episodes import EpisodePool, Episodes
from mpnas_ray.meta_learning.gradient.inner_loop import InnerRates, adapt, trajectory
from mpnas_ray.meta_learning.gradient.predictor import MetaPredictor
from mpnas_ray.meta_learning.gradient.training import MetaResult, Progress, meta_train

__all__ = [
    "Algorithm",
    "EpisodePool",
    "Episodes",
    "Graphs",
    "InnerRates",
    "MeasuredTask",
    "MetaConfig",
    "MetaPredictor",
    "MetaResult",
    "Parameters",
    "Progress",
    "SpacePool",
    "adapt",
    "forward",
    "graphs_of",
    "initial_parameters",
    "meta_train",
    "pool_by_space",
    "trajectory",
]
