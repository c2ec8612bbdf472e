from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mpnas_ray.catalogue import load_predictor
from mpnas_ray.curves import (
    BUNDLED_NETWORK,
    LCRankNet,
    LCRankNetMethod,
    PartialCurves,
    RankNetConfig,
    bundled_network,
    final_scores,
    load_network,
    pretrain,
    pretrain_on_table,
    pretrain_without,
    save_network,
)
from mpnas_ray.curves.scaling import standardized
from mpnas_ray.errors import PredictorError, TableError
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import BUNDLED_TABLE, read_curves, write_curves

SHORT = RankNetConfig(iterations=60)
EPOCHS = 10


def made_up(size: int, seed: int = 0, unit: float = 1.0) -> tuple[PartialCurves, NDArray[np.float64]]:
    """Trainings that end as their train loss promises."""
    rng = np.random.default_rng(seed)
    ends = rng.uniform(0.5, 1.0, size)
    times = np.arange(1, EPOCHS + 1) / EPOCHS
    scores = unit * (ends[:, None] * times + rng.normal(scale=0.15 * (1.05 - times), size=(size, EPOCHS)))
    losses = 2 - ends[:, None] * times**0.5 + rng.normal(scale=0.02, size=(size, EPOCHS))
    archs = get_space("nasbench201").sample_many(size, rng)
    return PartialCurves(scores, losses, EPOCHS, archs), unit * ends


@pytest.fixture(scope="module")
def network() -> LCRankNet:
    return pretrain([made_up(60, seed, unit) for seed, unit in enumerate((1.0, 50.0, 3.0))], SHORT)


def test_what_follows_the_end_of_a_training_is_not_read(network: LCRankNet) -> None:
    known, _ = made_up(20, seed=7)
    curves = known.cut(4)
    padded = PartialCurves(
        np.pad(curves.scores, ((0, 0), (0, 5)), constant_values=np.nan),
        np.pad(curves.train_losses, ((0, 0), (0, 5)), constant_values=np.nan),
        EPOCHS,
        curves.archs,
    )
    method = LCRankNetMethod(network)

    assert method.predict(padded, known) == pytest.approx(method.predict(curves, known), abs=1e-5)


def test_the_two_ways_round_add_up_to_one_and_order_is_that_of_the_rows(network: LCRankNet) -> None:
    curves, _ = made_up(12, seed=3)
    values = LCRankNetMethod(network).predict(curves)

    to_win = 1 / (1 + np.exp(values[None] - values[:, None]))
    assert to_win + to_win.T == pytest.approx(np.ones((12, 12)))

    order = np.random.default_rng(0).permutation(12)
    assert LCRankNetMethod(network).predict(curves[order]) == pytest.approx(values[order], abs=1e-5)


def test_pre_trained_it_judges_another_task_in_another_unit(network: LCRankNet) -> None:
    curves, ends = made_up(80, seed=11, unit=1e-3)

    predicted = LCRankNetMethod(network).predict(curves.cut(3))

    assert np.corrcoef(predicted, ends)[0, 1] > np.corrcoef(curves.scores[:, 2], ends)[0, 1] + 0.1


@pytest.mark.long
def test_ten_trainings_are_learned_by_heart() -> None:
    curves, ends = made_up(10, seed=5)
    method = LCRankNetMethod(config=replace(RankNetConfig(), weight_decay=0.0, dropout=0.0))
    with pytest.raises(PredictorError, match="learned nothing"):
        method.predict(curves)

    method.fit(curves, ends)

    assert (np.argsort(method.predict(curves)) == np.argsort(ends)).all()


def test_fitting_leaves_the_given_network_and_torch_random_state_alone(network: LCRankNet) -> None:
    curves, ends = made_up(10, seed=5)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    drawn = torch.random.get_rng_state()

    fits = []
    for _ in range(2):
        method = LCRankNetMethod(network, seed=1)
        method.fit(curves, ends)
        fits.append(method.predict(curves))

    assert (fits[0] == fits[1]).all()
    assert not np.allclose(fits[0], LCRankNetMethod(network).predict(curves))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), drawn)


def test_without_architectures_it_reads_the_curves_alone(network: LCRankNet) -> None:
    curves, _ = made_up(6)
    bare = PartialCurves(curves.scores, curves.train_losses, EPOCHS)

    predicted = LCRankNetMethod(network).predict(bare)

    assert np.isfinite(predicted).all()
    assert not np.allclose(predicted, LCRankNetMethod(network).predict(curves))


def test_without_an_epoch_a_training_comes_last(network: LCRankNet) -> None:
    curves, _ = made_up(5)
    curves.scores[2] = np.nan

    predicted = LCRankNetMethod(network).predict(curves)

    assert predicted[2] == -np.inf
    assert np.isfinite(np.delete(predicted, 2)).all()


def test_scale_does_not_depend_on_unit_or_schedule() -> None:
    curves, _ = made_up(30)
    rescaled = PartialCurves(
        7 * curves.scores + np.arange(EPOCHS), 0.1 * curves.train_losses - np.arange(EPOCHS), EPOCHS, curves.archs
    )
    steady = standardized(curves, curves)

    # Each epoch has a centre of its own; the spread is one at each epoch as well.
    assert standardized(rescaled, rescaled) == pytest.approx(steady, abs=1e-4)
    assert np.abs(np.median(steady, axis=0)).max() < 1e-5
    assert np.abs(steady).max() <= 3


