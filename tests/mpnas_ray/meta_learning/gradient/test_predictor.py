from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.common.network import stacked
from mpnas_ray.meta_learning.gradient import (
    MetaConfig,
    MetaPredictor,
    Parameters,
    adapt,
    forward,
    graphs_of,
    meta_train,
)
from mpnas_ray.meta_learning.gradient.predictor import STEP_COUNTS
from mpnas_ray.predictors import Predictor
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask, leaves_out, load_tasks, normalize

ARCHS = get_space("nasbench201").sample_many(40, np.random.default_rng(0))
SCORES = (ARCHS.codes == 3).sum(axis=1) + np.random.default_rng(1).normal(scale=0.1, size=40)


@pytest.fixture
def predictor(tiny: MetaConfig) -> MetaPredictor:
    return MetaPredictor(tiny)


def initial(predictor: MetaPredictor) -> Parameters:
    state = predictor.state_dict()
    return {name.removeprefix("initial."): state[name] for name in state if name.startswith("initial.")}


def adapted(predictor: MetaPredictor) -> Parameters:
    state = predictor.state_dict()
    return {name.removeprefix("adapted."): state[name] for name in state if name.startswith("adapted.")}


def test_is_a_predictor(predictor: MetaPredictor) -> None:
    assert isinstance(predictor, Predictor)


def test_ranks_before_it_has_seen_a_score_and_in_pieces_as_at_once(predictor: MetaPredictor) -> None:
    many = get_space("mixed").sample_many(1100, np.random.default_rng(2))
    whole = predictor.predict(many)
    assert whole.shape == (1100,)
    assert whole.dtype == np.float64
    assert np.allclose(predictor.predict(list(many[500:700])), whole[500:700], atol=1e-6)
    assert predictor.predict([]).shape == (0,)


@pytest.mark.parametrize("num_points", [4, 10, 11, 25])
def test_adapting_changes_neither_the_predictor_nor_its_initialisation(
    predictor: MetaPredictor, num_points: int
) -> None:
    before, ranking = predictor.state_dict(), predictor.predict(ARCHS)
    result = predictor.adapt(ARCHS[:num_points], SCORES[:num_points])
    assert all(torch.equal(before[name], tensor) for name, tensor in predictor.state_dict().items())
    assert np.array_equal(predictor.predict(ARCHS), ranking)
    assert all(torch.equal(initial(predictor)[name], tensor) for name, tensor in initial(result).items())
    assert not np.array_equal(result.predict(ARCHS), ranking)
    assert result.num_steps in STEP_COUNTS


@pytest.mark.parametrize(
    ("algorithm", "still"), [("boil", "head"), ("anil", "layers"), ("maml", "nothing")], ids=["boil", "anil", "maml"]
)
def test_adapting_moves_the_parts_of_its_algorithm(tiny: MetaConfig, algorithm: str, still: str) -> None:
    result = MetaPredictor(replace(tiny, algorithm=algorithm)).adapt(ARCHS[:8], SCORES[:8])  # type: ignore[arg-type]
    for name, tensor in adapted(result).items():
        assert torch.equal(tensor, initial(result)[name]) == name.startswith(still), name


@pytest.mark.long
@pytest.mark.parametrize("num_points", [8, 20])
def test_the_number_of_steps_is_chosen_by_pooled_held_out_predictions(
    predictor: MetaPredictor, num_points: int
) -> None:
    """The same, one fold and one count at a time, with the public inner loop."""
    archs, scores = ARCHS[:num_points], SCORES[:num_points]
    config = predictor.config
    fold = np.arange(num_points)
    if num_points > 10:
        fold = np.random.default_rng(config.seed).permutation(num_points) % 5

    def after(rows: np.ndarray, steps: int) -> Parameters:
        graphs = graphs_of(archs[rows], config.gcn)[None]  # type: ignore[index]
        wanted = torch.from_numpy(normalize(scores[rows], "rank")).float()
        return adapt(
            lambda parameters: (forward(parameters, graphs, config.gcn) - wanted).square().mean(dim=1),
            stacked(initial(predictor), 1),
            config.adapt_rates,
            steps,
            outer_gradient="none",
        )

    correlations = []
    for steps in STEP_COUNTS:
        held_out = np.empty(num_points)
        for number in range(fold.max() + 1):
            graphs = graphs_of(archs[fold == number], config.gcn)[None]  # type: ignore[index]
            parameters = after(np.flatnonzero(fold != number), steps)
            held_out[fold == number] = forward(parameters, graphs, config.gcn)[0].detach()
        correlations.append(spearmanr(held_out, scores).statistic)
    expected = STEP_COUNTS[int(np.argmax(np.round(correlations, 9)))]
    result = predictor.adapt(archs, scores)
    assert result.num_steps == expected
    final = after(np.arange(num_points), expected)
    for name, tensor in adapted(result).items():
        assert torch.allclose(tensor, final[name][0], atol=1e-4)


