"""Search by a score that costs no training, and the score beside a predictor: benchmarks/results/naswot.{json,md}.

    python benchmarks/naswot.py --tables DIR --checkpoints DIR

Scores are those of the 1,000 random cells of NAS-Bench-201 that `benchmarks/proxies.py` wrote. First, table 2 of Mellor
et al. 2021: what NASWOT finds among 10, 100 and 1,000 cells, beside searches that train. Then what the score adds to a
meta-learned predictor that has not seen the target's data set: rank correlation after 0, 5, 10 and 20 random results
with and without `searchers.model_based.ranking.prior_score`. Predictors are kept in a folder; those that are there are
used.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from timing import RESULTS, facts, write_results

from cluster.artifacts.learned_predictors import learn_once
from cluster.experiments.comparison.methods import METHODS, Method, sources_of, takes_part
from cluster.experiments.comparison.predictors import predictor_to_learn
from cluster.experiments.comparison.presets import sources_of_space
from cluster.experiments.replay.table import replay
from cluster.pages.markdown import markdown_table, wrapped
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor
from mpnas_ray.pretrained import load_checkpoint, refuse_if_seen
from mpnas_ray.spaces import get_space
from mpnas_ray.stats import spearman
from mpnas_ray.tables import TableTask, load_tasks
from searchers import ArchitectureSearcher, RandomSearch, RegularizedEvolution
from searchers.core.zero_cost import scores_of
from searchers.model_based.ranking.prior_score import NUM_SCORED, WORTH, fused, prior_weight

PROXY = "naswot"
IMAGES = ("cifar10", "cifar100", "imagenet16-120")
SIZES = (10, 100, 1_000)
SEEDS, TRAININGS, POPULATION = 25, 100, 20
POINTS, DRAWS = (0, 5, 10, 20), 20
WORTHS = (1.0, 2.0, 5.0, 10.0, 20.0)
SHORTLISTS = (40, 200, None)
TOP = 10
KNOWS = {"mpnas": "near", "mpnas, far": "far"}


class Scored:
    """The cells whose scores are known, as a score for searchers: NaN for all others."""

    def __init__(self, path: Path, proxy: str) -> None:
        table = pq.read_table(path, columns=["task", "arch", proxy]).to_pylist()
        self.values = {
            row["arch"]: np.nan if row[proxy] is None else row[proxy] for row in table if row["task"] == "nasbench201"
        }

    def __call__(self, archs: Any) -> NDArray[np.float64]:
        return np.array([self.values.get(str(arch), np.nan) for arch in archs])


def table2(tables: Path, scored: Scored, seconds: float) -> list[dict[str, Any]]:
    """List the test accuracies ``[SEEDS]`` of what each search finds, by data set."""
    rows = []
    for name in IMAGES:
        names = f"nasbench201/{name}@valid", f"nasbench201/{name}"
        valid, test = map(load_tasks(tables, names).get, names)
        assert valid is not None
        assert test is not None
        known = [arch for arch in map(str, test.archs) if arch in scored.values]
        score = scores_of(scored, test.archs.of(known, test.archs.space))
        ranked = np.where(np.isnan(score), -np.inf, score)
        for size in SIZES:
            values = []
            for seed in range(SEEDS):
                drawn = np.random.default_rng(seed).choice(len(known), size)  # with replacement: for 1,000 too
                values.append(test.value_of(known[drawn[np.argmax(ranked[drawn])]]))
            rows.append(row(name, f"NASWOT, N = {size:,}", 1, size * seconds, values))
        drawn = np.random.default_rng(0).choice(len(test), SEEDS)
        rows.append(row(name, "random, 1 training", 1, 0.0, test.raw[drawn].tolist()))
        for label in ("random", "evolution", "AREA"):
            values = [found_by(searcher_of(label, known, ranked, seed), valid, test) for seed in range(SEEDS)]
            scoring = 2 * POPULATION * seconds if label == "AREA" else 0.0
            rows.append(row(name, f"{label}, {TRAININGS} trainings", TRAININGS, scoring, values))
        picked = test.value_of(valid.archs[int(valid.scores.argmax())])
        rows.append(row(name, "best by validation", len(valid), 0.0, [picked]))
        rows.append(row(name, "optimum", len(test), 0.0, [float(test.raw.max())]))
        print(name, "done", flush=True)
    return rows


def row(task: str, search: str, trainings: int, seconds: float, values: list[float]) -> dict[str, Any]:
    return {"task": task, "search": search, "trainings": trainings, "scoring_seconds": seconds, "values": values}


def searcher_of(label: str, known: list[str], score: NDArray[np.float64], seed: int) -> ArchitectureSearcher:
    if label == "random":
        return RandomSearch("nasbench201", seed=seed, allow_isomorphic=True)
    points = None
    if label == "AREA":  # what `AREASearch` does, on a sample of the cells that have a score
        drawn = np.random.default_rng(seed).choice(len(known), 2 * POPULATION, replace=False)
        points = [known[cell] for cell in drawn[np.argsort(-score[drawn], kind="stable")[:POPULATION]]]
    return RegularizedEvolution(
        "nasbench201", seed=seed, allow_isomorphic=True, population_size=POPULATION, points_to_evaluate=points
    )


def found_by(searcher: ArchitectureSearcher, valid: TableTask, test: TableTask) -> float:
    """Return the test value of the best by validation."""
    run = replay(searcher, valid, TRAININGS)
    return test.value_of(run.archs[int(np.nanargmax(run.scores))])


def predictor_of(method: Method, target: TableTask, tasks: Mapping[str, TableTask], given: Any) -> Any:
    sources = sources_of(method, target, tasks)
    wanted = predictor_to_learn(given.checkpoints, sources, MixtureConfig(), given.tables)
    predictor, card = load_checkpoint(learn_once(wanted, print))
    refuse_if_seen(card, target)
    assert isinstance(predictor, MixturePredictor)
    return predictor.measuring(target.kind)


def fusions(task: TableTask, predictor: MixturePredictor, score: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Average the correlations, and the quantiles of the top cells, of the rankings with each worth of the score.

    Averages are over draws of the results, on the task's scored cells alone.
    """
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for points in POINTS:
        for draw in range(DRAWS if points else 1):
            order = np.random.default_rng(draw).permutation(len(task))
            support, query = order[:points], order[points:]
            predicted = predictor.adapt(task.archs[support], task.scores[support]).predict(task.archs[query])
            truth = task.scores[query]
            rankings = {"predictor": predicted, "score": np.where(np.isnan(score), -np.inf, score)[query]}
            for worth in WORTHS:
                for shortlist in SHORTLISTS if worth == WORTH else (None,):
                    weight = worth / (2 * worth + points)
                    name = f"worth {worth:g}" + ("" if shortlist is None else f", best {shortlist}")
                    rankings[name] = shortlisted(predicted, score[query], weight, shortlist)
            assert np.array_equal(
                rankings[f"worth {WORTH:g}"], fused(predicted, score[query], prior_weight(points, meta_learned=True))
            )
            quantiles = rankdata(truth) / len(truth)
            for name, values in rankings.items():
                top = float(quantiles[np.argsort(-values, kind="stable")[:TOP]].mean())
                found.setdefault((points, name), []).append((float(spearman(values, truth)), top))
    return [
        {"points": points, "ranking": name, "draws": len(draws), "spearman": means[0], "top": means[1]}
        for (points, name), draws in found.items()
        for means in [np.mean(draws, axis=0).tolist()]
    ]


