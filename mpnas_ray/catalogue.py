"""Predictors and methods for learning curves, by name.

The predictors are those of the predictor study (White et al. 2021, "How Powerful are Performance Predictors in Neural
Architecture Search?") that learn from measured architectures alone, and the meta-learned ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpnas_ray.checks import MOST_SEED, require_seed
from mpnas_ray.curves import CURVE_METHODS, CurveMethod
from mpnas_ray.errors import PredictorError
from mpnas_ray.names import no_such
from mpnas_ray.predictors.base import Predictor
from mpnas_ray.predictors.gp.gaussian_process import GaussianProcessPredictor
from mpnas_ray.predictors.gp.kernel_process import KernelProcessPredictor
from mpnas_ray.predictors.neural.gcn import GCNPredictor
from mpnas_ray.predictors.neural.path_ensemble import PathEnsemblePredictor
from mpnas_ray.predictors.neural.semi_supervised import SemiSupervisedPredictor
from mpnas_ray.predictors.regression.estimators import require_library
from mpnas_ray.predictors.regression.predictor import regression_predictor
from mpnas_ray.pretrained.loading import load_predictor

__all__ = ["CURVE_METHODS", "PREDICTORS", "Family", "load_predictor", "make_curve_method", "make_predictor"]


@dataclass(frozen=True)
class Family:
    """One kind of predictor.

    Attributes:
        name: Short name, as on the command line.
        make: Function from a seed to a predictor that has seen no scores of the task.
        description: One line that says what it is, and who published it.
        fewest: Number of architectures with different scores from which it ranks. With fewer, it gives equal
            predictions or refuses to be fitted; a search then keeps its former order.
        requires: Optional library that it needs, of the extra ``predictors``.
        costs_only: True if it is for latencies and other costs that add up over operations, not for qualities.
    """

    name: str
    make: Callable[[int], Predictor]
    description: str
    fewest: int = 2
    requires: str | None = None
    costs_only: bool = False


def _regression(name: str, description: str, library: str | None = None) -> Family:
    return Family(name, lambda seed: regression_predictor(name, seed=seed), description, requires=library)


PREDICTORS: dict[str, Family] = {
    family.name: family
    for family in (
        Family("gp", lambda seed: GaussianProcessPredictor(), "Gaussian process, a length scale for each choice"),
        Family(
            "gp-path",
            lambda seed: KernelProcessPredictor("paths"),
            "Gaussian process on the path encoding (White et al. 2021, BANANAS)",
        ),
        Family(
            "gp-wl",
            lambda seed: KernelProcessPredictor("weisfeiler-lehman"),
            "Gaussian process with the Weisfeiler-Lehman kernel (Ru et al. 2021, NAS-BOWL)",
        ),
        Family(
            "gp-sparse",
            lambda seed: KernelProcessPredictor("weisfeiler-lehman", num_inducing=100, seed=seed),
            "the same with 100 inducing points (Titsias 2009)",
        ),
        Family(
            "gp-graf",
            lambda seed: KernelProcessPredictor("graph-features"),
            "Gaussian process on graph features (Kadlecova et al. 2024, GRAF)",
        ),
        _regression("random-forest", "random forest (Breiman 2001)"),
        _regression("xgboost", "gradient boosting (Chen and Guestrin 2016)", "xgboost"),
        _regression("lightgbm", "gradient boosting (Ke et al. 2017), as in GBDT-NAS (Luo et al. 2020)", "lightgbm"),
        _regression("ngboost", "gradient boosting of a normal distribution (Duan et al. 2020)", "ngboost"),
        _regression("bayes-linear", "Bayesian linear regression (MacKay 1992)"),
        _regression("mlp", "multilayer perceptron, of BANANAS's shape"),
        Family(
            "bananas",
            lambda seed: PathEnsemblePredictor(seed=seed),
            "five networks on the path encoding (White et al. 2021, BANANAS)",
        ),
        Family("gcn", lambda seed: GCNPredictor(seed=seed), "graph network, squared error"),
        Family(
            "brp-nas",
            lambda seed: GCNPredictor(loss="pairwise", seed=seed),
            "graph network that learns which of two is better (Dudziak et al. 2020, BRP-NAS)",
        ),
        Family(
            "seminas",
            lambda seed: SemiSupervisedPredictor(seed=seed),
            "graph network that also learns from unmeasured architectures, like SemiNAS (Luo et al. 2020)",
        ),
        Family("mp-nas", lambda seed: load_predictor(), "meta-learned mixture, ours: knows other tasks", fewest=0),
        Family(
            "cost",
            lambda seed: load_predictor("cost"),
            "Bayesian linear regression of a cost on operation counts, ours: knows other devices",
            fewest=0,
            costs_only=True,
        ),
    )
}
"""Predictor by name."""


def make_predictor(name: str, seed: int = 0) -> Predictor:
    """Make a predictor that has seen no scores of the task.

    Args:
        name: Name in `PREDICTORS`.
        seed: Seed of what it draws when fitted.

    Raises:
        PredictorError: If there is none of that name, if it needs a library that is not installed, or if the seed is
            not a whole number from 0 to 2^32 - 1.
    """
    if name not in PREDICTORS:
        raise PredictorError(no_such("predictor", name, PREDICTORS))
    require_seed("seed", seed, at_most=MOST_SEED, error=PredictorError)
    family = PREDICTORS[name]
    if family.requires is not None:
        require_library(family.requires)
    return family.make(seed)


def make_curve_method(name: str, seed: int = 0) -> CurveMethod:
    """Make a method that judges partially trained networks and has been fitted to nothing.

    Args:
        name: Name in `CURVE_METHODS`. ``lcranknet`` is not pre-trained; see `mpnas_ray.curves.BUNDLED_NETWORK`.
        seed: Seed of what it draws when fitted.

    Raises:
        PredictorError: If there is none of that name, or if the seed is not a whole number from 0 to 2^32 - 1.
    """
    if name not in CURVE_METHODS:
        raise PredictorError(no_such("curve method", name, CURVE_METHODS))
    require_seed("seed", seed, at_most=MOST_SEED, error=PredictorError)
    return CURVE_METHODS[name].make(seed)
