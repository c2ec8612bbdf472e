"""Regression by well-kept libraries, on encoded architectures.

Hyperparameters are the defaults of the predictor study (White et al. 2021, "How Powerful are Performance Predictors in
Neural Architecture Search?") in its released code, NASLib. What is ours is said at its place: mostly leaves that shrink
with the number of points, so that something is learned of a handful. Theirs is the adjacency encoding, which boosting
keeps; forest, linear regression and multilayer perceptron have ``paths``, which ranked better from 50 and more
architectures of NAS-Bench-201 (CIFAR-10, NinaPro) and NAS-Bench-101 in all cases but one.

All run on one thread, since trials run beside them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mpnas_ray.errors import PredictorError
from mpnas_ray.extras import require_extra
from mpnas_ray.predictors.encodings.vectors import Encoding

__all__ = ["ESTIMATORS", "Estimator", "require_library"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimator:
    """One kind of regression: the function that fits it, and what it knows of its uncertainty.

    Attributes:
        fit: Function from rows ``[N, F]``, targets ``[N]`` (of mean 0 and standard deviation 1) and a seed to a fitted
            model, whose ``predict`` takes rows.
        encoding: Encoding of the architectures as rows.
        functions: Function from a fitted model, rows ``[N, F]``, a number and a generator to functions that the targets
            may be, ``[number, N]``; None for a model that does not know its uncertainty.
        std: Function from a fitted model and rows to standard deviations ``[N]``; None likewise.
    """

    fit: Callable[[Floats, Floats, int], Any]
    encoding: Encoding = "adjacency"
    functions: Callable[[Any, Floats, int, Generator], Floats] | None = None
    std: Callable[[Any, Floats], Floats] | None = None


def require_library(name: str) -> None:
    """Refuse a predictor whose library, of the extra ``predictors``, is not installed.

    Raises:
        PredictorError: If it is not.
    """
    require_extra("predictors", name, to="This predictor", error=PredictorError)


def _import_library(name: str) -> Any:
    require_library(name)
    return import_module(name)


def _random_forest(rows: Floats, targets: Floats, seed: int) -> Any:
    """Fit a random forest with the values of NAS-Bench-301 (Zela et al. 2022), which NASLib takes too."""
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(
        n_estimators=116,
        max_features=0.17055852159745608,
        min_samples_leaf=min(2, len(targets) // 2),
        bootstrap=False,
        n_jobs=1,
        random_state=seed,
    ).fit(rows, targets)


def _trees(forest: Any, rows: Floats) -> Floats:
    """Predict with each tree, ``[trees, N]``."""
    return np.stack([tree.predict(rows.astype(np.float32)) for tree in forest.estimators_])


def _forest_std(forest: Any, rows: Floats) -> Floats:
    return np.asarray(_trees(forest, rows).std(axis=0, ddof=1))


def _forest_functions(forest: Any, rows: Floats, num: int, rng: Generator) -> Floats:
    """Draw functions with the mean and the covariance of the trees, as `PathEnsemblePredictor.sample_scores`."""
    trees = _trees(forest, rows)
    mean = trees.mean(axis=0)
    coefficients = rng.standard_normal((num, len(trees))) / np.sqrt(len(trees) - 1)
    return np.asarray(mean + coefficients @ (trees - mean))


def _xgboost(rows: Floats, targets: Floats, seed: int) -> Any:
    return (
        _import_library("xgboost")
        .XGBRegressor(n_estimators=500, max_depth=6, learning_rate=0.3, min_child_weight=1, n_jobs=1, random_state=seed)
        .fit(rows, targets)
    )


def _lightgbm(rows: Floats, targets: Floats, seed: int) -> Any:
    """Fit with the values of GBDT-NAS (Luo et al. 2020); its leaves of 5 points learn nothing from less than ten."""
    return (
        _import_library("lightgbm")
        .LGBMRegressor(
            n_estimators=500,
            num_leaves=31,
            learning_rate=0.05,
            min_child_samples=min(5, max(1, len(targets) // 5)),
            colsample_bytree=0.9,
            subsample=0.8,
            subsample_freq=5,
            n_jobs=1,
            random_state=seed,
            deterministic=True,
            force_row_wise=True,
            verbose=-1,
        )
        .fit(rows, targets)
    )


def _without_checks() -> AbstractContextManager[None]:
    """Let scikit-learn not check parameters and values, which takes a third of the time of small trees."""
    from sklearn import config_context

    return cast(AbstractContextManager[None], config_context(skip_parameter_validation=True, assume_finite=True))


def _ngboost(rows: Floats, targets: Floats, seed: int) -> Any:
    """Fit trees that predict mean and log standard deviation of a normal distribution (Duan et al. 2020).

    NASLib's leaves hold at least 15 points, or half of all, which half of the points at a time never fill below 60:
    ours shrink faster.
    """
    from sklearn.tree import DecisionTreeRegressor

    library = _import_library("ngboost")
    tree = DecisionTreeRegressor(
        max_depth=6,
        max_features=0.7920456318712875,
        min_samples_leaf=min(max(len(targets) // 20, 1), 15),
        random_state=seed,
    )
    model = library.NGBRegressor(
        Base=tree,
        n_estimators=505,
        learning_rate=0.08127053060223186,
        minibatch_frac=max(0.5081694143793387, 2 / len(targets)),
        random_state=seed,
        verbose=False,
    )
    with _without_checks():
        return model.fit(rows, targets)


def _ngboost_std(model: Any, rows: Floats) -> Floats:
    return np.asarray(model.pred_dist(rows).scale)


def _ngboost_functions(model: Any, rows: Floats, num: int, rng: Generator) -> Floats:
    """Draw at each architecture independently: a distribution for each is all that the model gives."""
    predicted = model.pred_dist(rows)
    return np.asarray(predicted.loc + predicted.scale * rng.standard_normal((num, len(rows))))


_NUM_MEMBERS = 10


@dataclass(frozen=True)
class _Members:
    """Models of one kind that were fitted to different samples of the points."""

    models: tuple[Any, ...]

    def by_member(self, rows: Floats) -> Floats:
        """Predict with each member, ``[members, N]``."""
        return np.stack([model.predict(rows) for model in self.models])

    def predict(self, rows: Floats) -> Floats:
        """Predict the mean over the members, ``[N]``."""
        return np.asarray(self.by_member(rows).mean(axis=0))


def _bootstrapped_trees(rows: Floats, targets: Floats, seed: int) -> _Members:
    """Fit boosted trees (Friedman 2001), each to as many points as there are, drawn with replacement.

    With scikit-learn's settings but for fifty trees, which take half the time of a hundred. Not in the study.
    """
    from sklearn.ensemble import GradientBoostingRegressor

    rng = np.random.default_rng(seed)
    models = []
    for _ in range(_NUM_MEMBERS):
        drawn = rng.integers(len(targets), size=len(targets))
        model = GradientBoostingRegressor(n_estimators=50, random_state=int(rng.integers(2**32)))
        with _without_checks():
            models.append(model.fit(rows[drawn], targets[drawn]))
    return _Members(tuple(models))


def _members_std(members: _Members, rows: Floats) -> Floats:
    return np.asarray(members.by_member(rows).std(axis=0, ddof=1))


def _members_functions(members: _Members, rows: Floats, num: int, rng: Generator) -> Floats:
    """Draw members at random, with replacement: a bootstrap sample stands for a draw from the posterior."""
    return members.by_member(rows)[rng.integers(len(members.models), size=num)]


def _bayesian_linear(rows: Floats, targets: Floats, seed: int) -> Any:
    """Fit a linear regression with both precisions by evidence (MacKay 1992); NASLib starts from 1 and 100."""
    from sklearn.linear_model import BayesianRidge

    return BayesianRidge().fit(rows, targets)


def _linear_std(model: Any, rows: Floats) -> Floats:
    """Compute the standard deviations without the noise."""
    centred = rows - model.X_offset_
    return np.asarray(np.sqrt(np.maximum(((centred @ model.sigma_) * centred).sum(axis=1), 0.0)))


def _linear_functions(model: Any, rows: Floats, num: int, rng: Generator) -> Floats:
    coefficients = rng.multivariate_normal(model.coef_, model.sigma_, size=num, method="eigh")
    return np.asarray(model.intercept_ + coefficients @ (rows - model.X_offset_).T + model.X_offset_ @ model.coef_)


def _mlp(rows: Floats, targets: Floats, seed: int) -> Any:
    """Fit one network of the shape and training of BANANAS (White et al. 2021), but by squared errors.

    NASLib's, of 20 layers and absolute errors, is not in this library.
    """
    from sklearn.neural_network import MLPRegressor

    network = MLPRegressor(
        hidden_layer_sizes=(20,) * 10,
        learning_rate_init=0.01,
        beta_2=0.99,
        batch_size=min(32, len(targets)),
        max_iter=150,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 150 epochs may end before convergence
        return network.fit(rows, targets)


ESTIMATORS: dict[str, Estimator] = {
    "random-forest": Estimator(_random_forest, "paths", functions=_forest_functions, std=_forest_std),
    "xgboost": Estimator(_xgboost),
    "lightgbm": Estimator(_lightgbm),
    "ngboost": Estimator(_ngboost, functions=_ngboost_functions, std=_ngboost_std),
    "bootstrapped-trees": Estimator(_bootstrapped_trees, functions=_members_functions, std=_members_std),
    "bayes-linear": Estimator(_bayesian_linear, "paths", functions=_linear_functions, std=_linear_std),
    "mlp": Estimator(_mlp, "paths"),
}
"""Estimator by name."""