def shortlisted(
    predicted: NDArray[np.float64], score: NDArray[np.float64], weight: float, most: int | None
) -> NDArray[np.float64]:
    """Apply `fused` to the best by the predictor, which stay above all others."""
    first = np.argsort(-predicted, kind="stable")[:most]
    values = rankdata(predicted) / len(predicted) - 1
    values[first] = fused(predicted[first], score[first], weight)
    return values


def mean_of(rows: list[dict[str, Any]], measure: str, **wanted: Any) -> float:
    return float(np.mean([r[measure] for r in rows if all(r[key] == value for key, value in wanted.items())]))


def best_worth(rows: list[dict[str, Any]], apart: str | None = None) -> float:
    """Find the worth with the highest mean correlation after 5 to 20 results on all targets but one."""

    def quality(worth: float) -> float:
        others = [r for r in rows if r["task"] != apart and r["points"] and r["ranking"] == f"worth {worth:g}"]
        return float(np.mean([mean_of(others, "spearman", knows=knows) for knows in KNOWS.values()]))

    return max(WORTHS, key=quality)


def page(content: Mapping[str, Any]) -> list[str]:
    rows, seconds = content["fusion"], content["seconds_a_network"]
    targets = list(dict.fromkeys((r["task"], r["knows"]) for r in rows))
    chosen = ", ".join(f"{task} {worth:g}" for task, worth in content["best_worth"].items())
    intro = f"""# Search without training, and a score beside a predictor

`{content["command"]}`, {content["machine"]}, {content["versions"]}.

Scores are `{content["proxy"]}` of {content["cells"]:,} random cells of NAS-Bench-201 on random inputs, as
[proxies.md](proxies.md) says; {1e3 * seconds:.0f} ms a network on one core.

## NASWOT (table 2 of Mellor et al. 2021)

Test accuracy in %, mean ± standard deviation over {SEEDS} seeds. NASWOT trains one network, its choice by score among N
cells; these are drawn with replacement from the {content["cells"]:,}, for N = 1,000 too (some 630 different ones then).
Searches of {TRAININGS} trainings see validation accuracies, and the test accuracy of their best by validation counts.
AREA scores {2 * POPULATION} of the same cells and begins with the better {POPULATION}; evolution begins with
{POPULATION} random ones. `best by validation` is what a search of all cells would find. Seconds are those of scoring.
"""
    middle = f"""## Rank fusion

Spearman correlation with the table's values on the scored cells, without those whose results are known: means over
{DRAWS} draws of these. In brackets the mean quantile of the {TOP} highest cells, 1 being the best of all. `predictor`
is a mixture meta-learned from other tasks of NAS-Bench-201, never from the target's data set: `near` from all of these,
`far`, for the three image data sets, from NinaPro, Darcy flow and two latencies alone. `score` is {content["proxy"]}
alone (of the same networks for all targets, on random images); `both` is their fusion
(`searchers.model_based.ranking.prior_score`), in which the score is worth {WORTH:g} results.

{said(rows)}
"""
    worth = f"""What a score is worth, in results: mean correlation over the targets. After 5 to 20 results
{content["best_worth_of_all"]:g} is best, `near` and `far` counting alike; if each data set is left out in turn, the
others say: {chosen}.
"""
    share = 100 * NUM_SCORED / len(get_space("nasbench201").distinct())
    shortlist = f"""A search does not score every candidate, which may be 10,000, but the {NUM_SCORED} that the
predictor ranks highest: {share:.1f} % of the different cells of this space. Mean quantile of the {TOP} highest cells
over the targets, by how many of the 1,000 are scored:
"""
    parts = [
        wrapped(intro).strip(),
        table2_lines(content["table2"]),
        wrapped(middle).strip(),
        markdown_table(
            ["target", "results", "predictor", "score", "both", "gain"],
            [line for task, knows in targets for line in target_lines(rows, task, knows)],
        ),
        wrapped(worth).strip(),
        means_table(rows, "spearman", {"predictor": "predictor", **{f"worth {w:g}": f"worth {w:g}" for w in WORTHS}}),
        wrapped(shortlist).strip(),
        means_table(
            rows,
            "top",
            {
                "none": "predictor",
                **{f"{most or 'all'}": f"worth {WORTH:g}" + (f", best {most}" if most else "") for most in SHORTLISTS},
            },
        ),
    ]
    return "\n\n".join(parts).split("\n")