def test_only_the_order_of_scores_counts(predictor: MetaPredictor) -> None:
    one, other = predictor.adapt(ARCHS[:12], SCORES[:12]), predictor.adapt(ARCHS[:12], np.exp(SCORES[:12]) * 1e9 - 4)
    assert np.array_equal(one.predict(ARCHS), other.predict(ARCHS))


@pytest.mark.parametrize("scores", [[], [1.0, 2.0, 3.0], [7.0] * 6])
def test_scores_that_say_too_little_leave_the_zero_shot_ranking(predictor: MetaPredictor, scores: list[float]) -> None:
    result = predictor.adapt(ARCHS[: len(scores)], scores)
    assert result.num_steps == 0
    assert np.array_equal(result.predict(ARCHS), predictor.predict(ARCHS))


def test_fit_adapts_in_place_and_forgets_earlier_scores(predictor: MetaPredictor) -> None:
    expected = predictor.adapt(ARCHS[:12], SCORES[:12]).predict(ARCHS)
    predictor.fit(ARCHS[20:30], -SCORES[20:30])
    assert not np.array_equal(predictor.predict(ARCHS), expected)
    predictor.fit(ARCHS[:12], SCORES[:12])
    assert np.array_equal(predictor.predict(ARCHS), expected)


def test_state_carries_over(predictor: MetaPredictor, tiny: MetaConfig) -> None:
    for one in (predictor, predictor.adapt(ARCHS[:12], SCORES[:12])):
        other = MetaPredictor(replace(tiny, seed=9))
        other.load(one.state_dict())
        assert np.array_equal(one.predict(ARCHS), other.predict(ARCHS))
        assert one.num_steps == other.num_steps
    with pytest.raises(PredictorError, match=r"do not fit .* head.weight has shape"):
        MetaPredictor(replace(tiny, gcn=replace(tiny.gcn, width=4))).load(predictor.state_dict())


@pytest.mark.parametrize("scores", [[1.0] * 5, [1.0, 2.0, 3.0, float("nan")]])
def test_unusable_scores_are_refused(predictor: MetaPredictor, scores: list[float]) -> None:
    with pytest.raises(PredictorError, match="finite score for each"):
        predictor.adapt(ARCHS[:4], scores)


@pytest.mark.long
def test_what_it_learned_of_some_tasks_serves_another(made_up_tasks: dict[str, TableTask], tiny: MetaConfig) -> None:
    held_out = "transnasbench101/letters-0"
    config = replace(tiny, iterations=60, validation_every=30, outer_rate=1e-2)
    learned = meta_train(leaves_out(made_up_tasks, held_out), config)
    task = made_up_tasks[held_out]
    zero_shot = MetaPredictor(config, learned.parameters)
    assert spearmanr(zero_shot.predict(task.archs), task.scores).statistic > 0.5
    after = zero_shot.adapt(task.archs[:20], task.scores[:20]).predict(task.archs[20:])
    assert spearmanr(after, task.scores[20:]).statistic > 0.6


@pytest.mark.data
def test_real_tasks_serve_a_held_out_data_set(tables_folder: Path, tiny: MetaConfig) -> None:
    names = ["nasbench201/cifar10", "nasbench201/ninapro", "transnasbench101/object", "transnasbench101/jigsaw"]
    tasks = load_tasks(tables_folder, names)
    sources = {
        name: task[np.random.default_rng(0).permutation(len(task))[:2000]]
        for name, task in leaves_out(tasks, names[0]).items()
    }
    config = replace(tiny, gcn=replace(tiny.gcn, width=32), iterations=60, validation_every=30)
    predictor = MetaPredictor(config, meta_train(sources, config).parameters)
    target = tasks[names[0]][np.random.default_rng(1).permutation(15_625)[:1000]]
    assert spearmanr(predictor.predict(target.archs), target.scores).statistic > 0.3
    after = predictor.adapt(target.archs[:25], target.scores[:25]).predict(target.archs[25:])
    assert spearmanr(after, target.scores[25:]).statistic > 0.5
