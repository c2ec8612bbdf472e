from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

from mpnas_ray.meta_learning.gradient import MetaConfig
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor, MixtureResult, meta_train_mixture
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.spaces import KINDS, Architectures, get_space
from mpnas_ray.tables import TableTask

TINY = MetaConfig(
    gcn=GCNConfig(width=8, num_layers=3, dropout=0.0),
    num_support=5,
    num_query=12,
    iterations=20,
    tasks_per_batch=3,
    validation_every=5,
    patience=None,
)

TINY_MIXTURE = MixtureConfig(
    gcn=GCNConfig(width=8, num_layers=2, dropout=0.05),
    iterations=60,
    batch_size=64,
    num_price_lists=6,
    prior_iterations=3,
)


def made_up_task(space: str, name: str, size: int = 300, seed: int = 0, sign: float = 1.0) -> TableTask:
    """Scores linear in the numbers of each operation: convolutions are good, pooling less, all a little different."""
    rng = np.random.default_rng(seed)
    drawn = get_space(space).sample_many(4 * size, rng)
    archs: Architectures = drawn[np.unique(drawn.codes, axis=0, return_index=True)[1][:size]]
    kinds = archs.graphs().kinds
    counts = np.stack([(kinds == kind).sum(axis=1) for kind in range(len(KINDS))], axis=1)
    worth = np.zeros(len(KINDS))
    worth[: KINDS.index("linear") + 1] = 3 + np.arange(7)
    worth += rng.normal(scale=0.5, size=len(worth))
    return TableTask(
        name=f"{space}/{name}",
        archs=archs,
        raw=sign * (counts @ worth) + rng.normal(scale=0.1, size=len(archs)),
        metric="accuracy",
        mode="max",
        datasets=(name,),
        licence="CC0",
    )


@pytest.fixture(scope="session")
def made_up_tasks() -> dict[str, TableTask]:
    """Five tasks in two spaces whose graphs differ in size."""
    tasks = [made_up_task("transnasbench101", f"letters-{seed}", seed=seed) for seed in range(3)]
    tasks += [made_up_task("nasbench101", f"sounds-{seed}", seed=seed) for seed in range(2)]
    return {task.name: task for task in tasks}


@pytest.fixture
def tiny() -> MetaConfig:
    return TINY


@pytest.fixture(scope="session")
def tiny_mixture() -> MixtureConfig:
    return TINY_MIXTURE


@pytest.fixture(scope="session")
def meta_trained(made_up_tasks: dict[str, TableTask]) -> MixtureResult:
    return meta_train_mixture(made_up_tasks, TINY_MIXTURE)


@pytest.fixture(scope="module")
def predictor(meta_trained: MixtureResult) -> MixturePredictor:
    """A copy, which keeps no long list that another module has ranked: what is part of a list is looked up there."""
    return deepcopy(meta_trained.predictor)
