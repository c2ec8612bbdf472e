"""A meta-learned predictor as two files: weights (``.safetensors``) and a card (``.json``) on where they come from.

The card is for people, and for the check that keeps results honest: a predictor must not be judged on a data set, or
device, that it was meta-learned on (`refuse_if_seen`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from mpnas_ray.errors import PredictorError
from mpnas_ray.meta.config import MetaConfig
from mpnas_ray.meta.predictor import MetaPredictor
from mpnas_ray.tables import TableTask

__all__ = ["FORMAT_VERSION", "PredictorCard", "load_checkpoint", "refuse_if_seen", "save_checkpoint"]

FORMAT_VERSION = 1
_KIND = "mpnas-ray meta-learned predictor"


@dataclass(frozen=True)
class PredictorCard:
    """Where a predictor comes from.

    Attributes:
        name: Of the checkpoint, e.g. ``mpnas-1``.
        config: How it was meta-learned, and its shape.
        spaces: Search spaces it learned from.
        tasks: Names of the tasks it learned from.
        datasets: All data sets that their values depend on.
        devices: All devices that their values depend on.
        licences: Task -> licence of its table; None where the source states none.
        command: What made it.
        quality: Figure -> value, e.g. ``nasbench201/cifar10: spearman at 5 points``.
    """

    name: str
    config: MetaConfig
    spaces: tuple[str, ...]
    tasks: tuple[str, ...]
    datasets: tuple[str, ...]
    devices: tuple[str, ...]
    licences: Mapping[str, str | None]
    command: str = ""
    quality: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        config: MetaConfig,
        tasks: Mapping[str, TableTask],
        *,
        command: str = "",
        quality: Mapping[str, float] | None = None,
    ) -> PredictorCard:
        """The card of a predictor that was meta-learned from these tasks."""

        def union(attribute: str) -> tuple[str, ...]:
            return tuple(sorted({value for task in tasks.values() for value in getattr(task, attribute)}))

        return cls(
            name=name,
            config=config,
            spaces=tuple(sorted({task.archs.space.name for task in tasks.values()})),
            tasks=tuple(sorted(tasks)),
            datasets=union("datasets"),
            devices=union("devices"),
            licences={name: task.licence for name, task in sorted(tasks.items())},
            command=command,
            quality=dict(quality or {}),
        )

    @property
    def algorithm(self) -> str:
        """``boil``, ``maml`` or ``anil``."""
        return self.config.algorithm

    @property
    def seed(self) -> int:
        """The seed that all of it follows from."""
        return self.config.seed


def refuse_if_seen(card: PredictorCard, task: TableTask) -> None:
    """Raise if a predictor has learned from the data set or device of a task it is to be judged on.

    Raises:
        PredictorError: Naming what it has seen.
    """
    seen = sorted({*card.datasets, *card.devices} & {*task.datasets, *task.devices})
    if task.name in card.tasks:
        seen = seen or [task.name]
    if seen:
        raise PredictorError(
            f"The predictor {card.name!r} has learned from {', '.join(seen)}, so it cannot be judged on {task.name}: "
            f"meta-train one with that task held out."
        )


def save_checkpoint(path: str | Path, predictor: MetaPredictor, card: PredictorCard) -> None:
    """Write ``<path>.safetensors`` and ``<path>.json``; only the initialisation is kept, not an adaptation to a task.

    Args:
        path: Without ending, or with one of the two.
        predictor: Meta-learned, with the configuration that the card names.
        card: Its card.

    Raises:
        PredictorError: If card and predictor are of different configurations.
    """
    from safetensors.torch import save

    if card.config != predictor.config:
        raise PredictorError(f"The card {card.name!r} is of another configuration than the predictor.")
    weights, card_file = _files(path)
    initial = {
        name.removeprefix("initial."): tensor.contiguous()
        for name, tensor in predictor.state_dict().items()
        if name.startswith("initial.")
    }
    data = save(initial)
    content = {
        "kind": _KIND,
        "format_version": FORMAT_VERSION,
        "algorithm": card.algorithm,
        "seed": card.seed,
        **{item.name: getattr(card, item.name) for item in fields(card)},
        "config": card.config.to_dict(),
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "num_parameters": sum(tensor.numel() for tensor in initial.values()),
    }
    weights.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(weights, data)
    _write_whole(card_file, (json.dumps(content, indent=2) + "\n").encode())


def load_checkpoint(path: str | Path, device: torch.device | str = "cpu") -> tuple[MetaPredictor, PredictorCard]:
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
    return MetaPredictor(card.config, initial, device=device), card


def _read_card(path: Path) -> tuple[PredictorCard, str]:
    """The card, and the digest of the weights it belongs to."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PredictorError(f"There is no predictor card {path}: {error}.") from error
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
        card = PredictorCard(
            name=content["name"],
            config=MetaConfig.from_dict(content["config"]),
            licences=content["licences"],
            command=content["command"],
            quality=content["quality"],
            **{name: tuple(content[name]) for name in ("spaces", "tasks", "datasets", "devices")},
        )
        return card, str(content["weights_sha256"])
    except (KeyError, TypeError) as error:
        raise PredictorError(f"The predictor card {path} is damaged: {error!r} is missing or wrong.") from error


def _files(path: str | Path) -> tuple[Path, Path]:
    """The weights and the card; a dot in the name is not taken for an ending."""
    name = str(path).removesuffix(".safetensors").removesuffix(".json")
    return Path(f"{name}.safetensors"), Path(f"{name}.json")


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)
