"""Explanations of predictors whose reasons are known, and of the bundled ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from mpnas_ray import explain, load_predictor
from mpnas_ray.errors import PredictorError, SearchSpaceError
from mpnas_ray.explaining import Explanation
from mpnas_ray.explaining.completions import completed
from mpnas_ray.graphs import graph_features
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.spaces import Architecture, Architectures, get_space

CELL = "nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"
ROOT_OF_101 = "nasbench101:|conv3x3-bn-relu~0|maxpool3x3~0|conv1x1-bn-relu~1|output~2~3|"
RELABELLED = "nasbench101:|maxpool3x3~0|conv3x3-bn-relu~0|conv1x1-bn-relu~2|output~1~3|"
"""The same cell with its first two vertices exchanged."""


class Additive:
    """Predicts a fixed number for each operation in each slot, summed."""

    def __init__(self, space: str) -> None:
        found = get_space(space)
        self.worth = np.random.default_rng(3).normal(size=(found.code_length, len(found.operations)))

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        codes = Architectures.of(archs).codes
        worth: NDArray[np.float64] = self.worth[np.arange(codes.shape[1]), codes].sum(axis=1)
        return worth

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    def load(self, state: dict[str, Any]) -> None:
        raise NotImplementedError


class OfFeatures(Additive):
    """Predicts a sum over graph features: isomorphic cells are predicted alike."""

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        features = graph_features(Architectures.of(archs)).astype(np.float64)
        return features @ np.cos(np.arange(features.shape[1]))


class Constant(Additive):
    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        return np.full(len(archs), 0.5)


@pytest.fixture(scope="module")
def adapted() -> MixturePredictor:
    predictor = load_predictor("mpnas-3")
    assert isinstance(predictor, MixturePredictor)
    rng = np.random.default_rng(0)
    archs = get_space("nasbench101").sample_many(12, rng)
    return predictor.adapt(archs, rng.normal(size=12))


@pytest.fixture(scope="module")
def explained(adapted: MixturePredictor) -> Explanation:
    return explain(adapted, ROOT_OF_101, costs={"length": lambda archs: [len(str(arch)) for arch in archs]})


def test_an_additive_predictor_is_explained_by_its_own_numbers() -> None:
    predictor, space = Additive("nasbench201"), get_space("nasbench201")
    found = explain(predictor, CELL)
    unit = predictor.predict(space.sample_many(2_048, np.random.default_rng(0))).std()
    held = space.parse(CELL).codes
    assert found.exact
    for slot, value in enumerate(found.slots):
        own = predictor.worth[slot] - predictor.worth[slot].mean()
        assert value.value == pytest.approx(own[held[slot]] / unit)
        effects = [effect.effect for effect in found.effects if effect.slot == value.slot]
        assert effects == pytest.approx(own / unit)
    assert found.sources == ()
    assert all(swap.std is None for swap in found.swaps)


def test_slots_sum_to_the_score(explained: Explanation) -> None:
    assert explained.base + sum(slot.value for slot in explained.slots) == pytest.approx(explained.score, abs=1e-9)


def test_swaps_are_differences_of_predictions(adapted: MixturePredictor, explained: Explanation) -> None:
    space = get_space("nasbench101")
    unit = adapted.predict(space.sample_many(2_048, np.random.default_rng(0))).std()
    here, *there = adapted.predict(Architectures.of([ROOT_OF_101, *(swap.arch for swap in explained.swaps)]))
    assert [swap.change for swap in explained.swaps] == pytest.approx((np.array(there) - here) / unit, abs=1e-4)
    assert len(explained.swaps) == 3 * 2
    assert [swap.change for swap in explained.swaps] == sorted((s.change for s in explained.swaps), reverse=True)
    assert all(swap.std is not None and swap.std > 0 for swap in explained.swaps)
    for swap in explained.swaps:
        assert swap.costs == {"length": len(swap.arch) - len(ROOT_OF_101)}
        vertices = ROOT_OF_101.split("|")
        assert vertices[int(swap.slot)].startswith(swap.old)
        vertices[int(swap.slot)] = vertices[int(swap.slot)].replace(swap.old, swap.new)
        assert "|".join(vertices) == swap.arch
    assert explained.costs == {"length": len(ROOT_OF_101)}


def test_sources_share_all_probability_and_sum_to_the_prediction(
    adapted: MixturePredictor, explained: Explanation
) -> None:
    assert sum(source.probability for source in explained.sources) == pytest.approx(1)
    assert all(0 <= source.reversed <= source.probability + 1e-12 for source in explained.sources)
    assert sum(source.contribution or 0.0 for source in explained.sources) == pytest.approx(explained.score, abs=1e-4)
    assert {"nasbench101/cifar10", "the results alone"} <= {source.name for source in explained.sources}
    unmeasured = explain(load_predictor("mpnas-3"), ROOT_OF_101)
    (alone,) = (source for source in unmeasured.sources if source.name == "the results alone")
    assert alone.contribution == pytest.approx(0, abs=1e-6)
    assert sum(source.contribution or 0.0 for source in unmeasured.sources) == pytest.approx(unmeasured.score, abs=1e-4)


def test_isomorphic_cells_are_explained_alike() -> None:
    predictor = OfFeatures("nasbench101")
    one, other = explain(predictor, ROOT_OF_101), explain(predictor, RELABELLED)
    assert one.score == pytest.approx(other.score)
    values = {slot.holds: slot.value for slot in one.slots}
    assert {slot.holds: slot.value for slot in other.slots} == pytest.approx(values)
    assert [swap.change for swap in one.swaps] == pytest.approx([swap.change for swap in other.swaps])
    assert [motif.feature for motif in one.motifs] == [motif.feature for motif in other.motifs]


def test_a_swap_where_nothing_arrives_changes_nothing() -> None:
    swaps = {(swap.slot, swap.new): swap for swap in explain(OfFeatures("nasbench201"), CELL).swaps}
    assert swaps["6", "nor_conv_3x3"].change == 0  # state 2 is fed by zeros alone
    assert swaps["1", "skip_connect"].change != 0


def test_random_completions_keep_the_sum_and_come_near_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, cell = OfFeatures("nasbench201"), get_space("nasbench201").parse(CELL)
    whole = explain(predictor, cell)
    monkeypatch.setattr("mpnas_ray.explaining.completions._MOST_COMBINATIONS", 10)
    drawn = explain(predictor, cell)
    assert not drawn.exact
    assert drawn.base + sum(slot.value for slot in drawn.slots) == pytest.approx(drawn.score, abs=1e-9)
    assert drawn.score == pytest.approx(whole.score)
    for one, other in zip(whole.slots, drawn.slots, strict=True):
        assert other.value == pytest.approx(one.value, abs=0.25)


@pytest.mark.parametrize("space", ["nasbench101", "nasbench201", "transnasbench101", "nasbenchasr", "mixed"])
def test_slots_may_hold_any_value_whatever_the_others_are(space: str) -> None:
    found, rng = get_space(space), np.random.default_rng(5)
    for codes in found.sample_codes(20, rng):
        slots, changed = found.slots(codes), codes.copy()
        assert len({slot.name for slot in slots}) == len(slots)
        for slot in slots:
            assert 0 <= codes[slot.place] < len(slot.values)
            changed[slot.place] = rng.integers(len(slot.values))
        assert found.architecture(changed) in found
        assert [slot.place for slot in found.slots(changed)] == [slot.place for slot in slots]


def test_a_cell_without_operations_is_explained_by_its_topology() -> None:
    cells = completed(OfFeatures("nasbench101").predict, get_space("nasbench101").parse("|output~0|"))
    assert cells.slots == ()
    found = explain(OfFeatures("nasbench101"), "nasbench101:|output~0|")
    assert found.slots == found.swaps == found.effects == ()
    assert found.base == found.score


def test_features_are_those_whose_cells_are_predicted_apart() -> None:
    found = explain(OfFeatures("nasbench101"), ROOT_OF_101)
    assert found.motifs
    effects = [abs(motif.effect) for motif in found.motifs]
    assert effects == sorted(effects, reverse=True)
    assert all(0 < motif.share < 1 for motif in found.motifs)


def test_costs_are_explained_by_the_devices_they_resemble() -> None:
    rng = np.random.default_rng(0)
    archs = get_space("nasbench201").sample_many(8, rng)
    costs = load_predictor("cost")
    assert explain(costs, CELL).sources == ()
    found = explain(costs.adapt(archs, -rng.random(8)), CELL).sources
    assert sum(source.probability for source in found) == pytest.approx(1)
    assert all(source.contribution is None for source in found)


def test_json_comes_back(explained: Explanation) -> None:
    assert Explanation.of_json(explained.to_json()) == explained
    text = explained.to_json()
    absurd = replace(explained, score=math.inf).to_json(), replace(explained, costs={}).to_json()
    for damaged in ("[]", "{", text.replace('"score"', '"sore"'), *absurd):
        with pytest.raises(PredictorError, match="not an explanation"):
            Explanation.of_json(damaged)


def test_what_cannot_be_explained_is_said() -> None:
    with pytest.raises(PredictorError, match="predicts the same for all of nasbench201"):
        explain(Constant("nasbench201"), CELL)
    with pytest.raises(SearchSpaceError):
        explain(Additive("nasbench201"), "nasbench201:|conv~0|")
