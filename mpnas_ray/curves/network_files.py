"""A pre-trained LCRankNet as two files: weights (``.safetensors``) and a card (``.json``) on where they come from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mpnas_ray.curves.ranknet import LCRankNet, RankNetConfig
from mpnas_ray.errors import PredictorError

__all__ = ["load_network", "save_network"]

_KIND = "mpnas-ray LCRankNet"
_VERSION = 1


def save_network(path: str | Path, network: LCRankNet, tasks: list[str], *, predictor: str | None = None) -> None:
    """Write ``<path>.safetensors`` and ``<path>.json``.

    Args:
        path: Without ending, or with one of the two.
        network: As `pretrain` gave it.
        tasks: Names of the tasks it learned from, in order.
        predictor: Name of the predictor it was pre-trained with, as `load_predictor` takes it; None for none.
    """
    from safetensors.torch import save

    weights, card = _files(path)
    content = {
        "kind": _KIND,
        "version": _VERSION,
        "config": asdict(network.config),
        "num_tasks": network.num_tasks,
        "tasks": tasks,
        "predictor": predictor,
    }
    weights.parent.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    for file, data in ((weights, save(state)), (card, (json.dumps(content, indent=2) + "\n").encode())):
        partial = file.with_name(f"{file.name}.partial")
        partial.write_bytes(data)
        partial.replace(file)


def load_network(path: str | Path) -> tuple[LCRankNet, dict[str, Any]]:
    """Read what `save_network` wrote: the network, and its card with ``tasks`` and ``predictor``.

    Raises:
        PredictorError: If a file is missing, damaged, of another version, or something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    weights, file = _files(path)
    try:
        card: Any = json.loads(file.read_text(encoding="utf-8"))
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
        network = LCRankNet(RankNetConfig(**card["config"]), card["num_tasks"])
        network.load_state_dict(load(data))
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise PredictorError(f"{weights} and {file} do not make an LCRankNet: {error}") from error
    return network.eval(), card


def _files(path: str | Path) -> tuple[Path, Path]:
    name = str(path).removesuffix(".safetensors").removesuffix(".json")
    return Path(f"{name}.safetensors"), Path(f"{name}.json")
