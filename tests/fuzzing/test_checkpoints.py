"""Meta-learned predictors, networks of early stopping and found networks: weights and cards that are not as written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from mpnas_ray.curves.network_files import load_network, save_network
from mpnas_ray.curves.ranknet import LCRankNet, RankNetConfig
from mpnas_ray.errors import MPNASError
from mpnas_ray.meta_learning.gradient import MetaConfig, MetaPredictor, initial_parameters
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor, Source
from mpnas_ray.meta_learning.mixture.description import NUM_INPUTS
from mpnas_ray.meta_learning.mixture.process.prior import Prior
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.pretrained import PredictorCard, load_checkpoint, save_checkpoint
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask
from trainables.networks import FoundNetwork
from trainables.networks import load_network as load_found
from trainables.networks import save_network as save_found
from trainables.networks.network import build_network
from trainables.networks.saved import NetworkCard
from trainables.networks.scaling import Decoder, Encoder

SPACE = get_space("nasbenchasr")
ARCHS = SPACE.enumerate()[::2_000]
GCN = GCNConfig(width=3, num_layers=2, dropout=0.0)
TASKS = {"nasbenchasr/x": TableTask("nasbenchasr/x", ARCHS, np.arange(float(len(ARCHS))), "e", "min", datasets=("x",))}


def meta(folder: Path) -> Path:
    config = MetaConfig(gcn=GCN)
    save_checkpoint(folder / "saved", MetaPredictor(config), PredictorCard.of("meta", config, TASKS, quality={"a": 1}))
    return folder / "saved"


def mixture(folder: Path) -> Path:
    config, generator = MixtureConfig(gcn=GCN, num_price_lists=2), torch.Generator().manual_seed(0)
    network = initial_parameters(GCN, generator, num_inputs=NUM_INPUTS, num_outputs=2)
    sources = [Source("nasbenchasr/x", "nasbenchasr", "quality")]
    predictor = MixturePredictor(config, sources, network, Prior.start(1))
    save_checkpoint(folder / "saved", predictor, PredictorCard.of("mixture", config, TASKS))
    return folder / "saved"


def ranknet(folder: Path) -> Path:
    config = RankNetConfig(filters=2, arch_width=2, arch_layers=1, task_width=2, hidden=2)
    save_network(folder / "saved", LCRankNet(config, 1), ["x"], datasets=["x"])
    return folder / "saved"


def found(folder: Path) -> Path:
    arch = str(ARCHS[3])
    network = build_network(arch, (2, 6, 6), 1, dense=True, preset="small")
    card = NetworkCard(arch, "darcy", (2, 6, 6), 1, True, "small", False, {"validation_e": 0.5})
    encoder = Encoder(torch.ones(2, 1, 1), torch.ones(2, 1, 1), False)
    decoder = Decoder(torch.ones(1, 1, 1), torch.ones(1, 1, 1))
    save_found(folder, FoundNetwork(encoder, network, decoder, card))
    return folder / "network"


def use_predictor(path: Path) -> None:
    predictor, card = load_checkpoint(path)
    assert isinstance(card.covers(SPACE), bool)
    assert np.isfinite(predictor.predict(ARCHS[:3])).all()
    adapted = predictor.adapt(ARCHS[:3], [0.1, 0.3, 0.2])
    assert np.isfinite(adapted.predict(ARCHS[:3])).all()


def use_ranknet(path: Path) -> None:
    network, card = load_network(path)
    assert isinstance(card["tasks"], list)
    assert not network.training


def use_found(path: Path) -> None:
    network = load_found(path.parent)
    with torch.no_grad():
        outputs = network(torch.zeros(2, 2, 6, 6))
    assert outputs.shape == (2, 1, 6, 6)


KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], None]]] = {
    "meta": (meta, use_predictor),
    "mixture": (mixture, use_predictor),
    "ranknet": (ranknet, use_ranknet),
    "found": (found, use_found),
}


def signed(path: Path) -> None:
    """Let the card name the weights that are there, as the card of whoever changed them would."""
    card = json.loads(path.with_suffix(".json").read_text())
    if "weights_sha256" in card:
        card["weights_sha256"] = hashlib.sha256(path.with_suffix(".safetensors").read_bytes()).hexdigest()
        path.with_suffix(".json").write_text(json.dumps(card))


@pytest.fixture(params=KINDS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Callable[[Path], None]]:
    make, use = KINDS[request.param]
    path = make(tmp_path)
    use(path)
    return path, use


Saved = tuple[Path, Callable[[Path], None]]


@pytest.mark.long
def test_bytes_of_weights(saved: Saved, fuzz: Any, damaged_bytes: Any) -> None:
    path, use = saved
    weights = path.with_suffix(".safetensors")

    def check(content: bytes) -> None:
        weights.write_bytes(content)
        signed(path)
        use(path)

    fuzz(check, damaged_bytes(weights.read_bytes()))


def test_bytes_of_cards(saved: Saved, fuzz: Any, damaged_bytes: Any) -> None:
    path, use = saved
    card = path.with_suffix(".json")

    def check(content: bytes) -> None:
        card.write_bytes(content)
        use(path)

    fuzz(check, damaged_bytes(card.read_bytes()))


def test_fields_of_cards(saved: Saved, fuzz: Any, damaged_json: Any) -> None:
    path, use = saved
    card = path.with_suffix(".json")

    def check(content: Any) -> None:
        card.write_text(json.dumps(content))
        use(path)

    fuzz(check, damaged_json(json.loads(card.read_text())))


Change = Callable[[torch.Tensor], torch.Tensor]

CHANGES: dict[str, Change] = {
    **{
        f"as {dtype}": partial(torch.Tensor.to, dtype=dtype)
        for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
    },
    **{
        f"full of {value}": partial(torch.full_like, fill_value=value)
        for value in (0, 1, 100, float("nan"), float("inf"))
    },
    "longer": lambda tensor: tensor[None],
    "flat": torch.flatten,
    "empty": lambda tensor: tensor.flatten()[:0],
    "one number": lambda tensor: tensor.flatten()[:1],
    "turned round": lambda tensor: tensor.mT if tensor.ndim > 1 else tensor,
}


def test_tensors(saved: Saved, fuzz: Any) -> None:
    path, use = saved
    weights = path.with_suffix(".safetensors")
    whole = load_file(weights)
    others = st.sampled_from(["x", "support.codes", "decoder.mean", "prior.x", "network.x"])

    def check(changes: list[tuple[str, str, str]]) -> None:
        tensors = dict(whole)
        for name, change, other in changes:
            if change == "gone":
                tensors.pop(name, None)
            elif change == "copied":
                tensors[other] = whole[name].clone()
            else:
                with suppress(RuntimeError):  # whole numbers have no infinity
                    tensors[name] = CHANGES[change](whole[name]).contiguous().clone()
        save_file(tensors, weights)
        signed(path)
        use(path)

    kinds = st.sampled_from([*sorted(CHANGES), "gone", "copied"])
    fuzz(check, st.lists(st.tuples(st.sampled_from(sorted(whole)), kinds, others), min_size=1, max_size=2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_predictors_of_another_precision_are_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    for make in (meta, mixture):
        path = make(tmp_path)
        weights = path.with_suffix(".safetensors")
        save_file({name: tensor.to(dtype) for name, tensor in load_file(weights).items()}, weights)
        signed(path)
        with pytest.raises(MPNASError, match=r"float(16|64)"):
            load_checkpoint(path)
