"""What one ranking should give out in a row to concurrent trials: benchmarks/results/batches.{json,md}.

    python benchmarks/batches.py --tables DIR --checkpoints DIR --runs FILE

`MPNASSearch` makes a ranking of all results each time four are new, and proposes down this ranking until the next. With
many trials at a time, the ranking does not know those under way. Rules for its order, with leave-one-out predictors:

    plain         the meta-learned mean and the guard's expected improvement in turns
    greedy        so too, but each of the guard's turns takes what is under way, and what was chosen before it, as
                  measured to be what the guard expects ("kriging believer", Ginsbourger et al. 2010)
    thompson      so too, but each of the guard's turns takes the best of another joint sample
    thompson-all  each turn of both takes the best of another joint sample, before the first result too

A run's seed is that of its first architecture, which is a random one, of the order in which trials end, and of the
searcher. Runs are appended to a file, one a line; those that are there are not done again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from timing import RESULTS, facts, write_results

from cluster.comparison.contestants import CONTESTANTS, sources_of
from cluster.comparison.measures import Interval, Scale, interval
from cluster.comparison.numbers import count, value
from cluster.comparison.predictors import check_predictor, learn_predictor, predictor_name
from cluster.comparison.presets import sources_of_space
from cluster.replay import replay
from mpnas_ray.checkpoints import load_checkpoint
from mpnas_ray.mixture import MixtureConfig, MixturePredictor
from mpnas_ray.predictors import GaussianProcessPredictor
from mpnas_ray.predictors.categorical_kernel import kernel
from mpnas_ray.spaces import Architectures
from mpnas_ray.tables import TableTask, load_tasks
from searchers import MPNASSearch
from searchers.acquisition import Uncertain, expected_improvement
from searchers.observations import Observations
from searchers.ranking import Ranker, Ranking, RankingRequest, alternating

COLUMNS = (
    "nasbench201/cifar100",
    "nasbench201/darcy",
    "nasbench201/ninapro",
    "transnasbench101/object",
    "transnasbench101/room",
)
RULES = ("plain", "greedy", "thompson", "thompson-all")
BUDGETS = {1: 64, 4: 64, 16: 64, 64: 128}
"""Concurrent trials -> queries."""

PLACES = 8
"""Of a ranking that a rule orders; those behind stay as they are. Four are given out until the next."""

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class RuledRanker(Ranker):
    """Orders the first places of each ranking by one of the rules. The results are not asked if transfer helps."""

    rule: str = "plain"
    observations: Observations = field(default_factory=Observations)

    def rank(self, request: RankingRequest) -> Ranking:
        request = replace(request, check=False)
        guarded = len(request.archs) >= 4
        if self.rule == "plain" or not (guarded or self.rule == "thompson-all"):
            return super().rank(request)
        start, archs, predictor = time.perf_counter(), self.candidates.listed, self.predictor
        assert archs is not None
        assert isinstance(predictor, MixturePredictor)
        rng = np.random.default_rng(request.seed)
        unseen = np.flatnonzero(~np.isin(self.candidates.listed_keys, request.seen))
        measured = Architectures.of(request.archs, self.candidates.space)
        adapted = predictor.adapt(measured, request.labels)
        predicted = adapted.predict(archs)
        order = unseen[np.argsort(-predicted[unseen], kind="stable")]
        if self.rule == "thompson-all":
            order = sampled_first(adapted, archs, order, PLACES if guarded else 64, rng)
        if guarded:
            order = self._with_guard(order, measured, archs, unseen, request, rng)
        keys, seconds = self.candidates.listed_keys[order], time.perf_counter() - start
        return Ranking(archs.codes[order], keys, predicted[order], len(request.archs), seconds)

    def _with_guard(
        self,
        order: Rows,
        measured: Architectures,
        archs: Architectures,
        unseen: Rows,
        request: RankingRequest,
        rng: np.random.Generator,
    ) -> Rows:
        guard, first = GaussianProcessPredictor(), len(request.archs) % 2
        guard.fit(measured, request.labels)
        mean, deviation = guard.predict_with_deviation(archs)
        incumbent = guard.predict(measured).max()
        of_guard = unseen[np.argsort(-expected_improvement(mean, deviation, incumbent)[unseen], kind="stable")]
        if self.rule != "greedy":
            return alternating(order, sampled_first(guard, archs, of_guard, PLACES, rng), first)
        believed = Believed(guard, archs, incumbent)
        for trial in self.observations.trials.values():
            if trial.status == "pending":
                believed.take(int(np.flatnonzero((archs.codes == archs.space.parse(trial.arch).codes).all(axis=1))[0]))
        chosen: list[int] = []
        for turn in range(PLACES):
            worth = -order_of(order, len(archs)) if turn % 2 == first else believed.improvement()
            free = np.setdiff1d(unseen, chosen, assume_unique=True)
            chosen.append(int(free[worth[free].argmax()]))
            believed.take(chosen[-1])
        rest = alternating(order, of_guard, first)
        return np.concatenate([chosen, rest[~np.isin(rest, chosen)]]).astype(np.intp)


class Believed:
    """A Gaussian process, if architectures had been measured to be what it expects of them."""

    def __init__(self, guard: GaussianProcessPredictor, archs: Architectures, incumbent: float) -> None:
        fitted = guard._fitted
        assert fitted is not None
        logarithms = np.exp(fitted.logarithms)
        self._weights, self._amplitude, self._noise = logarithms[:-2], logarithms[-2], logarithms[-1]
        self._codes, self._incumbent = archs.codes, incumbent
        self._mean, deviation = guard.predict_with_deviation(archs)
        self._variance = np.square(deviation)
        explained = self._amplitude * kernel(fitted.support.codes, archs.codes, self._weights)
        self._roots = [*(fitted.whitening @ explained)]  # the posterior covariance is the kernel less their products

    def take(self, row: int) -> None:
        covariance = self._amplitude * kernel(self._codes[[row]], self._codes, self._weights)[0]
        covariance -= sum(root[row] * root for root in self._roots)
        root = covariance / np.sqrt(self._variance[row] + self._noise)
        self._roots.append(root)
        self._variance = np.maximum(self._variance - np.square(root), 0.0)
        self._incumbent = max(self._incumbent, self._mean[row])

    def improvement(self) -> NDArray[np.float64]:
        return expected_improvement(self._mean, np.sqrt(self._variance), self._incumbent)


def order_of(order: Rows, num: int) -> NDArray[np.float64]:
    """Place of each of N rows in an order; none for those that are not in it."""
    places = np.full(num, np.inf)
    places[order] = np.arange(len(order))
    return places


def sampled_first(predictor: Uncertain, archs: Architectures, order: Rows, num: int, rng: np.random.Generator) -> Rows:
    """An order that begins with the best of each of some sampled functions, none twice."""
    chosen: list[int] = []
    for sample in predictor.sample_scores(archs, num, rng):
        free = order[~np.isin(order, chosen)]
        chosen.append(int(free[sample[free].argmax()]))
    return np.concatenate([chosen, order[~np.isin(order, chosen)]]).astype(np.intp)


def leave_one_out(target: TableTask, tasks: dict[str, TableTask], tables: Path, folder: Path) -> MixturePredictor:
    """The predictor of a comparison for a target: made if it is missing."""
    sources = sources_of(CONTESTANTS["mpnas"], target, tasks)
    path, config = folder / predictor_name(sources, 0), MixtureConfig()
    if not check_predictor(path, sources, config, target):
        folder.mkdir(parents=True, exist_ok=True)
        learn_predictor(tuple(sources), config, path, tables)
    predictor = load_checkpoint(path)[0]
    assert isinstance(predictor, MixturePredictor)
    return predictor.measuring(target.kind)


def known_tasks(tables: Path, columns: tuple[str, ...]) -> dict[str, TableTask]:
    spaces = {column.partition("/")[0] for column in columns}
    return load_tasks(tables, [name for space in sorted(spaces) for name in sources_of_space(space)])


def run(
    rule: str, num_concurrent: int, seed: int, refit_every: int, predictor: MixturePredictor, task: TableTask
) -> dict[str, Any]:
    space, start = task.archs.space, time.process_time()
    first = str(space.sample_many(1, np.random.default_rng(seed))[0])
    searcher = MPNASSearch(
        space, predictor=predictor, refit_every=refit_every, seed=seed, points_to_evaluate=[first], twins=True
    )
    ranker = partial(RuledRanker, rule=rule, observations=searcher.observations)
    with patch("searchers.predictor_search.Ranker", ranker):
        found = replay(searcher, task, BUDGETS[num_concurrent], num_concurrent=num_concurrent, seed=seed)
    assert not searcher.num_failures
    scale = Scale.of(task)
    return {
        "queries": found.queries_to(scale.goals["top 0.1 %"]),
        "regret": float(scale.regret(found.best_so_far())[-1]),
        "cpu_seconds": time.process_time() - start,
    }


def key_of(one: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(one[name] for name in ("column", "concurrent", "refit_every", "rule", "seed"))


def read_runs(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each number of concurrent trials and each column: medians of queries and mean regrets by rule."""
    rows = []
    for num_concurrent, column, rule in product(BUDGETS, COLUMNS, RULES):
        found = [one for one in runs if key_of(one)[:4] == (column, num_concurrent, 4, rule)]
        if found:
            queries = np.array([one["queries"] or np.inf for one in found])
            regret = interval(np.array([one["regret"] for one in found]), np.mean, np.random.default_rng(0))
            rows.append(
                {
                    "concurrent": num_concurrent,
                    "column": column,
                    "rule": rule,
                    "seeds": len(found),
                    "queries": float(np.median(queries)) if np.isfinite(np.median(queries)) else None,
                    "regret": vars(regret),
                }
            )
    return rows


