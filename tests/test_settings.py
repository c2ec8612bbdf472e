"""What cannot be is refused where it is given: public constructors and functions, with each bad value of its kind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cluster.artifacts.config import ScoringConfig, TableConfig, TrainingConfig
from cluster.artifacts.single_network import train_network
from cluster.experiments.replay.table import replay
from cluster.run.config import SearchConfig
from mpnas_ray.catalogue import make_predictor
from mpnas_ray.curves import PartialCurves
from mpnas_ray.curves.lcsvr import LcSVR
from mpnas_ray.curves.omni import OMNI
from mpnas_ray.curves.rank_learning import LCRankNetMethod
from mpnas_ray.curves.ranknet import LCRankNet, RankNetConfig
from mpnas_ray.curves.training_speed import Unlearned, sotl_e, tse_ema
from mpnas_ray.errors import MPNASError, SettingError
from mpnas_ray.graphs import graph_batch, message_passing
from mpnas_ray.meta_learning.gradient import InnerRates, MetaConfig
from mpnas_ray.meta_learning.gradient.inner_loop import adapt
from mpnas_ray.meta_learning.mixture.config import MixtureConfig
from mpnas_ray.names import did_you_mean
from mpnas_ray.predictors import GaussianProcessPredictor, GaussianProcessPrior
from mpnas_ray.predictors.encodings.vectors import encode
from mpnas_ray.predictors.gp.kernel_process import KernelProcessPredictor
from mpnas_ray.predictors.neural.gcn import GCN, GCNConfig, GCNPredictor
from mpnas_ray.predictors.neural.path_ensemble import PathEnsembleConfig, PathEnsemblePredictor
from mpnas_ray.predictors.neural.semi_supervised import SemiSupervisedConfig, SemiSupervisedPredictor
from mpnas_ray.predictors.regression.predictor import RegressionPredictor
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask
from mpnas_ray.tables.splits import split_random
from mpnas_ray.tables.stratified import draw_stratified
from searchers import (
    AREASearch,
    BANANASSearch,
    BoostedTreesSearch,
    GaussianProcessSearch,
    MPNASSearch,
    NASWOTSearch,
    PredictorSearch,
    QuantileTransferSearch,
    RegularizedEvolution,
)
from searchers.baselines.transfer.mean_rank import MeanRankSearch
from searchers.model_based.ranking.acquisition import acquire
from searchers.model_based.ranking.prior_score import fused, prior_weight
from searchers.schedulers.lcranknet import LCRankNetScheduler
from trainables import (
    CellTrainable,
    DistributedCellTrainable,
    FixedScaling,
    FocalLoss,
    Metric,
    Recipe,
    RelativeLp,
    TabularTrainable,
    Task,
    accuracy,
    build_network,
    cross_entropy,
    darcy_task,
    get_task,
    spherical_digits_task,
)
from trainables.networks.baselines import build_baseline
from trainables.networks.baselines.dash import Candidate
from trainables.networks.baselines.resnet1d import resnet_1d
from trainables.networks.baselines.wide_resnet import wide_resnet
from trainables.networks.limits import NetworkSizes, SizeLimits
from trainables.networks.network import Macro
from trainables.proxies import ProxySettings
from trainables.proxies.registry import Proxy
from trainables.proxies.scoring import random_probe
from trainables.tasks.core.recipes import table10_recipe
from trainables.tasks.core.splits import stratified_parts
from trainables.tasks.core.subset import with_fewer_samples
from trainables.tasks.datasets.cifar import AlterImages
from trainables.tasks.datasets.darcy import sample_permeability, solve_darcy
from trainables.tasks.datasets.darcy_files import load_darcy421
from trainables.tasks.datasets.satellite import load_satellite
from trainables.training.workers import Workers

SPACE = "nasbench201"
ARCHS = get_space(SPACE).sample_many(4, np.random.default_rng(0))
ARCH = str(ARCHS[0])
TABLE = TableTask("nasbench201/few", ARCHS, np.arange(4.0), "accuracy", "max")
RNG = np.random.default_rng(0)
CURVES = PartialCurves(np.zeros((3, 2)), np.zeros((3, 2)), 4)

NO_NUMBERS = (math.nan, math.inf, -math.inf, True, np.True_, "1", None, [1], 10**400, Decimal(1), torch.tensor(1))
COUNTS = (0, -1, np.int64(-2), 1.0, 1.5, np.float64(2.0), math.nan, math.inf, True, np.True_, "1", [1])
FROM_0 = (-1, np.int64(-2), 1.0, 0.5, math.nan, True, "1", [1])
SEEDS = (-1, 0.5, 1.0, math.nan, True, "1", 2**64, [1])
POSITIVE = (0, 0.0, -1, -1e-9, *NO_NUMBERS)
NOT_NEGATIVE = (-1, np.float32(-0.1), *NO_NUMBERS)
FRACTION = (-0.1, 1.0, 2, *NO_NUMBERS)
BOOLS = (2, "no", "True", None, [])
NAMES = ("", "maximum", "MAX", 1, None, True, [], "none of these")
TEXTS = ("", "  ", 1, None, True)
FUNCTIONS = (None, "cross_entropy", 1)

task = partial(Task, name="t", load=lambda data_dir: None, num_outputs=2, loss=cross_entropy, metric=accuracy)  # type: ignore[arg-type]


def scores(archs: Any) -> Any:
    return np.zeros(len(archs))


def trial(**config: Any) -> CellTrainable:
    return CellTrainable({"task": "digits", "arch": ARCH, "preset": "small", **config})


def table_trial(**config: Any) -> TabularTrainable:
    trainable = TabularTrainable.__new__(TabularTrainable)
    trainable.setup({"arch": ARCH, **config}, table=TABLE)
    return trainable


def workers(**arguments: Any) -> None:
    DistributedCellTrainable({"task": "digits", "arch": ARCH}, **arguments)


def network(**arguments: Any) -> Any:
    return build_network(**{"arch": ARCH, "input_shape": (1, 8, 8), "num_outputs": 2, "preset": "small", **arguments})


def baseline(**arguments: Any) -> Any:
    return build_baseline(**{"name": "wrn-16-1", "input_shape": (1, 8, 8), "num_outputs": 2, **arguments})


def sizes(**arguments: Any) -> NetworkSizes:
    return NetworkSizes(**{"input_shape": (1, 8, 8), "num_outputs": 2, **arguments})


def passing(**arguments: Any) -> Any:
    given = {"flow": "forward", "normalization": "none", **arguments}
    return message_passing(graph_batch(ARCHS), **given)


def sampled(make: Callable[[], Any]) -> Callable[..., Any]:
    predictor = make()
    predictor.fit(ARCHS, np.arange(4.0))
    return lambda num_samples: predictor.sample_scores(ARCHS, num_samples, RNG)


def proxy(**arguments: Any) -> Proxy:
    return Proxy(**{"name": "p", "function": scores, "needs": "weights", "description": "", **arguments})


SHAPES = ((), (1,), (1, 0), (0, 8), (-1, 8, 8), (1, 8.0), (1, 8.5, 8), (True, 8), (1, 2, 3, 4), "ab", 8, None, (1, "8"))
CHANNELS = ((), (0,), (8, -1), (8.0,), (True,), 8, "8")

TABLES: list[tuple[Callable[..., Any], dict[str, tuple[Any, ...]]]] = [
    # trainables
    (
        Recipe,
        {
            "epochs": COUNTS,
            "batch_size": (*COUNTS, 1),
            "learning_rate": POSITIVE,
            "weight_decay": NOT_NEGATIVE,
            "optimizer": (*NAMES, "adagrad", "SGD"),
            "momentum": FRACTION,
            "schedule": (*NAMES, "plateau"),
            "ema": (0, 1, *(value for value in FRACTION if value is not None)),
            "patience": COUNTS,
            "milestones": ((1.5,), (-0.1,), (math.nan,), ("a",), "0.5", 0.5, None),
            "decay": (*(value for value in POSITIVE if value is not None), 1.5),
            "clip_norm": tuple(value for value in POSITIVE if value is not None),
            "summed_loss": BOOLS,
        },
    ),
    (
        task,
        {
            "name": TEXTS,
            "load": FUNCTIONS,
            "num_outputs": COUNTS,
            "loss": FUNCTIONS,
            "metric": (None, "accuracy", cross_entropy, Metric),
            "recipe": (None, {}, "adamw", Recipe),
            "dense": BOOLS,
            "input_scaling": NAMES,
            "target_scaling": (*NAMES, FixedScaling((0.0,), (1.0,))),
            "coordinates": BOOLS,
            "augment": ("flip", 1),
            "step": ("fast", 1),
            "files": (("x.npy",), (None,)),
            "family": (None, 1),
            "description": (None, 1),
        },
    ),
    (
        partial(Metric, name="m", mode="max", function=scores),
        {"name": TEXTS, "mode": (*NAMES, "minimum"), "function": FUNCTIONS, "grouped": BOOLS},
    ),
    (
        partial(FixedScaling, mean=(0.0,), standard_deviation=(1.0,)),
        {"mean": ((), (0, 0), (math.nan,)), "standard_deviation": ((0.0,), (-1.0,))},
    ),
    (partial(FocalLoss, gamma=1.0, alpha=1.0), {"gamma": NOT_NEGATIVE, "alpha": POSITIVE}),
    (RelativeLp, {"p": (0, 0.5, -1, math.nan, -math.inf, True, "2", None)}),
    (Macro, {"cells_per_stack": COUNTS, "channels": (*CHANNELS, [8]), "min_side": COUNTS}),
    (
        network,
        {
            "input_shape": SHAPES,
            "num_outputs": COUNTS,
            "dense": BOOLS,
            "preset": ("", "large", 1, None),
            "cells_per_stack": (*COUNTS, -2),
            "channels": CHANNELS,
            "arch": (None, 1, "", "nasbench201"),
        },
    ),
    (
        baseline,
        {"input_shape": SHAPES, "num_outputs": COUNTS, "dense": BOOLS, "name": ("", "wrn", "dash-search:scale=0")},
    ),
    (sizes, {"input_shape": SHAPES, "num_outputs": COUNTS, "dense": BOOLS, "preset": ("", "large")}),
    (partial(SizeLimits, sizes()), {"max_parameters": COUNTS, "max_flops": COUNTS}),
    (partial(Candidate, kernel=3, dilation=1), {"kernel": (*COUNTS, 2), "dilation": COUNTS}),
    (partial(resnet_1d, (1, 9), 2), {"channels": COUNTS}),
    (partial(wide_resnet, (1, 8, 8), 2), {"widening": COUNTS, "as_in_dash": BOOLS}),
    (partial(Workers, rank=0, count=2), {"rank": (2, *FROM_0), "count": COUNTS}),
    (
        trial,
        {
            "epochs": COUNTS,
            "batch_size": (1, *COUNTS),
            "learning_rate": POSITIVE,
            "weight_decay": NOT_NEGATIVE,
            "optimizer": ("adagrad", "", 1),
            "schedule": ("plateau", "", 1),
            "ema": (0, 1),
            "patience": COUNTS,
            "seed": SEEDS,
            "num_threads": COUNTS,
            "time_limit_s": tuple(value for value in POSITIVE if value is not None),
            "precision": ("float16", "double", 16, True),
            "compile": BOOLS,
            "preset": ("", "large"),
            "device": ("gpu", "cuda:x"),
            "data_dir": (1, True, []),
            "task": (None, 1, "", "digit"),
        },
    ),
    (table_trial, {"seconds": NOT_NEGATIVE}),
    (
        workers,
        {
            "num_workers": (*COUNTS, 1),
            "worker_resources": ({"CPU": -1}, {"GPU": math.nan}, {"CPU": "1"}),
            "checkpoint_every": COUNTS,
            "max_failures": FROM_0,
        },
    ),
    (ProxySettings, {"batch_size": (1, *COUNTS), "seed": SEEDS, "inputs": NAMES, "preset": ("", "large")}),
    (
        proxy,
        {"name": TEXTS, "function": FUNCTIONS, "needs": NAMES, "sign": (0, 2, "1", None), "thin": BOOLS},
    ),
    (
        lambda **given: random_probe(**{"input_shape": (1, 8), "num_classes": 2, "settings": ProxySettings(), **given}),
        {"input_shape": SHAPES, "num_classes": COUNTS},
    ),
    (
        darcy_task,
        {
            "resolution": (4, *COUNTS),
            "num_train": (1, *COUNTS),
            "num_validation": COUNTS,
            "num_test": COUNTS,
            "seed": SEEDS,
        },
    ),
    (
        partial(sample_permeability, n=1, resolution=5, rng=RNG),
        {"n": FROM_0, "resolution": COUNTS, "alpha": POSITIVE, "tau": POSITIVE},
    ),
    (
        solve_darcy,
        {
            "permeability": tuple(
                np.full(shape, value)
                for shape, value in (
                    ((5, 5), 1.0),
                    ((1, 5, 4), 1.0),
                    ((1, 2, 2), 1.0),
                    ((1, 5, 5), 0.0),
                    ((1, 5, 5), np.nan),
                )
            )
        },
    ),
    (spherical_digits_task, {"bandwidth": (1, *COUNTS), "rotations": COUNTS, "seed": SEEDS}),
    (partial(load_darcy421, None), {"step": COUNTS, "num_train": COUNTS, "num_validation": COUNTS, "num_test": COUNTS}),
    (partial(load_satellite, None), {"num_validation": COUNTS}),
    (
        partial(stratified_parts, np.zeros((9, 1)), np.zeros(9)),
        {"shares": ((0,), (-0.1,), (1.0,), (0.5, 0.5), (math.nan,))},
    ),
    (partial(with_fewer_samples, get_task("digits")), {"num_train": (1, *COUNTS)}),
    (partial(table10_recipe, 64), {"learning_rate": POSITIVE}),
    (table10_recipe, {"batch_size": COUNTS}),
    (
        partial(AlterImages, padding=4, cutout=16, black=(0.0,)),
        {"padding": FROM_0, "cutout": FROM_0, "black": ((math.nan,),)},
    ),
    # searchers
    (
        partial(MPNASSearch, SPACE),
        {
            "refit_every": COUNTS,
            "num_candidates": COUNTS,
            "synchronous": BOOLS,
            "prior_score": ("naswot", 1),
            "predictor": (1, True, GCNPredictor, [], "no such file"),
        },
    ),
    (
        partial(PredictorSearch, SPACE),
        {
            "refit_every": COUNTS,
            "num_random": COUNTS,
            "num_candidates": COUNTS,
            "acquisition": (*NAMES, "EI"),
            "synchronous": BOOLS,
            "predictor": (1, "gp", GCNPredictor),
            "prior_score": ("naswot",),
        },
    ),
    (partial(BANANASSearch, SPACE), {"refit_every": COUNTS, "num_random": COUNTS, "num_candidates": COUNTS}),
    (partial(BoostedTreesSearch, SPACE), {"refit_every": COUNTS, "num_random": COUNTS, "num_candidates": COUNTS}),
    (partial(GaussianProcessSearch, SPACE), {"refit_every": COUNTS, "num_random": COUNTS, "num_candidates": COUNTS}),
    (partial(RegularizedEvolution, SPACE), {"population_size": COUNTS, "sample_size": COUNTS}),
    (partial(AREASearch, SPACE, score=scores), {"population_size": COUNTS, "sample_size": COUNTS, "score": FUNCTIONS}),
    (partial(NASWOTSearch, SPACE, score=scores), {"num_scored": COUNTS, "score": FUNCTIONS}),
    (partial(MeanRankSearch, SPACE), {"sources": ({}, None, [TABLE], {"a": 1})}),
    (
        partial(QuantileTransferSearch, SPACE, sources={"a": TABLE}),
        {"refit_every": COUNTS, "num_candidates": COUNTS, "synchronous": BOOLS, "sources": ({}, None, [TABLE])},
    ),
    (
        partial(LCRankNetScheduler, max_t=9),
        {
            "max_t": COUNTS,
            "grace_period": (10, *COUNTS),
            "delta": (0, *FRACTION),
            "refit_every": COUNTS,
            "seed": SEEDS,
            "mode": ("", "maximum", 1, True),
            "metric": ("", 1, True),
            "time_attr": TEXTS,
            "train_loss": TEXTS,
        },
    ),
    (lambda acquisition: acquire(None, acquisition, ARCHS, ARCHS, RNG, np.arange(4)), {"acquisition": NAMES}),  # type: ignore[arg-type]
    (partial(prior_weight, meta_learned=True), {"num_points": FROM_0}),
    (partial(fused, np.zeros(2), np.zeros(2)), {"weight": (-0.1, 1.1, *NO_NUMBERS)}),
    # mpnas_ray
    (
        GCNConfig,
        {
            **dict.fromkeys(("num_layers", "width", "epochs", "batch_size"), COUNTS),
            "dropout": FRACTION,
            "layer_norm": BOOLS,
            "normalization": (*NAMES[:4], "rows"),
            "flow": NAMES,
            "learning_rate": POSITIVE,
            "weight_decay": NOT_NEGATIVE,
        },
    ),
    (partial(GCN, GCNConfig(width=2)), {"engine": NAMES}),
    (GCNPredictor, {"loss": (*NAMES, "mae"), "seed": SEEDS, "engine": NAMES, "config": (1, "paper", MetaConfig())}),
    (
        PathEnsembleConfig,
        {
            "num_members": (1, *COUNTS),
            **dict.fromkeys(("num_layers", "width", "epochs", "batch_size"), COUNTS),
            "learning_rate": POSITIVE,
        },
    ),
    (PathEnsemblePredictor, {"seed": SEEDS, "config": (1, GCNConfig())}),
    (
        SemiSupervisedConfig,
        {
            "encoder": (None, 1),
            **dict.fromkeys(("num_unmeasured", "steps", "batch_size"), COUNTS),
            "trade_off": (-0.1, 1.1, *NO_NUMBERS),
            "learning_rate": POSITIVE,
        },
    ),
    (SemiSupervisedPredictor, {"seed": SEEDS, "config": (1,)}),
    (GaussianProcessPrior, dict.fromkeys(("weight", "amplitude", "noise", "standard_deviation"), POSITIVE)),
    (GaussianProcessPredictor, {"prior": (1, "wide")}),
    (KernelProcessPredictor, {"kernel": ("", "rbf", 1, None), "num_inducing": COUNTS, "seed": SEEDS}),
    (partial(RegressionPredictor, "bayes-linear"), {"encoding": ("", "path", 1), "seed": (*SEEDS, 2**32)}),
    (partial(make_predictor, "gp"), {"seed": (*SEEDS, 2**32)}),
    (partial(encode, ARCHS), {"encoding": NAMES}),
    (passing, {"flow": (*NAMES, "both"), "normalization": NAMES, "engine": NAMES}),
    (
        MetaConfig,
        {
            "algorithm": (*NAMES, "reptile"),
            "gcn": (None, {}),
            **dict.fromkeys(("inner_rate", "outer_rate", "clip_norm", "adapt_rate"), POSITIVE),
            **dict.fromkeys(
                ("inner_steps", "iterations", "tasks_per_batch", "archs_per_task", "validation_every"), COUNTS
            ),
            **dict.fromkeys(("validation_episodes", "patience"), COUNTS),
            **dict.fromkeys(("num_support", "num_query"), (1, 20_001, *COUNTS)),
            "first_order": BOOLS,
            "weight_decay": NOT_NEGATIVE,
            "schedule": NAMES,
            "validation_fraction": (0, *FRACTION),
            "normalization": NAMES,
            "seed": SEEDS,
        },
    ),
    (
        MixtureConfig,
        {
            "gcn": (None, {}),
            **dict.fromkeys(("iterations", "batch_size", "archs_per_task", "num_price_lists"), COUNTS),
            "prior_iterations": FROM_0,
            **dict.fromkeys(("learning_rate", "prior_rate"), POSITIVE),
            **dict.fromkeys(("weight_decay", "price_spread", "shrinkage"), NOT_NEGATIVE),
            "source_dropout": FRACTION,
            "seed": SEEDS,
        },
    ),
    (partial(InnerRates, body=0.1, head=0.1), {"body": NOT_NEGATIVE, "head": NOT_NEGATIVE}),
    (partial(InnerRates.of, rate=0.1), {"algorithm": NAMES}),
    (partial(adapt, None, {}, InnerRates(0.1, 0.1)), {"num_steps": FROM_0}),  # type: ignore[arg-type]
    (
        RankNetConfig,
        {
            **dict.fromkeys(
                ("filters", "arch_width", "arch_layers", "task_width", "hidden", "iterations", "batch_size"), COUNTS
            ),
            "refit_iterations": FROM_0,
            "dropout": FRACTION,
            **dict.fromkeys(("learning_rate", "refit_learning_rate"), POSITIVE),
            "weight_decay": NOT_NEGATIVE,
        },
    ),
    (partial(LCRankNet, RankNetConfig()), {"num_tasks": FROM_0}),
    (LCRankNetMethod, {"seed": SEEDS, "config": (1, GCNConfig()), "network": (1, "bundled")}),
    (LcSVR, {"num_configurations": COUNTS, "seed": (*SEEDS, 2**32)}),
    (OMNI, {"seed": (*SEEDS, 2**32)}),
    (Unlearned, {"judge": FUNCTIONS}),
    (partial(sotl_e, CURVES), {"last": COUNTS}),
    (partial(tse_ema, CURVES), {"decay": (1.5, *POSITIVE)}),
    (CURVES.cut, {"epoch": COUNTS}),
    (partial(PartialCurves, np.zeros((3, 2)), np.zeros((3, 2))), {"num_epochs": (1, *COUNTS)}),
    (lambda n: get_space(SPACE).sample_many(n, RNG), {"n": FROM_0}),
    (partial(draw_stratified, get_space(SPACE)), {"num_archs": FROM_0}),
    (lambda num_first: split_random(TABLE, num_first, RNG), {"num_first": (5, *FROM_0)}),
    (partial(TableTask, "a/b", ARCHS, np.zeros(4), "accuracy"), {"mode": NAMES}),
    (sampled(GaussianProcessPredictor), {"num_samples": COUNTS}),
    (sampled(partial(KernelProcessPredictor, "paths")), {"num_samples": COUNTS}),
    (sampled(partial(make_predictor, "bayes-linear")), {"num_samples": COUNTS}),
    (sampled(partial(PathEnsemblePredictor, PathEnsembleConfig(epochs=1))), {"num_samples": COUNTS}),
    (sampled(partial(make_predictor, "mp-nas")), {"num_samples": COUNTS}),
    # cluster
    (
        lambda **given: TableConfig(**{"out": "unwritten.parquet", "tasks": ("digits",), **given}),
        {
            "num_archs": COUNTS,
            "num_repeated": (301, *FROM_0),
            "epochs": COUNTS,
            "num_train": (1, *COUNTS),
            "seed": SEEDS,
            "gpus_per_training": NOT_NEGATIVE,
            "tasks": ([], "digits"),
        },
    ),
    (
        lambda **given: ScoringConfig(**{"space": "mixed", "task": "digits", "proxies": ("naswot",), **given}),
        {"num_archs": COUNTS, "gpus": NOT_NEGATIVE, "proxies": ([], "naswot")},
    ),
    (
        lambda **given: train_network(
            TrainingConfig(**{"task": "digits", "model": "wrn-16-1", "storage": "unwritten", **given})
        ),
        {
            "epochs": COUNTS,
            "batch_size": (1, *COUNTS),
            "learning_rate": tuple(value for value in POSITIVE if value is not None),
            "weight_decay": tuple(value for value in NOT_NEGATIVE if value is not None),
            "optimizer": ("adagrad", "", 1),
            "ema": (0, 1),
            "patience": COUNTS,
            "cpus_per_trial": POSITIVE,
            "gpus_per_trial": NOT_NEGATIVE,
            "seed": SEEDS,
        },
    ),
    (partial(replay, None, TABLE), {"num_samples": FROM_0}),
    (partial(replay, None, TABLE, 1), {"num_concurrent": COUNTS, "seed": SEEDS}),
]


SAID = {
    "arch": "space|architecture",
    "name": "name|model|scale",
    "sources": "source",
    "num_epochs": "epochs",
    "num_first": "Cannot take",
}
"""How messages call what does not come in them by its name."""

CASES = [
    pytest.param(make, argument, values, id=f"{number}-{argument}")
    for number, (make, arguments) in enumerate(TABLES)
    for argument, values in arguments.items()
]


@pytest.mark.parametrize(("make", "argument", "values"), CASES)
def test_what_cannot_be_is_refused_by_name(make: Callable[..., Any], argument: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(MPNASError, match=SAID.get(argument, argument)):
            print(value, make(**{argument: value}))  # pytest shows it where it is accepted


def test_what_can_be_is_taken_numpys_numbers_too(tmp_path: Path) -> None:
    two, half = np.int64(2), np.float32(0.5)
    recipe = Recipe(epochs=two, batch_size=two, learning_rate=half, momentum=0, milestones=(0.0, 0.5, 1), clip_norm=two)
    assert trial(epochs=two, batch_size=two, learning_rate=half, seed=np.uint32(2**32 - 1), time_limit_s=60) is not None
    task(num_outputs=two, recipe=recipe, dense=np.True_)
    network(input_shape=[two, np.int32(8)], num_outputs=two, cells_per_stack=two, channels=[8, two])
    assert sizes(input_shape=[1, 8]) == sizes(input_shape=(1, np.int64(8)))
    for make in (RegularizedEvolution, partial(AREASearch, score=scores)):
        # Drawn with replacement: 50 of 2 are well defined.
        make(SPACE, population_size=two, sample_size=np.int32(50)).save(str(tmp_path / "state"))
    PredictorSearch(SPACE, refit_every=two, acquisition="ucb", predictor=GCNPredictor(seed=two))
    LCRankNetScheduler(max_t=np.int64(9), grace_period=two, delta=half).save(str(tmp_path / "state"))
    for config in (recipe, MetaConfig(inner_steps=two, patience=None, weight_decay=half, gcn=GCNConfig(width=two))):
        assert json.loads(json.dumps(asdict(config)))
    assert RelativeLp(math.inf)(torch.ones(2, 3), torch.full((2, 3), 2.0)) == 0.5


def test_errors_are_value_errors_where_they_were() -> None:
    for make in (partial(RegularizedEvolution, SPACE, population_size=0), partial(Recipe, epochs=0)):
        with pytest.raises(ValueError, match="must be at least 1, not 0"):
            make()
    assert issubclass(SettingError, MPNASError)
    assert issubclass(SettingError, ValueError)


def test_names_that_are_nearly_right_get_a_suggestion() -> None:
    with pytest.raises(MPNASError, match=r"one of adamw, .* and lion, not 'adam-w'\. Did you mean 'adamw'\?"):
        Recipe(optimizer="adam-w")
    with pytest.raises(MPNASError, match=r"one of one-cycle, .* and steps, not 'cosin'\. Did you mean 'cosine'\?"):
        SearchConfig(schedule="cosin")
    with pytest.raises(MPNASError, match=r"one of min and max, not 'maximum'\. Did you mean 'max'\?"):
        Metric("m", "maximum", scores)  # type: ignore[arg-type]
    assert did_you_mean("NASBench-201", ["mixed", "nasbench201"]) == " Did you mean 'nasbench201'?"
    assert did_you_mean("", ["a"]) == did_you_mean("xyz", []) == did_you_mean("xyz", ["random"]) == ""
