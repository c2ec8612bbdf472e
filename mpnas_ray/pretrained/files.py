"""A meta-learned predictor as two files: weights (``.safetensors``) and a card (``.json``) on where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from mpnas_ray.errors import PredictorError, SearchSpaceError
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.files.json_records import from_plain, parse_json
from mpnas_ray.meta_learning.gradient import MetaConfig, MetaPredictor
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor, Source
from mpnas_ray.names import did_you_mean
from mpnas_ray.predictors.cost.predictor import CostConfig, CostPredictor
from mpnas_ray.pretrained.card import PredictorCard
from mpnas_ray.spaces import SearchSpace, get_space

__all__ = ["BUNDLED", "FORMAT_VERSION", "find_checkpoint", "load_checkpoint", "save_checkpoint"]

FORMAT_VERSION = 3
BUNDLED = {name: Path(__file__).with_name(name) for name in ("mpnas-3", "mpnas-4", "cost-1")}
"""Predictors that come with the package: ``mpnas-3`` has learned from official tables, ``mpnas-4`` also from our own
table of ``mixed``; ``cost-1`` knows devices and predicts costs alone. A better one gets a new name."""

_OWN_OPERATIONS = ("mixed", "mixed+spectral", "mixed-macro", "nasbenchasr")
"""Spaces with operations that our own table alone has measured. There ``mpnas-4`` is the default: it ranks better on
tasks it has not seen (benchmarks/results/mini_gain.md). In the others ``mpnas-3`` is, whose meta-validation on official
tables is better: see the two cards."""

_CONFIGS: dict[str, type[MixtureConfig] | type[CostConfig]] = {"mixture": MixtureConfig, "cost": CostConfig}
"""Configurations of the algorithms that do not learn by gradient."""

_KIND = "mpnas-ray meta-learned predictor"

_LARGEST = 1e4
"""Largest weight of a network or a prior. Those of the bundled predictors are below 2.5; products of much larger ones
overflow, and predictions would be NaN. A predictor of costs has prices, in any unit."""


@dataclass(frozen=True)
class _CardFile:
    """Fields of a card that are read; its other fields say again what these say."""

    algorithm: str
    name: str
    config: dict[str, Any]
    sources: tuple[Source, ...]
    datasets: tuple[str, ...]
    devices: tuple[str, ...]
    licences: Mapping[str, str | None]
    remembered: tuple[str, ...]
    command: str
    quality: Mapping[str, float]
    weights_sha256: str


_CARD_FIELDS = frozenset(field.name for field in fields(_CardFile))


def save_checkpoint(
    path: str | Path, predictor: MetaPredictor | MixturePredictor | CostPredictor, card: PredictorCard
) -> None:
    """Write ``<path>.safetensors`` and ``<path>.json``; only the initialisation is kept, not an adaptation to a task.

    Args:
        path: Path of the files, without suffix or with one of the two.
        predictor: Meta-learned, with the configuration that the card names.
        card: Card of the predictor.

    Raises:
        PredictorError: If card and predictor are of different configurations.
    """
    from safetensors.torch import save

    if card.config != predictor.config:
        raise PredictorError(f"The card {card.name!r} is of another configuration than the predictor.")
    weights, card_file = _files(path)
    initial = predictor.initialisation()
    data = save(initial)
    content = {
        "kind": _KIND,
        "format_version": FORMAT_VERSION,
        "algorithm": card.config.algorithm,
        "seed": card.config.seed,
        **asdict(card),
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "num_parameters": sum(tensor.numel() for tensor in initial.values()),
    }
    write_atomic(weights, data)
    write_atomic(card_file, json.dumps(content, indent=2) + "\n")


def find_checkpoint(name_or_path: str | Path = "default", space: SearchSpace | None = None) -> Path:
    """Find the files of a predictor.

    Args:
        name_or_path: ``default`` for the bundled one that suits the space, ``cost`` for the bundled one of costs, the
            name of one of `BUNDLED`, or a path.
        space: Space whose architectures are to be ranked, if that is known.
    """
    if name_or_path == "default":
        name_or_path = "mpnas-4" if space is not None and space.name in _OWN_OPERATIONS else "mpnas-3"
    if name_or_path == "cost":
        name_or_path = "cost-1"
    return BUNDLED.get(str(name_or_path), Path(name_or_path))


def load_checkpoint(
    path: str | Path, device: torch.device | str = "cpu"
) -> tuple[MetaPredictor | MixturePredictor | CostPredictor, PredictorCard]:
    """Read what `save_checkpoint` wrote.

    Raises:
        PredictorError: If a file is missing, damaged, written by a newer version, or something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    weights, card_file = _files(path)
    card, digest = _read_card(card_file)
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise PredictorError(f"{card_file} is there but its weights {weights} cannot be read: {error}.") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise PredictorError(
            f"{weights} is damaged or belongs to another card than {card_file} (SHA-256 differs): fetch both again."
        )
    try:
        initial = load(data)
    except SafetensorError as error:
        raise PredictorError(f"{weights} is not a safetensors file: {error}.") from error
    for name, tensor in initial.items():
        if not bool(tensor.isfinite().all()):
            raise PredictorError(f"{weights} holds NaN or infinities in {name}: it is of a meta-training that failed.")
        if not isinstance(card.config, CostConfig) and tensor.is_floating_point() and tensor.abs().gt(_LARGEST).any():
            raise PredictorError(
                f"{weights} holds numbers above {_LARGEST:g} in {name}: it is damaged. Fetch it again."
            )
    if isinstance(card.config, MixtureConfig):
        return MixturePredictor.of_state(card.config, card.sources, initial, device=device), card
    if isinstance(card.config, CostConfig):
        return CostPredictor.of_state(initial), card
    return MetaPredictor(card.config, initial, device=device), card


def _read_card(path: Path) -> tuple[PredictorCard, str]:
    """Read the card, and the digest of the weights it belongs to."""
    try:
        content: Any = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        bundled = ("default", *BUNDLED)
        raise PredictorError(
            f"There is no predictor card {path}: {error.strerror or error}. A predictor is {', '.join(bundled)}, or "
            f"the path of a checkpoint that `mpnas meta-train` wrote.{did_you_mean(path.stem, bundled)}"
        ) from error
    except ValueError as error:
        raise PredictorError(f"The predictor card {path} is damaged, it is not JSON: {error}.") from error
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise PredictorError(f"{path} is not the card of a meta-learned predictor of mpnas-ray.")
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise PredictorError(
            f"{path} has format {version!r}; this version of mpnas-ray reads format {FORMAT_VERSION}: "
            f"update mpnas-ray, or make the predictor anew with `mpnas meta-train`."
        )
    try:
        found = from_plain(_CardFile, {name: value for name, value in content.items() if name in _CARD_FIELDS})
        for source in found.sources:
            get_space(source.space)
    except (ValueError, SearchSpaceError) as error:
        raise PredictorError(f"The predictor card {path} is damaged: {error}.") from error
    config = _CONFIGS.get(found.algorithm, MetaConfig)
    card = PredictorCard(
        name=found.name,
        config=config.from_dict(found.config),
        sources=found.sources,
        licences=found.licences,
        remembered=found.remembered,
        command=found.command,
        quality=found.quality,
        datasets=found.datasets,
        devices=found.devices,
    )
    return card, found.weights_sha256


def _files(path: str | Path) -> tuple[Path, Path]:
    """Return the paths of the weights and the card; a dot in the name is not taken for an ending."""
    name = str(path).removesuffix(".safetensors").removesuffix(".json")
    return Path(f"{name}.safetensors"), Path(f"{name}.json")
