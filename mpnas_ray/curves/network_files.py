"""A pre-trained LCRankNet as two files: weights (``.safetensors``) and a card (``.json``) on where they come from."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from mpnas_ray.curves.ranknet import LCRankNet, RankNetConfig
from mpnas_ray.errors import PredictorError
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.files.json_records import from_plain, parse_json

__all__ = ["BUNDLED_NETWORK", "bundled_network", "load_network", "save_network"]

logger = logging.getLogger(__name__)

BUNDLED_NETWORK = Path(__file__).parents[1] / "pretrained" / "lcranknet-2"
"""The network that comes with the package, made by ``mpnas pretrain-scheduler`` from our own table."""

_KIND = "mpnas-ray LCRankNet"
_VERSION = 1


@dataclass(frozen=True)
class _CardFile:
    """Fields of a card that are read."""

    config: RankNetConfig
    num_tasks: int
    tasks: list[str]
    datasets: list[str] | None
    predictor: str | None
    command: str = ""


_CARD_FIELDS = frozenset(field.name for field in fields(_CardFile))


def save_network(
    path: str | Path,
    network: LCRankNet,
    tasks: list[str],
    *,
    predictor: str | None = None,
    datasets: Sequence[str] | None = None,
    command: str = "",
) -> None:
    """Write ``<path>.safetensors`` and ``<path>.json``.

    Args:
        path: Path of the files, without suffix or with one of the two.
        network: Network that `pretrain` returned.
        tasks: Names of the tasks it learned from, in order.
        predictor: Name of the predictor it was pre-trained with, as `load_predictor` takes it; None for none.
        datasets: All data sets that it, or the predictor, has learned from; None if that is not known.
        command: Command that made it.
    """
    from safetensors.torch import save

    weights, card = _files(path)
    content = {
        "kind": _KIND,
        "version": _VERSION,
        "config": asdict(network.config),
        "num_tasks": network.num_tasks,
        "tasks": tasks,
        "datasets": None if datasets is None else list(datasets),
        "predictor": predictor,
        "command": command,
    }
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_atomic(weights, save(state))
    write_atomic(card, json.dumps(content, indent=2) + "\n")


def bundled_network(dataset: str) -> Path | None:
    """Find the network that comes with the package, for a run that it has seen nothing of.

    Args:
        dataset: Data set that the run trains on.

    Returns:
        Its path; None, with a warning, if it has learned from that data set.

    Raises:
        PredictorError: If its files are missing or damaged.
    """
    _, card = load_network(BUNDLED_NETWORK)
    if dataset not in card["datasets"]:
        return BUNDLED_NETWORK
    logger.warning(
        "The pre-trained LCRankNet %s has learned from %s already: one that learns from this run alone is used.",
        BUNDLED_NETWORK.name,
        dataset,
    )
    return None


def load_network(path: str | Path) -> tuple[LCRankNet, dict[str, Any]]:
    """Read what `save_network` wrote: the network, and its card with ``tasks``, ``datasets`` and ``predictor``.

    Raises:
        PredictorError: If a file is missing, damaged, of another version, or something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    weights, file = _files(path)
    try:
        card: Any = parse_json(file.read_text(encoding="utf-8"))
        data = weights.read_bytes()
    except OSError as error:
        raise PredictorError(f"There is no pre-trained LCRankNet at {path}: {error}.") from error
    except ValueError as error:
        raise PredictorError(f"{file} is damaged, it is not JSON: {error}.") from error
    if not isinstance(card, dict) or card.get("kind") != _KIND:
        raise PredictorError(f"{file} is not the card of an LCRankNet of mpnas-ray.")
    if card.get("version") != _VERSION:
        raise PredictorError(
            f"{file} has version {card.get('version')!r}; this version of mpnas-ray reads {_VERSION}: pre-train anew."
        )
    try:
        known = from_plain(_CardFile, {name: value for name, value in card.items() if name in _CARD_FIELDS})
        state = load(data)
        if known.config.arch_layers > len(state):
            raise ValueError(f"{len(state)} tensors are not the weights of {known.config.arch_layers} layers")
        with torch.device("meta"):  # takes no memory: a damaged card may ask for any size
            expected = LCRankNet(known.config, known.num_tasks).state_dict()
        if {name: tensor.shape for name, tensor in expected.items()} != {
            n: tensor.shape for n, tensor in state.items()
        }:
            raise ValueError("the weights are not of the shapes that the card says")
        network = LCRankNet(known.config, known.num_tasks)
        network.load_state_dict(state)
        if not all(tensor.isfinite().all() for tensor in network.state_dict().values()):
            raise ValueError("the weights hold NaN or infinities")
    except (TypeError, ValueError, OverflowError, RuntimeError, SafetensorError) as error:
        raise PredictorError(f"{weights} and {file} do not make an LCRankNet: {error}") from error
    return network.eval(), asdict(known)


def _files(path: str | Path) -> tuple[Path, Path]:
    name = str(path).removesuffix(".safetensors").removesuffix(".json")
    return Path(f"{name}.safetensors"), Path(f"{name}.json")
