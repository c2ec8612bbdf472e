"""Judge explanations where the truth is known: benchmarks/results/explanations.{json,md}.

    python benchmarks/explanations.py --tables FOLDER

NAS-Bench-201 and TransNAS-Bench-101 are measured whole, so that Shapley values, swaps and partial dependence of the
measured score are known exactly. Each quality task in turn is explained by predictors that have learned nothing of its
data set, meta-learned with two seeds into --work at the first run, and by a Gaussian process without other tasks.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from explanations_page import MEASURES, mean, page
from numpy.typing import NDArray
from timing import RESULTS, facts, write_results

from cluster.artifacts.learned_predictors import PredictorToLearn, learn_once
from cluster.experiments.protocol.folds import TASKS, Fold
from mpnas_ray.catalogue import make_predictor
from mpnas_ray.explaining.shapley import game_of_grid, shapley_values
from mpnas_ray.files.atomic import write_atomic
from mpnas_ray.graphs.features import graph_features
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor
from mpnas_ray.pretrained import load_checkpoint, refuse_if_seen
from mpnas_ray.spaces import Architectures
from mpnas_ray.spaces.space import all_codes
from mpnas_ray.stats import spearman
from mpnas_ray.tables import TableTask, load_tasks
from mpnas_ray.tables.normalization import normal_scores

SEEDS, DRAWS, POINTS = (0, 1), 5, (0, 10, 50)
SCRATCH = "gp-graf"
GROUPS = {
    "a": ("nasbench201/cifar10", "transnasbench101/scene", "transnasbench101/normal"),
    "b": ("nasbench201/cifar100", "nasbench201/darcy", "transnasbench101/object", "transnasbench101/autoencoder"),
    "c": (
        *("nasbench201/imagenet16-120", "nasbench201/ninapro", "transnasbench101/jigsaw", "transnasbench101/room"),
        "transnasbench101/segmentsemantic",
    ),
}
"""Tasks that are held out together, to meta-learn six predictors in place of 24."""

NUM_SLOTS = 6
JUDGED = 300
"""Number of architectures explained for each predictor: random ones, and those that it predicts to be best."""

NUM_FUNCTIONS, DOUBTED = 64, 30
"""Functions drawn for the standard deviation of swaps, and random architectures whose swaps have one."""
COMMAND = "python benchmarks/explanations.py --tables FOLDER"

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def games_of(grid: Floats) -> Floats:
    """Compute the worth of each coalition for each architecture: ``[2] * 6 + grid.shape``."""
    games = grid
    for slot in range(NUM_SLOTS):
        axis = games.ndim - NUM_SLOTS + slot
        without = np.broadcast_to(games.mean(axis=axis, keepdims=True), games.shape)
        games = np.stack([without, games], axis=slot)
    return games


class Truth:
    """Scores of a whole table, for every architecture of its space in the order of `SearchSpace.enumerate`."""

    def __init__(self, task: TableTask) -> None:
        self.task = task
        space = task.archs.space
        self.archs = space.enumerate()
        self.shape = (len(space.operations),) * NUM_SLOTS
        assert len(task) == len(self.archs), f"{task.name} is not measured whole"
        scores = np.empty(self.shape)
        scores[tuple(task.archs.codes.T)] = task.scores
        ranked = np.empty(self.shape)
        ranked[tuple(task.archs.codes.T)] = normal_scores(task.scores)
        self.measured = {"score": scores.ravel(), "rank": ranked.ravel()}
        self.games = {name: games_of(values.reshape(self.shape)) for name, values in self.measured.items()}
        self.values = {name: shapley_values(games, NUM_SLOTS) for name, games in self.games.items()}
        self.keys = self.archs.canonical_keys()
        features = graph_features(self.archs)
        self.groups = [
            column == value
            for column in features.T
            for value in np.unique(column)
            if 10 <= (column == value).sum() <= len(column) - 10
        ]

    def swaps_of(self, rows: Rows) -> tuple[Rows, Rows]:
        """List rows of architectures and of those one swap away that are not isomorphic to them."""
        codes = np.stack(np.unravel_index(rows, self.shape), axis=1)
        one, other = [], []
        for slot, step in product(range(NUM_SLOTS), range(1, self.shape[0])):
            swapped = codes.copy()
            swapped[:, slot] = (codes[:, slot] + step) % self.shape[0]
            one.append(rows)
            other.append(np.ravel_multi_index(tuple(swapped.T), self.shape))
        first, second = np.concatenate(one), np.concatenate(other)
        differ = self.keys[first] != self.keys[second]
        return first[differ], second[differ]


def effects_of(grid: Floats) -> Floats:
    """Compute partial dependence of each slot on each operation, in one vector."""
    axes = [tuple(axis for axis in range(NUM_SLOTS) if axis != slot) for slot in range(NUM_SLOTS)]
    return np.concatenate([grid.mean(axis=others) - grid.mean() for others in axes])


def deletion(games: Floats, values: Floats) -> Floats:
    """Take the slots away from the highest value to the lowest: mean worth after each, ``[N]``.

    Args:
        games: Worths by measurement, ``[2] * n + [N]``.
        values: Values that say the order, ``[n, N]``.
    """
    order = np.argsort(-values, axis=0, kind="stable")
    there = np.ones(values.shape, dtype=np.int64)
    columns, total = np.arange(values.shape[1]), np.zeros(values.shape[1])
    for slot in order[:-1]:  # without any slot all orders are the same
        there[slot, columns] = 0
        total += games[(*there, columns)]
    return total / (len(values) - 1)


def random_deletion(games: Floats, num_slots: int) -> Floats:
    """Compute the expectation of `deletion` over all orders."""
    sizes = np.indices((2,) * num_slots).sum(axis=0)
    return np.mean([games[sizes == size].mean(axis=0) for size in range(1, num_slots)], axis=0)


def compared(values: Floats, true: Floats, games: Floats) -> dict[str, float]:
    """Compare Shapley values of n slots of N architectures with the true ones, ``[n, N]`` each."""
    ours, best, chance = deletion(games, values), deletion(games, true), random_deletion(games, len(values))
    return {
        "shapley": float(spearman(values.ravel(), true.ravel())),
        "within": float(np.mean(spearman(values.T, true.T))),
        "top slot": float((values.argmax(axis=0) == true.argmax(axis=0)).mean()),
        "deletion": float((chance - ours).mean() / (chance - best).mean()),
    }


def judge(truth: Truth, predicted: Floats, rows: Rows) -> dict[str, float]:
    """Compare the explanations of some architectures with the measured truth."""
    values = shapley_values(games_of(predicted.reshape(truth.shape)), NUM_SLOTS).reshape(NUM_SLOTS, -1)[:, rows]
    found = {"ranking": float(spearman(predicted, truth.measured["score"]))}
    for name in truth.measured:
        true = truth.values[name].reshape(NUM_SLOTS, -1)[:, rows]
        games = truth.games[name].reshape((2,) * NUM_SLOTS + (-1,))[..., rows]
        found |= {f"{measure} {name}": one for measure, one in compared(values, true, games).items()}
    change, true_change = changes(truth, predicted, rows)
    found["swap signs"] = float((np.sign(change) == np.sign(true_change)).mean())
    found["swaps"] = float(spearman(change, true_change))
    return found


def changes(truth: Truth, predicted: Floats, rows: Rows) -> tuple[Floats, Floats]:
    """Return predicted and measured changes of all swaps whose measured scores differ."""
    one, other = truth.swaps_of(rows)
    true_change = truth.measured["score"][other] - truth.measured["score"][one]
    return (predicted[other] - predicted[one])[true_change != 0], true_change[true_change != 0]


def judge_doubt(truth: Truth, predictor: MixturePredictor, predicted: Floats, rows: Rows) -> dict[str, float]:
    """Compare the signs of the swaps that are larger than their standard deviation."""
    one, other = truth.swaps_of(rows)
    asked, which = np.unique(np.concatenate([one, other]), return_inverse=True)
    drawn = predictor.sample_scores(truth.archs[asked], NUM_FUNCTIONS, np.random.default_rng(0))
    std = (drawn[:, which[len(one) :]] - drawn[:, which[: len(one)]]).std(axis=0)
    std *= predicted[asked].std() / drawn.mean(axis=0).std()
    change = predicted[other] - predicted[one]
    true_change = truth.measured["score"][other] - truth.measured["score"][one]
    sure = (np.abs(change) > std) & (true_change != 0)
    agrees = np.sign(change[sure]) == np.sign(true_change[sure])
    return {"sure": float(sure.mean())} | ({"sure swap signs": float(agrees.mean())} if sure.any() else {})


def judge_space(truth: Truth, predicted: Floats) -> dict[str, float]:
    """Compare what does not depend on an architecture."""
    effects = spearman(
        effects_of(predicted.reshape(truth.shape)), effects_of(truth.measured["score"].reshape(truth.shape))
    )
    ranked, true = (normal_scores(values) for values in (predicted, truth.measured["score"]))
    motifs = spearman([ranked[group].mean() for group in truth.groups], [true[group].mean() for group in truth.groups])
    return {"effects": float(effects), "motifs": float(motifs)}


LARGE, NUM_LARGE = "nasbench101/cifar10", 150
"""A task of a space of which no other table is known, and how many of its cells are explained."""


def measure_large(tasks: dict[str, TableTask], work: Path, draws: int) -> list[dict[str, Any]]:
    """Explain cells of NAS-Bench-101 of five operations, for which every cell of their topology is measured."""
    task = tasks[LARGE]
    fold = next(Fold(name, targets) for name, targets in GROUPS.items() if "nasbench201/cifar10" in targets)
    rng = np.random.default_rng(7)
    drawn = task.archs.space.sample_many(3 * NUM_LARGE, rng)
    cells = drawn[(drawn.codes >= 0).all(axis=1)][:NUM_LARGE]  # one with fewer operations has absent ones
    slots = task.archs.space.slots(cells.codes[0])
    combinations = all_codes(tuple(len(slot.values) for slot in slots))
    places, size = [slot.place for slot in slots], len(combinations)
    codes = np.repeat(cells.codes, size, axis=0)
    codes[:, places] = np.tile(combinations, (len(cells), 1))
    every = Architectures(task.archs.space, codes)
    keys, first = np.unique(task.canonical_keys, return_index=True)
    measured = task.scores[first[np.searchsorted(keys, every.canonical_keys())]]
    truth = _Grids.of(measured, cells.codes[:, places])
    found = []
    for seed, points in product(SEEDS, POINTS):
        predictor = learned(fold, seed, tasks, work)
        for draw in range(draws if points else 1):
            rows = np.random.default_rng([draw, 19]).permutation(len(task))[:points]
            adapted = predictor.adapt(task.archs[rows], task.scores[rows])
            predicted = np.concatenate([adapted.predict(every[at : at + 1_000]) for at in range(0, len(every), 1_000)])
            ours = _Grids.of(predicted, cells.codes[:, places])
            decided = truth.swaps != 0
            agrees = np.sign(ours.swaps[decided]) == np.sign(truth.swaps[decided])
            about = {"method": "mp-nas", "seed": seed, "points": points, "draw": draw}
            about |= {"swaps": float(spearman(ours.swaps, truth.swaps)), "swap signs": float(agrees.mean())}
            found.append(about | compared(shapley_values(ours.games, 5), shapley_values(truth.games, 5), truth.games))
    print(LARGE, {key: round(float(np.mean([row[key] for row in found])), 2) for key in ("shapley", "swap signs")})
    return found


@dataclass(frozen=True)
class _Grids:
    """Games of N cells, ``[2] * n + [N]``, and the changes of all of their swaps."""

    games: Floats
    swaps: Floats

    @classmethod
    def of(cls, scores: Floats, held: NDArray[np.int8]) -> _Grids:
        """Make it of the scores of all cells of each one's topology, in the order of `all_codes`."""
        games, swaps = [], []
        for grid, values in zip(scores.reshape(len(held), *(3,) * held.shape[1]), held.tolist(), strict=True):
            games.append(game_of_grid(grid, values))
            for slot in range(len(values)):
                line = grid[tuple(slice(None) if slot == axis else value for axis, value in enumerate(values))]
                swaps.append(np.delete(line, values[slot]) - line[values[slot]])
        return cls(np.stack(games, axis=-1), np.concatenate(swaps))


