"""Work of the study of 64 cells: trainings of all, supernets that choose among them, and searches that train them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.artifacts.network_trainings import Course, training_item
from cluster.experiments.replay.table import replay
from cluster.experiments.studies.oneshot.skip_conv import SKIP_CONV, all_cells, as_nasbench201
from cluster.experiments.studies.oneshot.supernets import NORMS, SupernetPlan, scores_by_norm, train_supernet
from cluster.work.items import WorkItem
from mpnas_ray.tables import TableTask
from searchers import MPNASSearch, RandomSearch

__all__ = ["METHODS", "SEARCHES", "Truth", "search_items", "supernet_items", "training_items", "truth_of"]

METHODS: dict[str, str] = {
    "darts": "",
    "darts-es": "stopped by curvature",
    "rdarts-l2": "81 times the weight decay, stopped by curvature",
    "rdarts-dp": "operations dropped, stopped by curvature",
    "darts-pt": "",
    "darts-pt-fixed": "logits that never move",
    "fairdarts": "",
    "gdas": "",
    "rsps": "",
    "oneshot": "",
}
"""One-shot methods that choose, and what sets them apart."""

SAMPLING = ("rsps", "oneshot")
"""Methods that compare random cells by their scores with shared weights; here they choose the best of all 64."""

SCORING = ("darts", *SAMPLING)
"""Methods whose supernets score all 64 cells."""

SEARCHES: dict[str, str] = {
    "random": "Random cells.",
    "scratch": "MP-NAS without knowledge of other tasks.",
    "mpnas": "MP-NAS with the bundled predictor `mpnas-3`.",
    "mpnas, supernet as prior": "The same with the scores of a supernet of `rsps` in its ranking.",
}
"""Searches that train cells one after another."""

PRIOR = "mpnas, supernet as prior"


def in_cpu_time(compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Compute a result, and add the seconds of the processor that it took as ``cpu_seconds``."""
    start = time.process_time()
    result = compute()
    return {**result, "cpu_seconds": time.process_time() - start}


def training_items(course: Course, seeds: int) -> list[WorkItem]:
    """Describe the trainings of all 64 cells, those of the first seed first."""
    items = [
        training_item(f"cell{number:02}", as_nasbench201(cell), seed, course)
        for seed in range(seeds)
        for number, cell in enumerate(all_cells())
    ]
    return [replace(item, compute=partial(in_cpu_time, item.compute)) for item in items]


@dataclass(frozen=True, eq=False)
class Truth:
    """The measured scores of the 64 cells, in the order of `all_cells`.

    Attributes:
        validation: Validation metric after the last epoch ``[seeds, 64]``, higher is better.
        test: Test metric ``[seeds, 64]``, higher is better.
        parameters: Number of parameters ``[64]``.
        cpu_seconds: Seconds of the processor for one training, the mean of all.
    """

    validation: NDArray[np.float64]
    test: NDArray[np.float64]
    parameters: NDArray[np.int64]
    cpu_seconds: float

    @property
    def mean_test(self) -> NDArray[np.float64]:
        """The mean test metric of each cell ``[64]``, which stands for the truth."""
        found: NDArray[np.float64] = self.test.mean(axis=0)
        return found

    def row(self, arch: str) -> int:
        """Return the number of a cell, from its text in any space."""
        text = arch.partition(":")[2]
        return [str(cell).partition(":")[2] for cell in all_cells()].index(text)

    def regret(self, arch: str) -> float:
        """Return how far the mean test metric of a cell is below the best one."""
        truth = self.mean_test
        return float(truth.max() - truth[self.row(arch)])

    def rank(self, arch: str) -> int:
        """Return the rank of a cell by the mean test metric, 1 is the best."""
        truth = self.mean_test
        return int((truth > truth[self.row(arch)]).sum()) + 1


def truth_of(results: Sequence[Mapping[str, Any]], seeds: int, mode: str) -> Truth:
    """Put the results of `training_items` together."""
    sign = 1.0 if mode == "max" else -1.0
    shape = (seeds, len(all_cells()))
    return Truth(
        validation=sign * np.array([one["score"][-1] for one in results]).reshape(shape),
        test=sign * np.array([one["test"] for one in results]).reshape(shape),
        parameters=np.array([one["parameters"] for one in results[: shape[1]]]),
        cpu_seconds=float(np.mean([one["cpu_seconds"] for one in results])),
    )


