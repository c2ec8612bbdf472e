"""Pre-train an LCRankNet on a table of ours and write it to a file, as ``mpnas pretrain-scheduler`` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.checks import MOST_SEED, require_seed
from mpnas_ray.curves.network_files import save_network
from mpnas_ray.curves.partial import PartialCurves, final_scores
from mpnas_ray.curves.rank_learning import TaskCurves, pretrain
from mpnas_ray.curves.ranknet import LCRankNet, RankNetConfig
from mpnas_ray.errors import PredictorError, TableError
from mpnas_ray.pretrained import find_checkpoint, load_checkpoint
from mpnas_ray.tables import LearningCurves, leaves_out, origins, read_curves

__all__ = ["Pretrained", "pretrain_on_table", "pretrain_without"]

_PREDICTOR = "mpnas-3"
"""The predictor that tells the network of architectures beforehand, as in benchmarks/results/early_stopping.md.
``mpnas-4`` has learned the final scores of our own table: on these tasks it is better than on a new one, and would be
trusted too much. Where it has learned from a data set that is held out, nothing tells the network."""

_REPORT_EVERY = 100


@dataclass(frozen=True)
class Pretrained:
    """A pre-trained network, and what it and its predictor have learned from.

    Attributes:
        network: Network that has learned from the curves.
        tasks: Names of the tasks whose curves these were.
        predictor: Name of the predictor it was pre-trained with; None for none.
        datasets: Data sets of the tasks and of the predictor, sorted.
    """

    network: LCRankNet
    tasks: list[str]
    predictor: str | None
    datasets: list[str]


def pretrain_without(
    hold_out: Sequence[str],
    every: Mapping[str, LearningCurves],
    config: RankNetConfig | None = None,
    *,
    seed: int = 0,
    on_step: Callable[[int, float], None] | None = None,
) -> Pretrained:
    """Learn from the curves of all tasks but those held out; nothing of the result has seen their data sets.

    The network of 500 steps takes some seconds on one core. The same call gives the same network.

    Args:
        hold_out: Names of tasks.
        every: Task -> curves.
        config: Shape and training; `RankNetConfig()` if None.
        seed: Seed of weights and batches.
        on_step: Called after each step with its number, from 1, and its loss.

    Raises:
        TableError: If no task is one that is held out, or nothing is left to learn from.
    """
    tables = {name: curves.table_task() for name, curves in every.items()}
    names = list(leaves_out(tables, hold_out))
    if not names:
        raise TableError("Nothing is left to learn from: no task is of other data sets than those held out.")
    learned = {dataset for name in names for dataset in tables[name].datasets}
    held_out = {dataset for name in hold_out for dataset in tables[name].datasets}
    predictor, card = load_checkpoint(find_checkpoint(_PREDICTOR))
    completed = [_completed(every[name]) for name in names]
    if origins(held_out).isdisjoint(origins(card.datasets)):
        network = pretrain(completed, config, predictor=predictor, seed=seed, on_step=on_step)
        return Pretrained(network, names, _PREDICTOR, sorted(learned.union(card.datasets)))
    network = pretrain(completed, config, seed=seed, on_step=on_step)
    return Pretrained(network, names, None, sorted(learned))


def pretrain_on_table(
    table: str | Path,
    out: str | Path,
    config: RankNetConfig | None = None,
    *,
    hold_out: Sequence[str] = (),
    seed: int = 0,
    command: str = "",
    report: Callable[[str], None] | None = None,
) -> Pretrained:
    """Call `pretrain_without` on a table's curves, and write ``<out>.safetensors`` and ``.json``.

    Args:
        table: A file of `write_curves`, as ``mpnas tables build`` makes it.
        out: The network's files, without ending.
        config: Shape and training; `RankNetConfig()` if None.
        hold_out: Tasks whose data sets must not be learned from.
        seed: Seed of weights and batches.
        command: Command that is run, for the card.
        report: Receives a line every hundredth step.

    Raises:
        PredictorError: If the seed is out of range.
        TableError: If the table cannot be read, has no task that is held out, or nothing is left to learn from.
    """
    config = config or RankNetConfig()
    require_seed("seed", seed, at_most=MOST_SEED, error=PredictorError)
    if not Path(table).is_file():
        raise TableError(f"There is no file {table}: the table is one that `mpnas tables build` made.")

    def show(step: int, loss: float) -> None:
        if report is not None and step % _REPORT_EVERY == 0:
            report(f"[{step}/{config.iterations}] loss {loss:.3f}")

    made = pretrain_without(hold_out, read_curves(table), config, seed=seed, on_step=show)
    save_network(out, made.network, made.tasks, predictor=made.predictor, datasets=made.datasets, command=command)
    return made


def _completed(curves: LearningCurves) -> TaskCurves:
    """Select the trainings that have a finite final score."""
    scores = final_scores(curves)
    finite: NDArray[np.bool_] = np.isfinite(scores)
    return PartialCurves.of(curves)[finite], scores[finite]