def learned(fold: Fold, seed: int, tasks: dict[str, TableTask], work: Path) -> MixturePredictor:
    path = work / f"explanations-without-{fold.name}.{seed}"
    learn_once(PredictorToLearn.of(path, fold.sources(tasks), MixtureConfig(seed=seed), COMMAND), print)
    predictor, card = load_checkpoint(path)
    for target in fold.targets:
        refuse_if_seen(card, tasks[target])
    assert isinstance(predictor, MixturePredictor)
    return predictor.measuring("quality")


def measure(tables: Path, work: Path, draws: int) -> dict[str, list[dict[str, Any]]]:
    tasks = load_tasks(tables, TASKS)
    found: dict[str, list[dict[str, Any]]] = {"rows": [], "seeds": []}
    for name, targets in GROUPS.items():
        for target in targets:
            of_task = measure_task(target, Fold(name, targets), tasks, work, draws)
            for key, rows in of_task.items():
                found[key] += rows
            show(target, found["rows"])
    found["large"] = measure_large(tasks, work, draws)
    return found


def measure_task(
    target: str, fold: Fold, tasks: dict[str, TableTask], work: Path, draws: int
) -> dict[str, list[dict[str, Any]]]:
    """Judge all predictors on a task, once: the result is kept in the work folder."""
    kept = work / f"explanations-{target.replace('/', '.')}.{draws}.json"
    if not kept.exists():
        truth, found = Truth(tasks[target]), {"rows": [], "seeds": []}
        knowing = {seed: learned(fold, seed, tasks, work) for seed in SEEDS}
        for points in POINTS:
            for draw in range(draws if points else 1):  # without points nothing is drawn
                rows, agreement = measure_once(truth, knowing, points, draw)
                about = {"task": target, "points": points, "draw": draw}
                found["rows"] += [about | row for row in rows]
                found["seeds"].append(about | {"spearman": agreement})
        write_atomic(kept, json.dumps(found))
    content: dict[str, list[dict[str, Any]]] = json.loads(kept.read_text(encoding="utf-8"))
    return content


