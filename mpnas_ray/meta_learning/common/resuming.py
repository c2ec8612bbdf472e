"""The state of an unfinished meta-training in one file, to continue from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mpnas_ray.errors import PredictorError
from mpnas_ray.files.atomic import atomic_path
from mpnas_ray.tables import TableTask

__all__ = ["identity", "read_state", "write_state"]

_FORMAT = 1


def identity(settings: Mapping[str, Any], tasks: Mapping[str, TableTask]) -> str:
    """Return what two trainings must share for one to go on from the other's state."""
    sizes = {name: [len(task), float(np.sum(task.scores))] for name, task in tasks.items()}
    return json.dumps({"config": settings, "tasks": sizes})


def write_state(path: Path, identity: str, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values, whole or not at all."""
    with atomic_path(path) as part:
        torch.save({**content, "format": _FORMAT, "identity": identity}, part)


def read_state(path: Path, identity: str, device: torch.device | str) -> dict[str, Any]:
    """Read what `write_state` wrote.

    Raises:
        PredictorError: If the file is damaged, or of another training.
    """
    try:
        content: Any = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError and more for damaged files
        raise PredictorError(
            f"{path} is not a readable meta-training checkpoint: delete it to start afresh."
        ) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise PredictorError(
            f"{path} is not a meta-training checkpoint of format {_FORMAT}: delete it to start afresh."
        )
    if content.get("identity") != identity:
        raise PredictorError(
            f"{path} is of a meta-training with other settings or tasks: name another file, or delete it."
        )
    return content