def test_an_epoch_that_few_have_reached_takes_the_spread_before_it() -> None:
    scores = np.full((6, 3), np.nan)
    scores[:, 0] = [0, 1, 2, 3, 4, 5]
    scores[:2, 1] = [10, 12]
    known = PartialCurves(scores, np.zeros_like(scores), 3)

    scaled = standardized(known, known)[:, 0]

    spread = (np.quantile(scores[:, 0], 0.9) - np.quantile(scores[:, 0], 0.1)) / 2
    assert scaled[:2, 1] == pytest.approx([-1 / spread, 1 / spread])


def test_a_file_brings_back_the_network(network: LCRankNet, tmp_path: Path) -> None:
    curves, _ = made_up(6)
    save_network(tmp_path / "net.v1", network, ["a", "b", "c"])

    loaded, card = load_network(tmp_path / "net.v1.json")

    assert card["tasks"] == ["a", "b", "c"]
    assert (LCRankNetMethod(loaded).predict(curves) == LCRankNetMethod(network).predict(curves)).all()


def test_files_that_are_something_else_are_refused(network: LCRankNet, tmp_path: Path) -> None:
    with pytest.raises(PredictorError, match="no pre-trained LCRankNet"):
        load_network(tmp_path / "nothing")
    save_network(tmp_path / "net", network, [])
    card = json.loads((tmp_path / "net.json").read_text())
    for change, message in (
        ({"kind": "x"}, "not the card"),
        ({"version": 9}, "version 9"),
        ({"num_tasks": 5}, "make an"),
    ):
        (tmp_path / "net.json").write_text(json.dumps(card | change))
        with pytest.raises(PredictorError, match=message):
            load_network(tmp_path / "net")


def test_the_network_that_comes_with_the_package_has_learned_from_our_own_table() -> None:
    network, card = load_network(BUNDLED_NETWORK)
    every = read_curves(BUNDLED_TABLE)

    assert card["tasks"] == list(every)
    assert network.num_tasks == len(every)
    assert {dataset for curves in every.values() for dataset in curves.datasets} <= set(card["datasets"])

    method = LCRankNetMethod(network, predictor=load_predictor(card["predictor"]))
    for name in ("libras", "osuleaf", "splice"):
        early, ends = PartialCurves.of(every[name], 3), final_scores(every[name])
        assert spearmanr(method.predict(early), ends)[0] > spearmanr(early.scores[:, -1], ends)[0] + 0.2


def test_it_is_not_for_data_that_it_has_seen(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert bundled_network("a new one") == BUNDLED_NETWORK
        assert not caplog.records
        assert bundled_network("libras") is None
        assert bundled_network("ninapro") is None  # its predictor has
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "The pre-trained LCRankNet lcranknet-2 has learned from libras already",
        "The pre-trained LCRankNet lcranknet-2 has learned from ninapro already",
    ]


@pytest.mark.slow
def test_pre_trained_on_the_other_tasks_it_knows_more_than_the_newest_value(tmp_path: Path) -> None:
    every = read_curves(BUNDLED_TABLE)
    gains = []
    for name in (name for name, curves in every.items() if curves.scores.shape[1] == 27):
        assert name not in pretrain_on_table(BUNDLED_TABLE, tmp_path / name, hold_out=[name]).tasks
        network, card = load_network(tmp_path / name)
        early, ends = PartialCurves.of(every[name], 3), final_scores(every[name])
        predicted = LCRankNetMethod(network, predictor=load_predictor(card["predictor"])).predict(early)
        gains.append(spearmanr(predicted, ends)[0] - spearmanr(early.scores[:, -1], ends)[0])

    assert np.mean(gains) > 0.1
    assert min(gains) > -0.15


@pytest.mark.long
def test_from_a_table_it_learns_all_but_what_is_held_out(tmp_path: Path) -> None:
    every = read_curves(BUNDLED_TABLE)
    diverged = every["satimage"].scores.copy()
    diverged[3, 5:] = np.nan
    few = {"satimage": replace(every["satimage"], scores=diverged), "libras": every["libras"], "watch": every["watch"]}
    write_curves(few, tmp_path / "few.parquet")
    lines: list[str] = []

    made = pretrain_on_table(
        tmp_path / "few.parquet",
        tmp_path / "net",
        RankNetConfig(iterations=200),
        hold_out=["watch"],
        report=lines.append,
    )

    network, card = load_network(tmp_path / "net")
    assert made.tasks == card["tasks"] == ["satimage", "libras"]
    assert {"satimage", "libras"} <= set(card["datasets"])
    assert "watch" not in card["datasets"]
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())
    assert [line.partition(" ")[0] for line in lines] == ["[100/200]", "[200/200]"]
    with pytest.raises(TableError, match="no task 'nothing'"):
        pretrain_on_table(tmp_path / "few.parquet", tmp_path / "no", hold_out=["nothing"])
    with pytest.raises(TableError, match="Nothing is left"):
        pretrain_on_table(tmp_path / "few.parquet", tmp_path / "no", hold_out=list(few))


def test_a_predictor_that_knows_what_is_held_out_has_no_part() -> None:
    every, short = read_curves(BUNDLED_TABLE), RankNetConfig(iterations=1)
    without_watch = pretrain_without(["watch"], every, short)
    assert without_watch.predictor == "mpnas-3"
    assert "ninapro" in without_watch.datasets  # which it has learned from
    without_darcy = pretrain_without(["darcy16"], every, short)
    assert without_darcy.predictor is None
    assert without_darcy.datasets == sorted({name for curves in every.values() for name in curves.datasets} - {"darcy"})
