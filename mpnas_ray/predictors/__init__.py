"""Predictors of architecture quality."""

from __future__ import annotations

from mpnas_ray.predictors.gaussian_process import GaussianProcessPredictor, GaussianProcessPrior
from mpnas_ray.predictors.gcn import GCNConfig, GCNPredictor
from mpnas_ray.predictors.loading import load_predictor
from mpnas_ray.predictors.path_ensemble import PathEnsembleConfig, PathEnsemblePredictor
from mpnas_ray.predictors.predictor import MetaLearned, Predictor

__all__ = [
    "GCNConfig",
    "GCNPredictor",
    "GaussianProcessPredictor",
    "GaussianProcessPrior",
    "MetaLearned",
    "PathEnsembleConfig",
    "PathEnsemblePredictor",
    "Predictor",
    "load_predictor",
]