def said(rows: list[dict[str, Any]]) -> str:
    """Say how often, and by how much on average, fusion gains."""
    lines = []
    for knows in KNOWS.values():
        for points in POINTS:
            found = [r for r in rows if (r["knows"], r["points"]) == (knows, points)]
            tasks = list(dict.fromkeys(r["task"] for r in found))
            gains = [
                mean_of(found, "spearman", task=task, ranking=f"worth {WORTH:g}")
                - mean_of(found, "spearman", task=task, ranking="predictor")
                for task in tasks
            ]
            lines.append(
                f"{np.mean(gains):+.3f} after {points} ({sum(g > 0 for g in gains)} of {len(tasks)} targets gain)"
            )
        lines[-len(POINTS) :] = [f"- {knows}: " + ", ".join(lines[-len(POINTS) :]) + "."]
    return "Mean gain in correlation:\n\n" + "\n".join(lines)


def means_table(rows: list[dict[str, Any]], measure: str, columns: Mapping[str, str]) -> str:
    """Tabulate means over targets; ``columns`` maps titles to rankings."""
    return markdown_table(
        ["knows", "results", *columns],
        [
            [
                knows,
                str(points),
                *(f"{mean_of(rows, measure, points=points, knows=knows, ranking=r):.3f}" for r in columns.values()),
            ]
            for knows in KNOWS.values()
            for points in POINTS
        ],
    )


