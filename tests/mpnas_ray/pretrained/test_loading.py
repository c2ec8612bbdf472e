from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from mpnas_ray.catalogue import load_predictor
from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import CostPredictor, Predictor
from mpnas_ray.pretrained import BUNDLED, load_checkpoint, refuse_if_seen
from mpnas_ray.spaces import KINDS, SPACE_NAMES, get_space
from mpnas_ray.tables import BUNDLED_TABLE, load_tasks

ARCHS = [
    "nasbench201:|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "nasbench201:|nor_conv_1x1~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_1x1~0|none~1|skip_connect~2|",
    "nasbench201:|avg_pool_3x3~0|+|avg_pool_3x3~0|skip_connect~1|+|none~0|none~1|skip_connect~2|",
    "nasbench201:|none~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|",
    "nasbench201:|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
]
SCORES = [0.3, 0.9, 0.5, 0.1, 0.7]
GOLDEN = {
    "mpnas-3": ([2.0203, -0.4411, -1.7009, -0.8405, -2.8877], [-2.1137, 2.6185, -0.5457, -3.3915, 0.8617]),
    "mpnas-4": ([1.9569, -0.4503, -1.5634, -0.7009, -3.0618], [-2.1296, 2.7062, -0.518, -3.3609, 0.9127]),
}
"""Predictions zero-shot and adapted, recorded when it was made: a change of the program must not change them."""


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_outputs(name: str) -> None:
    predictor, (zero_shot, adapted) = load_predictor(name), GOLDEN[name]
    archs = get_space("nasbench201")
    listed = [archs.parse(text) for text in ARCHS]
    assert np.allclose(predictor.predict(listed), zero_shot, atol=1e-3)
    assert np.allclose(predictor.adapt(listed, SCORES).predict(listed), adapted, atol=1e-3)


@pytest.mark.long
@pytest.mark.parametrize(("space", "name"), [(None, "mpnas-3"), ("nasbench201", "mpnas-3"), ("mixed", "mpnas-4")])
def test_the_default_suits_the_space(space: str | None, name: str) -> None:
    archs = get_space("mixed").sample_many(20, np.random.default_rng(0))
    expected = load_predictor(name).predict(archs)
    assert np.array_equal(load_predictor(space=space).predict(archs), expected)
    other = {"mpnas-3": "mpnas-4", "mpnas-4": "mpnas-3"}[name]
    assert not np.allclose(load_predictor(other).predict(archs), expected)


@pytest.mark.long
def test_it_ranks_every_space_at_once() -> None:
    predictor = load_predictor("default")
    assert isinstance(predictor, Predictor)
    for name in SPACE_NAMES:
        archs = get_space(name).sample_many(50, np.random.default_rng(0))
        assert len(np.unique(predictor.predict(archs).round(6))) > 10


def test_the_one_for_costs_goes_by_a_short_name() -> None:
    predictor = load_predictor("cost")
    assert isinstance(predictor, CostPredictor)
    archs = get_space("nasbench201").sample_many(200, np.random.default_rng(0))
    assert np.array_equal(predictor.predict(archs), load_predictor("cost-1").predict(archs))
    sizes = archs.graphs().kinds == KINDS.index("conv3-d1")
    assert spearmanr(predictor.predict(archs), -sizes.sum(axis=1)).statistic > 0.6, "what is large is dear"


@pytest.mark.parametrize("name", BUNDLED)
def test_the_bundled_files(name: str) -> None:
    predictor, card = load_checkpoint(BUNDLED[name])
    assert card.name == BUNDLED[name].name == name
    assert sum(path.stat().st_size for path in BUNDLED[name].parent.glob("*-*")) < 5_000_000
    assert card.licences.keys() == set(card.tasks)
    assert card.quality
    assert card.command.startswith("mpnas meta-train ")
    assert predictor.config == card.config


@pytest.mark.data
@pytest.mark.parametrize("name", BUNDLED)
def test_it_learned_from_all_tables_and_may_not_be_judged_on_any(name: str, tables_folder: Path) -> None:
    _, card = load_checkpoint(BUNDLED[name])
    tasks = load_tasks(tables_folder, variants=name == "cost-1")
    if name == "cost-1":
        tasks = {task.name: task for task in tasks.values() if task.kind == "cost"}
    tasks |= load_tasks(BUNDLED_TABLE) if name == "mpnas-4" else {}
    assert set(card.tasks) == tasks.keys()
    for task in tasks.values():
        with pytest.raises(PredictorError, match="cannot be judged"):
            refuse_if_seen(card, task)


@pytest.mark.long
def test_neither_ray_nor_dgl_is_imported() -> None:
    program = (
        "import sys; from mpnas_ray.catalogue import load_predictor; load_predictor();"
        "print([name for name in ('ray', 'dgl') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(PredictorError, match=r"no predictor card .*mine\.json"):
        load_predictor(tmp_path / "mine")
