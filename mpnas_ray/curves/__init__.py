"""Methods that judge partially trained networks by their learning curves."""

from __future__ import annotations

from mpnas_ray.curves.methods import CURVE_METHODS, CurveMethodEntry
from mpnas_ray.curves.network_files import load_network, save_network
from mpnas_ray.curves.partial import CurveMethod, PartialCurves, final_scores
from mpnas_ray.curves.rank_learning import LCRankNetMethod, TaskCurves, pretrain
from mpnas_ray.curves.ranknet import LCRankNet, RankNetConfig

__all__ = [
    "CURVE_METHODS",
    "CurveMethod",
    "CurveMethodEntry",
    "LCRankNet",
    "LCRankNetMethod",
    "PartialCurves",
    "RankNetConfig",
    "TaskCurves",
    "final_scores",
    "load_network",
    "pretrain",
    "save_network",
]
