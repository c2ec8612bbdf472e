"""Methods that judge partially trained networks by their learning curves."""

from __future__ import annotations

from mpnas_ray.curves.methods import CURVE_METHODS, CurveMethodEntry
from mpnas_ray.curves.network_files import BUNDLED_NETWORK, bundled_network, load_network, save_network
from mpnas_ray.curves.partial import CurveMethod, PartialCurves, final_scores
from mpnas_ray.curves.pretraining import Pretrained, pretrain_on_table, pretrain_without
from mpnas_ray.curves.rank_learning import LCRankNetMethod, TaskCurves, pretrain
from mpnas_ray.curves.ranknet import LCRankNet, RankNetConfig

__all__ = [
    "BUNDLED_NETWORK",
    "CURVE_METHODS",
    "CurveMethod",
    "CurveMethodEntry",
    "LCRankNet",
    "LCRankNetMethod",
    "PartialCurves",
    "Pretrained",
    "RankNetConfig",
    "TaskCurves",
    "bundled_network",
    "final_scores",
    "load_network",
    "pretrain",
    "pretrain_on_table",
    "pretrain_without",
    "save_network",
]
