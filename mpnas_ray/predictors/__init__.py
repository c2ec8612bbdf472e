"""Predictors of architecture quality."""

from __future__ import annotations

from mpnas_ray.predictors.gcn import GCNConfig, GCNPredictor
from mpnas_ray.predictors.loading import load_predictor
from mpnas_ray.predictors.predictor import Predictor

__all__ = ["GCNConfig", "GCNPredictor", "Predictor", "load_predictor"]
