from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.gradient import MetaConfig, MetaPredictor
from mpnas_ray.meta_learning.mixture import MixtureResult
from mpnas_ray.pretrained import PredictorCard, load_checkpoint, refuse_if_seen, save_checkpoint
from mpnas_ray.spaces import SPACE_NAMES, get_space
from mpnas_ray.tables import TableTask

ARCHS = get_space("nasbench201").sample_many(20, np.random.default_rng(0))


@pytest.fixture
def card(tiny: MetaConfig, made_up_tasks: dict[str, TableTask]) -> PredictorCard:
    return PredictorCard.of("made-up-1", tiny, made_up_tasks, command="pytest", quality={"letters": 0.5})


@pytest.fixture
def saved(tmp_path: Path, tiny: MetaConfig, card: PredictorCard) -> Path:
    save_checkpoint(tmp_path / "made-up-1.0", MetaPredictor(tiny), card)
    return tmp_path / "made-up-1.0"


def weights_of(path: Path) -> Path:
    return path.with_name(path.name + ".safetensors")


def card_of(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def test_round_trip(saved: Path, tiny: MetaConfig, card: PredictorCard) -> None:
    for path in (saved, weights_of(saved), card_of(saved)):
        predictor, read = load_checkpoint(path)
        assert read == card
        assert np.array_equal(predictor.predict(ARCHS), MetaPredictor(tiny).predict(ARCHS))
    assert sorted(path.name for path in saved.parent.iterdir()) == ["made-up-1.0.json", "made-up-1.0.safetensors"]


def test_round_trip_of_a_mixture(
    tmp_path: Path, meta_trained: MixtureResult, made_up_tasks: dict[str, TableTask]
) -> None:
    card = PredictorCard.of("mixed", meta_trained.predictor.config, made_up_tasks, quality=meta_trained.validation)
    adapted = meta_trained.predictor.adapt(ARCHS, np.arange(20))
    save_checkpoint(tmp_path / "mixed", adapted, card)
    predictor, read = load_checkpoint(tmp_path / "mixed")
    assert read == card
    assert np.array_equal(predictor.predict(ARCHS), meta_trained.predictor.predict(ARCHS))


def test_a_mixture_covers_all_spaces_and_others_those_whose_operations_they_have_seen(
    card: PredictorCard, meta_trained: MixtureResult, made_up_tasks: dict[str, TableTask]
) -> None:
    mixture = PredictorCard.of("mixed", meta_trained.predictor.config, made_up_tasks)
    assert all(mixture.covers(get_space(name)) for name in SPACE_NAMES)
    assert [name for name in SPACE_NAMES if card.covers(get_space(name))] == ["nasbench101", "transnasbench101"]


def test_the_card_says_where_it_comes_from(card: PredictorCard, saved: Path) -> None:
    assert card.spaces == ("nasbench101", "transnasbench101")
    assert card.datasets == ("letters-0", "letters-1", "letters-2", "sounds-0", "sounds-1")
    assert set(card.licences.values()) == {"CC0"}
    content = json.loads(card_of(saved).read_text(encoding="utf-8"))
    assert content["format_version"] == 3
    assert (content["algorithm"], content["seed"], content["command"]) == ("boil", 0, "pytest")


def test_an_adaptation_is_not_saved(saved: Path, tiny: MetaConfig, card: PredictorCard) -> None:
    predictor = MetaPredictor(tiny).adapt(ARCHS, np.arange(20))
    save_checkpoint(saved, predictor, card)
    assert np.array_equal(load_checkpoint(saved)[0].predict(ARCHS), MetaPredictor(tiny).predict(ARCHS))


def test_a_card_of_another_configuration_is_refused(saved: Path, tiny: MetaConfig, card: PredictorCard) -> None:
    with pytest.raises(PredictorError, match="another configuration"):
        save_checkpoint(saved, MetaPredictor(replace(tiny, seed=1)), card)


def test_missing_files_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(PredictorError, match=r"no predictor card .*elsewhere\.json"):
        load_checkpoint(tmp_path / "elsewhere")
    weights_of(saved).unlink()
    with pytest.raises(PredictorError, match=r"made-up-1\.0\.safetensors cannot be read"):
        load_checkpoint(saved)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_damaged_weights_are_refused(saved: Path, damage: str) -> None:
    data = bytearray(weights_of(saved).read_bytes())
    if damage == "flipped":
        data[-3] ^= 0xFF
    weights_of(saved).write_bytes({"truncated": data[: len(data) // 2], "flipped": data, "empty": b""}[damage])
    with pytest.raises(PredictorError, match="is damaged or belongs to another card"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"kind": "mpnas', "not JSON"),
        ("[1, 2]", "not the card of a meta-learned predictor"),
        ('{"model": "resnet"}', "not the card of a meta-learned predictor"),
    ],
)
def test_a_damaged_or_foreign_card_is_refused(saved: Path, text: str, message: str) -> None:
    card_of(saved).write_text(text, encoding="utf-8")
    with pytest.raises(PredictorError, match=message):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format_version", 4, "has format 4; .* update mpnas-ray"),
        ("datasets", None, "is damaged"),
        ("config", {"algorithm": "boil"}, "not the settings of a MetaConfig"),
    ],
)
def test_a_newer_or_incomplete_card_is_refused(saved: Path, key: str, value: object, message: str) -> None:
    content = json.loads(card_of(saved).read_text(encoding="utf-8"))
    card_of(saved).write_text(json.dumps({**content, key: value}), encoding="utf-8")
    with pytest.raises(PredictorError, match=message):
        load_checkpoint(saved)


def test_weights_of_another_shape_are_refused(saved: Path) -> None:
    content = json.loads(card_of(saved).read_text(encoding="utf-8"))
    content["config"]["gcn"]["width"] = 16
    card_of(saved).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PredictorError, match="do not fit"):
        load_checkpoint(saved)


def test_a_task_whose_data_set_or_device_was_seen_is_refused(
    card: PredictorCard, made_up_tasks: dict[str, TableTask]
) -> None:
    task = made_up_tasks["nasbench101/sounds-0"]
    with pytest.raises(PredictorError, match=r"has learned from sounds-0, so it cannot be judged on nasbench101/other"):
        refuse_if_seen(card, replace(task, name="nasbench101/other"))
    on_phone = replace(task, datasets=(), devices=("phone",))
    with pytest.raises(PredictorError, match="has learned from nasbench101/sounds-0"):
        refuse_if_seen(card, on_phone)
    refuse_if_seen(card, replace(on_phone, name="nasbench101/latency"))
    with pytest.raises(PredictorError, match="phone"):
        refuse_if_seen(replace(card, devices=("phone",)), replace(on_phone, name="nasbench101/latency"))
    server = replace(on_phone, name="nasbench101/latency", devices=("Silver 4114",))
    with pytest.raises(PredictorError, match="has learned from xeon, xeon-gold-6240, so"):
        refuse_if_seen(replace(card, devices=("xeon", "xeon-gold-6240", "pixel-3")), server)
