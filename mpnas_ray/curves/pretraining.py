"""An LCRankNet from a table of ours to a file: what ``mpnas pretrain-scheduler`` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.checkpoints import find_checkpoint, load_checkpoint
from mpnas_ray.curves.network_files import save_network
from mpnas_ray.curves.partial import PartialCurves, final_scores
from mpnas_ray.curves.rank_learning import TaskCurves, pretrain
from mpnas_ray.curves.ranknet import RankNetConfig
from mpnas_ray.errors import TableError
from mpnas_ray.tables import LearningCurves, leaves_out, read_curves

__all__ = ["pretrain_on_table"]

_PREDICTOR = "mpnas-1"
"""What tells the network of architectures beforehand, as in benchmarks/results/early_stopping.md. ``mpnas-2`` has
learned the final scores of our own table: on these tasks it is better than on a new one, and would be trusted too
much."""

_REPORT_EVERY = 100


def pretrain_on_table(
    table: str | Path,
    out: str | Path,
    config: RankNetConfig | None = None,
    *,
    hold_out: Sequence[str] = (),
    seed: int = 0,
    command: str = "",
    report: Callable[[str], None] | None = None,
) -> list[str]:
    """Learn from the curves of all tasks of a table but those held out, and write ``<out>.safetensors`` and ``.json``.

    The network of 500 steps takes some seconds on one core. The same call gives the same network.

    Args:
        table: A file of `write_curves`, as ``mpnas tables build`` makes it.
        out: The network's files, without ending.
        config: Shape and training; `RankNetConfig()` if None.
        hold_out: Tasks whose data sets must not be learned from.
        seed: Of weights and batches.
        command: What is run, for the card.
        report: Receives a line every hundredth step.

    Returns:
        Names of the tasks it learned from.

    Raises:
        TableError: If the table cannot be read, has no task that is held out, or nothing is left to learn from.
    """
    config = config or RankNetConfig()
    every = read_curves(table)
    names = list(leaves_out({name: curves.table_task() for name, curves in every.items()}, hold_out))
    if not names:
        raise TableError(f"Nothing is left to learn from in {table}.")
    predictor, card = load_checkpoint(find_checkpoint(_PREDICTOR))

    def show(step: int, loss: float) -> None:
        if report is not None and step % _REPORT_EVERY == 0:
            report(f"[{step}/{config.iterations}] loss {loss:.3f}")

    tasks = [_completed(every[name]) for name in names]
    network = pretrain(tasks, config, predictor=predictor, seed=seed, on_step=show)
    datasets = sorted({*card.datasets, *(dataset for name in names for dataset in every[name].datasets)})
    save_network(out, network, names, predictor=_PREDICTOR, datasets=datasets, command=command)
    return names


def _completed(curves: LearningCurves) -> TaskCurves:
    """The trainings that came to something."""
    scores = final_scores(curves)
    finite: NDArray[np.bool_] = np.isfinite(scores)
    return PartialCurves.of(curves)[finite], scores[finite]
