"""Predictors of architecture quality."""

from __future__ import annotations

from mpnas_ray.predictors.cost import CostConfig, CostPredictor, KnownDevice
from mpnas_ray.predictors.families import PREDICTORS, Family, make_predictor
from mpnas_ray.predictors.gaussian_process import GaussianProcessPredictor, GaussianProcessPrior
from mpnas_ray.predictors.gcn import GCNConfig, GCNPredictor
from mpnas_ray.predictors.kernel_process import KernelProcessPredictor
from mpnas_ray.predictors.loading import load_predictor
from mpnas_ray.predictors.path_ensemble import PathEnsembleConfig, PathEnsemblePredictor
from mpnas_ray.predictors.predictor import Evidential, MetaLearned, Predictor
from mpnas_ray.predictors.regression import RegressionPredictor, UncertainRegressionPredictor, regression_predictor
from mpnas_ray.predictors.semi_supervised import SemiSupervisedConfig, SemiSupervisedPredictor

__all__ = [
    "PREDICTORS",
    "CostConfig",
    "CostPredictor",
    "Evidential",
    "Family",
    "GCNConfig",
    "GCNPredictor",
    "GaussianProcessPredictor",
    "GaussianProcessPrior",
    "KernelProcessPredictor",
    "KnownDevice",
    "MetaLearned",
    "PathEnsembleConfig",
    "PathEnsemblePredictor",
    "Predictor",
    "RegressionPredictor",
    "SemiSupervisedConfig",
    "SemiSupervisedPredictor",
    "UncertainRegressionPredictor",
    "load_predictor",
    "make_predictor",
    "regression_predictor",
]
