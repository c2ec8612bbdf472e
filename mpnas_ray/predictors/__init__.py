"""Predictors of architecture quality."""

from __future__ import annotations

from mpnas_ray.predictors.base import Evidential, KnowsSources, MetaLearned, Predictor, SourceWeight, Uncertain
from mpnas_ray.predictors.cost.devices import KnownDevice
from mpnas_ray.predictors.cost.predictor import CostConfig, CostPredictor
from mpnas_ray.predictors.gp.gaussian_process import GaussianProcessPredictor, GaussianProcessPrior
from mpnas_ray.predictors.gp.kernel_process import KernelProcessPredictor
from mpnas_ray.predictors.neural.gcn import GCNConfig, GCNPredictor
from mpnas_ray.predictors.neural.path_ensemble import PathEnsembleConfig, PathEnsemblePredictor
from mpnas_ray.predictors.neural.semi_supervised import SemiSupervisedConfig, SemiSupervisedPredictor
from mpnas_ray.predictors.regression.predictor import (
    RegressionPredictor,
    UncertainRegressionPredictor,
    regression_predictor,
)

__all__ = [
    "CostConfig",
    "CostPredictor",
    "Evidential",
    "GCNConfig",
    "GCNPredictor",
    "GaussianProcessPredictor",
    "GaussianProcessPrior",
    "KernelProcessPredictor",
    "KnownDevice",
    "KnowsSources",
    "MetaLearned",
    "PathEnsembleConfig",
    "PathEnsemblePredictor",
    "Predictor",
    "RegressionPredictor",
    "SemiSupervisedConfig",
    "SemiSupervisedPredictor",
    "SourceWeight",
    "Uncertain",
    "UncertainRegressionPredictor",
    "regression_predictor",
]