def table2_lines(rows: list[dict[str, Any]]) -> str:
    lines = []
    for search in dict.fromkeys(r["search"] for r in rows):
        of_search = [r for r in rows if r["search"] == search]
        cells = []
        for r in of_search:
            spread = f" ± {np.std(r['values'], ddof=1):.2f}" if len(r["values"]) > 1 else ""
            cells.append(f"{np.mean(r['values']):.2f}{spread}")
        scoring = of_search[0]["scoring_seconds"]
        lines.append([search, f"{scoring:.1f}" if scoring else "-", *cells])
    return markdown_table(["search", "seconds", *IMAGES], lines)


def target_lines(rows: list[dict[str, Any]], task: str, knows: str) -> list[list[str]]:
    lines = []
    for points in POINTS:
        found = {
            name: tuple(
                mean_of(rows, measure, task=task, knows=knows, points=points, ranking=ranking)
                for measure in ("spearman", "top")
            )
            for name, ranking in (("predictor", "predictor"), ("score", "score"), ("both", f"worth {WORTH:g}"))
        }
        gain = f"{found['both'][0] - found['predictor'][0]:+.3f} ({found['both'][1] - found['predictor'][1]:+.3f})"
        lines.append([f"{task}, {knows}", str(points), *(f"{r:.3f} ({top:.3f})" for r, top in found.values()), gain])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of NAS tables")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder of predictors, made if missing")
    parser.add_argument("--scores", type=Path, default=RESULTS, help="folder of proxies.parquet and proxies.json")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    scored = Scored(given.scores / "proxies.parquet", PROXY)
    measured = json.loads((given.scores / "proxies.json").read_text(encoding="utf-8"))
    seconds = measured["nasbench201"]["seconds"][PROXY]
    tasks = load_tasks(given.tables, sources_of_space("nasbench201"))
    rows = []
    for target in (task for task in tasks.values() if task.kind == "quality"):
        there = np.array([str(arch) in scored.values for arch in target.archs])
        known = target[there]
        score = scores_of(scored, known.archs)
        for method in (METHODS[name] for name in KNOWS):
            if takes_part(method, target, tasks):
                predictor = predictor_of(method, target, tasks, given)
                label = {"task": target.name.partition("/")[2], "knows": KNOWS[method.name]}
                rows += [{**label, **found} for found in fusions(known, predictor, score)]
                print(*label.values(), "done", flush=True)
    content = {
        **facts("torch", "numpy", "scipy"),
        "proxy": PROXY,
        "cells": len(scored.values),
        "seconds_a_network": seconds,
        "table2": table2(given.tables, scored, seconds),
        "best_worth": {task: best_worth(rows, task) for task in dict.fromkeys(r["task"] for r in rows)},
        "best_worth_of_all": best_worth(rows),
        "fusion": rows,
    }
    write_results(given.out, "naswot", content, page(content))


if __name__ == "__main__":
    main()