def measure_once(
    truth: Truth, knowing: dict[int, MixturePredictor], points: int, draw: int
) -> tuple[list[dict[str, Any]], float]:
    """Judge all predictors with the same points; also return how alike the two seeds explain."""
    scores, found, values = truth.measured["score"], [], []
    measured = np.random.default_rng([draw, 19]).permutation(len(scores))[:points]
    any_of = np.sort(np.random.default_rng(7).permutation(len(scores))[:JUDGED])

    def judged(method: str, seed: int, predictor: Any) -> None:
        predicted = predictor.predict(truth.archs)
        best = np.sort(np.argsort(-predicted, kind="stable")[:JUDGED])
        of_space = judge_space(truth, predicted)
        for which, rows in (("any", any_of), ("best", best)):
            row = {"method": method, "seed": seed, "which": which, **of_space, **judge(truth, predicted, rows)}
            if isinstance(predictor, MixturePredictor):
                row |= judge_doubt(truth, predictor, predicted, rows[:: JUDGED // DOUBTED])
            found.append(row)
        values.append(
            shapley_values(games_of(predicted.reshape(truth.shape)), NUM_SLOTS).reshape(NUM_SLOTS, -1)[:, any_of]
        )

    for seed, predictor in knowing.items():
        judged("mp-nas", seed, predictor.adapt(truth.archs[measured], scores[measured]))
    if points:
        scratch = make_predictor(SCRATCH)
        scratch.fit(truth.archs[measured], scores[measured])
        judged(SCRATCH, 0, scratch)
    return found, float(spearman(values[0].ravel(), values[1].ravel()))


def show(task: str, rows: list[dict[str, Any]]) -> None:
    found = {
        points: {
            key: round(mean(rows, key, task=task, points=points, method="mp-nas", which="any"), 2) for key in MEASURES
        }
        for points in POINTS
    }
    print(task, found, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/explanations"), help="where predictors are kept")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(given.tables, given.work, given.draws)
    content = {
        **facts("numpy", "scipy", "torch"),
        "draws": given.draws,
        "judged": JUDGED,
        "num_large": NUM_LARGE,
        "command": COMMAND,
    }
    for key, rows in found.items():
        content[key] = [
            {name: round(one, 4) if isinstance(one, float) else one for name, one in row.items()} for row in rows
        ]
    write_results(given.out, "explanations", content, page(content).splitlines())


if __name__ == "__main__":
    main()