def supernet_items(course: Course, seeds: int, methods: Sequence[str], changed: Mapping[str, Any]) -> list[WorkItem]:
    """Describe the supernets of each method, those of the first seed first.

    Args:
        course: Task and sizes, as of the trainings.
        seeds: Number of supernets of each method.
        methods: Names of the methods.
        changed: Settings in place of those of the methods' short protocols.
    """
    items = []
    for seed in range(seeds):
        for method in methods:
            own = {**changed, "num_samples": 1} if method in SAMPLING else changed
            plan = SupernetPlan(method, seed, SKIP_CONV, course.reference, None, course.num_train, course.preset, own)
            scored = method in SCORING
            identity = {**plan.identity, "scored": scored}
            items.append(WorkItem(f"supernets/{method}.{seed}", identity, partial(choose, plan, scored)))
    return items


def choose(plan: SupernetPlan, scored: bool) -> dict[str, Any]:
    """Train a supernet, and note what it chose.

    Returns:
        ``arch``; ``skips``, ``entropy`` and ``curvature`` after each epoch, for methods that have them; ``stopped`` and
        ``cpu_seconds``; ``scores`` of all cells for each kind of batch-norm statistics, if ``scored``.
    """
    trained = train_supernet(plan)
    samples = plan.method in SAMPLING
    result: dict[str, Any] = {
        "arch": trained.epochs[-1]["arch"],
        "epochs": len(trained.epochs),
        "skips": [] if samples else [_skips_in(epoch["arch"]) for epoch in trained.epochs],
        "entropy": [epoch["entropy"] for epoch in trained.epochs if "entropy" in epoch],
        "curvature": [epoch["curvature"] for epoch in trained.epochs if "curvature" in epoch],
        "stopped": trained.training.stopped,
        "cpu_seconds": trained.cpu_seconds,
    }
    if not scored:
        return result
    start = time.process_time()
    own = scores_by_norm(trained.search, all_cells(), [trained.search.settings.norm])
    if samples:
        (scores,) = own.values()
        result["arch"] = str(all_cells()[int(np.argmax([-np.inf if one is None else one for one in scores]))])
        result["cpu_seconds"] += time.process_time() - start
    return {**result, "scores": own | scores_by_norm(trained.search, all_cells(), [n for n in NORMS if n not in own])}


def _skips_in(arch: str) -> int:
    return arch.count("skip_connect")


def search_items(
    truth: Truth, seeds: int, scores: Sequence[Sequence[float | None]], num_samples: int
) -> list[WorkItem]:
    """Describe the searches on the trained cells; each sees the validation metric of one training of a cell.

    Args:
        truth: Scores of the cells.
        seeds: Number of searches of each kind.
        scores: Scores of all cells by supernets, for the search that takes one as its prior, each used in turn.
        num_samples: Cells that each search trains.
    """
    items = []
    for search in SEARCHES:
        for seed in range(seeds):
            values = truth.validation[seed % len(truth.validation)].tolist()
            prior = list(scores[seed % len(scores)]) if search == PRIOR else None
            identity = {"search": search, "seed": seed, "values": values, "prior": prior, "asked": num_samples}
            name = f"searches/{search.replace(', ', '-').replace(' ', '-')}.{seed}"
            compute = partial(_search, search, seed, values, prior, num_samples)
            items.append(WorkItem(name, identity, compute, without_ray=True))
    return items


def _search(
    search: str, seed: int, values: list[float], prior: list[float | None] | None, num_samples: int
) -> dict[str, Any]:
    """Search the 64 cells from a random one on; return the cells in the order in which they were trained."""
    cells = all_cells()
    task = TableTask(SKIP_CONV, cells, np.array(values), "quality", "max")
    first = [str(cells[int(np.random.default_rng(seed).integers(len(cells)))])]
    if search == "random":
        searcher: Any = RandomSearch(cells.space, seed=seed, points_to_evaluate=first)
    else:
        predictor = None if search == "scratch" else "mpnas-3"
        known = None if prior is None else dict(zip(map(str, cells), prior, strict=True))
        searcher = MPNASSearch(
            cells.space,
            predictor=predictor,
            measures="quality",
            seed=seed,
            points_to_evaluate=first,
            cost_predictor=None,
            prior_score=None if known is None else lambda archs: [_nan(known[str(arch)]) for arch in archs],
        )
    found = replay(searcher, task, num_samples)
    return {"archs": list(found.archs), "scores": found.scores.tolist()}


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
