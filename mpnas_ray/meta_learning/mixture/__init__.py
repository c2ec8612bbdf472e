"""The default predictor: what is known of other tasks as a mixture of hypotheses about a new one, in closed form."""

from __future__ import annotations

from mpnas_ray.meta_learning.mixture.config import MixtureConfig
from mpnas_ray.meta_learning.mixture.knowledge import Source
from mpnas_ray.meta_learning.mixture.predictor import MixturePredictor
from mpnas_ray.meta_learning.mixture.training import MixtureResult, meta_train_mixture

__all__ = ["MixtureConfig", "MixturePredictor", "MixtureResult", "Source", "meta_train_mixture"]
