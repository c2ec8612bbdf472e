"""Make short texts that change with the tables and files that a result depends on."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from mpnas_ray.tables import TableTask

__all__ = ["digest_of_checkpoint", "fingerprint"]


@lru_cache(maxsize=256)
def fingerprint(task: TableTask) -> str:
    """Return a digest of a task's architectures and scores."""
    return hashlib.sha256(task.archs.codes.tobytes() + task.scores.tobytes()).hexdigest()[:16]


def digest_of_checkpoint(path: Path) -> str:
    """Return a digest of a predictor's weights; the path has no ending.

    Raises:
        OSError: If there is no such predictor.
    """
    return hashlib.sha256(path.with_name(f"{path.name}.safetensors").read_bytes()).hexdigest()[:16]
