"""The weights of a trained supernet as a score of architectures, for searchers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mpnas_ray.spaces import Architectures
from trainables.data_options import DataOptions
from trainables.oneshot.scoring import one_shot_scores
from trainables.oneshot.search import Search
from trainables.oneshot.training import build_supernet
from trainables.proxies.zero_cost_score import one_thread
from trainables.tasks.core.task import get_task
from trainables.training.data import PreparedData
from trainables.tune.checkpoint_files import RECORD_FILE, read_checkpoint_file
from trainables.tune.saved_supernet import read_supernet_state

__all__ = ["SupernetScore"]


@dataclass(frozen=True)
class SupernetScore:
    """The metric on the validation part that architectures have with the weights of a supernet, as a function of them.

    Attributes:
        checkpoint: Folder or URI of a checkpoint of `SupernetTrainable`, which the process must reach.
        task: Name of the task (`trainables.get_task`), that of the supernet, which the process must know.
        data_dir: Folder of the user's data files; the task's own folder if None.
        device: Device to compute on.
        options: Options of a task that is made of files; the defaults if None.
    """

    checkpoint: str
    task: str
    data_dir: Path | None = None
    device: str = "cpu"
    options: DataOptions | None = None

    def __call__(self, archs: Architectures) -> NDArray[np.float64]:
        """Compute scores ``[N]``: higher is better, NaN for cells without a path from input to output.

        The computation uses one thread, and reads the supernet and the data once a process.

        Raises:
            TaskError: If the supernet is of another task, or the task's data are missing.
            OSError: If the checkpoint cannot be read.
        """
        scores = np.full(len(archs), np.nan)
        there = np.flatnonzero(archs.graphs().live().any(axis=1))
        if len(there):
            with one_thread():
                scores[there] = one_shot_scores(_search(self), archs[there])
        return scores


@lru_cache(maxsize=2)
def _search(score: SupernetScore) -> Search:
    config = json.loads(read_checkpoint_file(score.checkpoint, RECORD_FILE))["config"]
    task = get_task(score.task, score.options)
    training = build_supernet(config, task, PreparedData(task, score.data_dir, torch.device(score.device)))
    training.load_state_dict(read_supernet_state(score.checkpoint))
    return training.search