def differences(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Regret less that of the plain rule, over columns and seeds that both have run: mean and bootstrap interval."""
    regrets = {key_of(one): one["regret"] for one in runs}
    rows = []
    for num_concurrent, rule in product(BUDGETS, RULES[1:]):
        both = [
            regret - regrets[column, concurrent, every, "plain", seed]
            for (column, concurrent, every, ruled, seed), regret in regrets.items()
            if (concurrent, ruled) == (num_concurrent, rule) and (column, concurrent, every, "plain", seed) in regrets
        ]
        if both:
            found = interval(np.array(both), np.mean, np.random.default_rng(0))
            rows.append({"concurrent": num_concurrent, "rule": rule, "pairs": len(both), "difference": vars(found)})
    return rows


def page(about: dict[str, Any], rows: list[dict[str, Any]], against_plain: list[dict[str, Any]]) -> list[str]:
    lines = ["# Batches of proposals", "", f"`{about['command']}`, {about['machine']}, {about['versions']}.", ""]
    lines += [
        "Rules for what one ranking of `MPNASSearch` gives out in a row (see `benchmarks/batches.py`), a refit each",
        "four results, leave-one-out predictors, results in random order: median queries to the top 0.1 % of the table",
        "(`>`: not reached), and mean regret in percent of the way from the median cell to the best at the end of the",
        "budget, with 95 % bootstrap intervals over seeds.",
    ]
    for num_concurrent, budget in BUDGETS.items():
        here = {(row["column"], row["rule"]): row for row in rows if row["concurrent"] == num_concurrent}
        rules = [rule for rule in RULES if any(ruled == rule for _, ruled in here)]
        if not here:
            continue
        lines += [
            "",
            f"{num_concurrent} at a time, {budget} queries:",
            "",
            f"| column | seeds | {' | '.join(rules)} |",
            f"| --- | ---: | {' | '.join('---:' for _ in rules)} |",
        ]
        for column in COLUMNS:
            found = [here.get((column, rule)) for rule in rules]
            seeds = "/".join(str(row["seeds"]) if row else "0" for row in found)
            cells = [
                f"{count(row['queries'] or np.inf)}; {value(Interval(**row['regret']))}" if row else "" for row in found
            ]
            lines.append(f"| {column} | {seeds} | {' | '.join(cells)} |")
    lines += [
        "",
        "Regret less that of the plain rule, over the columns and seeds that both have run:",
        "",
        "| at a time | rule | runs | difference |",
        "| ---: | --- | ---: | ---: |",
        *(
            f"| {row['concurrent']} | {row['rule']} | {row['pairs']} | {value(Interval(**row['difference']))} |"
            for row in against_plain
        ),
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True, help="file of the runs done so far")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rule", nargs="+", choices=RULES, default=RULES)
    parser.add_argument("--concurrent", nargs="+", type=int, choices=tuple(BUDGETS), default=tuple(BUDGETS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    tasks = known_tasks(options.tables, COLUMNS)
    predictors = {name: leave_one_out(tasks[name], tasks, options.tables, options.checkpoints) for name in COLUMNS}
    done = {key_of(one) for one in read_runs(options.runs)}
    for seed, num_concurrent, column, rule in product(range(options.seeds), options.concurrent, COLUMNS, options.rule):
        setting = {"column": column, "concurrent": num_concurrent, "refit_every": 4, "rule": rule, "seed": seed}
        if key_of(setting) not in done:
            setting |= run(rule, num_concurrent, seed, 4, predictors[column], tasks[column])
            with options.runs.open("a", encoding="utf-8") as file:
                file.write(json.dumps(setting) + "\n")
            print(setting, flush=True)
    runs = read_runs(options.runs)
    about, rows, against_plain = facts("torch", "numpy", "scipy"), summary(runs), differences(runs)
    content = {**about, "summary": rows, "against_plain": against_plain, "runs": runs}
    write_results(RESULTS, "batches", content, page(about, rows, against_plain))


if __name__ == "__main__":
    main()
