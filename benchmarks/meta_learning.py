"""Time meta-training, adapting and ranking, and write benchmarks/results/meta_learning.{json,md}.

    python benchmarks/meta_learning.py

Three questions. What does it bring to compute all tasks of a meta-batch at once, against the same function called with
one task at a time? How long do the predictors take to adapt to 20 architectures and to rank 10,000, and how far is that
from the floor: their floating-point operations at the rate that a large matrix product reaches on the same threads? And
how long would the paper's meta-training take here? Scores are random: times do not depend on them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from timing import RESULTS, facts, median_seconds, write_results

from mpnas_ray.catalogue import load_predictor
from mpnas_ray.meta_learning.gradient import EpisodePool, Episodes, MetaConfig, MetaPredictor, initial_parameters
from mpnas_ray.meta_learning.gradient.predictor import STEP_COUNTS
from mpnas_ray.meta_learning.gradient.training import outer_loss
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.meta_learning.mixture.description import NUM_INPUTS
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.spaces import KINDS, get_space
from mpnas_ray.tables import TableTask

NUM_RANKED, NUM_ADAPTED = 10_000, 20


def matmul_rate() -> float:
    """Floating-point operations a second, float32."""
    one, other = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3 / median_seconds(lambda: one @ other, 15)


def random_tasks(number: int) -> dict[str, TableTask]:
    rng = np.random.default_rng(0)
    tasks = {}
    for index in range(number):
        space = ("nasbench201", "transnasbench101")[index % 2]
        drawn = get_space(space).sample_many(6_000, rng)
        archs = drawn[np.unique(drawn.codes, axis=0, return_index=True)[1]]
        name = f"{space}/random-{index}"
        tasks[name] = TableTask(name, archs, rng.normal(size=len(archs)), "score", "max", datasets=(name,))
    return tasks


def outer_step(config: MetaConfig, episodes: Episodes, *, batched: bool) -> Callable[[], object]:
    weights = initial_parameters(config.gcn, torch.Generator().manual_seed(0))
    parameters = {name: tensor.requires_grad_() for name, tensor in weights.items()}
    optimizer = torch.optim.AdamW(parameters.values(), lr=config.outer_rate, foreach=True)
    parts = [episodes] if batched else [episodes[slice(i, i + 1)] for i in range(len(episodes))]

    def step() -> None:
        optimizer.zero_grad()
        for part in parts:
            (outer_loss(parameters, part, config).sum() / len(episodes)).backward()
        optimizer.step()

    return step


def meta_batches() -> list[dict[str, float]]:
    rows = []
    tasks = random_tasks(12)
    for width in (32, 96):
        for number in (6, 12):
            config = MetaConfig(gcn=GCNConfig(width=width, dropout=0.0), tasks_per_batch=number)
            pool = EpisodePool.of(tasks, config, np.random.default_rng(0))
            episodes = pool.draw(np.random.default_rng(1))
            loop, at_once = (median_seconds(outer_step(config, episodes, batched=each), 9) for each in (False, True))
            rows.append({"width": width, "tasks": number, "steps_per_second": 1 / at_once, "speedup": loop / at_once})
            print(rows[-1], flush=True)
    return rows


def gcn_operations(num_nodes: int, config: GCNConfig, num_inputs: int, num_outputs: int) -> float:
    """Floating-point operations of one architecture; the last layer is computed for the global node alone."""
    width, flows = config.width, 2
    operations = 2.0 * num_nodes * flows * num_inputs * width
    for layer in range(1, config.num_layers):
        nodes = num_nodes if layer + 1 < config.num_layers else 1
        operations += 2 * nodes * flows * (num_nodes * width + width * width)
    return operations + 2 * width * num_outputs


def uses(rate: float) -> list[dict[str, object]]:
    boil = MetaPredictor(MetaConfig())
    mixture = load_predictor()
    assert isinstance(mixture, MixturePredictor)
    rows: list[dict[str, object]] = []
    for space_name in ("nasbench201", "mixed"):
        archs = get_space(space_name).sample_many(NUM_RANKED, np.random.default_rng(0))
        nodes = archs.graphs().kinds.shape[1] + 1
        support, scores = archs[:NUM_ADAPTED], np.random.default_rng(1).normal(size=NUM_ADAPTED)
        one = {
            "mixture": gcn_operations(nodes, mixture.config.gcn, NUM_INPUTS, 2 * len(mixture.sources)),
            "boil": gcn_operations(nodes, boil.config.gcn, len(KINDS), 1),
        }
        # Ranking is one pass. BOIL adapts by 100 steps, forward and twice that backward, for each of 5 folds and all
        # points; the mixture by one pass and closed forms.
        passes = 3 * 6 * NUM_ADAPTED * max(STEP_COUNTS) + 6 * NUM_ADAPTED * len(STEP_COUNTS)
        floors = {"mixture": NUM_ADAPTED * one["mixture"] / rate, "boil": passes * one["boil"] / rate}
        for name, predictor in (("mixture", mixture), ("boil", boil)):
            adapted = predictor.adapt(support, scores)
            rank = median_seconds(lambda adapted=adapted, archs=archs: adapted.predict(archs), 5)
            adapt = median_seconds(lambda p=predictor, s=support, y=scores: p.adapt(s, y), 5)
            rows.append(
                {
                    "space": space_name,
                    "predictor": name,
                    "adapt_seconds": adapt,
                    "adapt_floor": floors[name],
                    "rank_seconds": rank,
                    "rank_floor": NUM_RANKED * one[name] / rate,
                }
            )
            print(rows[-1], flush=True)
    return rows


def paper_hours() -> float:
    """The paper's meta-training, extrapolated from three steps of it."""
    config = replace(MetaConfig.paper(), tasks_per_batch=6)
    episodes = EpisodePool.of(random_tasks(6), config, np.random.default_rng(0)).draw(np.random.default_rng(1))
    return config.iterations * median_seconds(outer_step(config, episodes, batched=True), 3) / 3600


def main() -> None:
    torch.set_num_threads(1)
    batches, hours = meta_batches(), paper_hours()
    timed = {}
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        rate = matmul_rate()
        timed[threads] = {"matmul_gflops": rate / 1e9, "uses": uses(rate)}
    about = facts("torch", "numpy")
    content = {**about, "meta_batches": batches, "paper_hours": hours, "threads": timed}
    write_results(RESULTS, "meta_learning", content, page(about, batches, hours, timed))


def page(about: dict, batches: list, hours: float, timed: dict) -> list[str]:  # type: ignore[type-arg]
    lines = [
        "# Meta-learning",
        "",
        f"`{about['command']}`, {about['machine']}, {about['versions']}.",
        "",
        "Outer steps of BOIL (8 support and 56 query architectures a task, 6 inner steps, second order), one thread:",
        "all tasks of a meta-batch at once, and how many times faster that is than one task at a time in the same run:",
        "",
        "| width | tasks | steps a second | times faster |",
        "| ---: | ---: | ---: | ---: |",
        *(f"| {r['width']} | {r['tasks']} | {r['steps_per_second']:.1f} | {r['speedup']:.2f} |" for r in batches),
        "",
        f"The paper's meta-training (Table 9, as `MetaConfig.paper` reads it) would take {hours:.1f} h here;",
        "there it took 18 h 31 min on what it calls an Nvidia GTX 2080i.",
        "",
        f"Adapting to {NUM_ADAPTED} architectures (BOIL: step selection included) and ranking {NUM_RANKED:,}, in",
        "seconds; the floor is the number of floating-point operations over the measured rate of a matrix product.",
        "What is above it in ranking are graphs, layer norms and activations; in the mixture also its closed forms.",
    ]
    for threads, found in timed.items():
        lines += [
            "",
            f"{threads} thread{'s' if threads > 1 else ''}, {found['matmul_gflops']:.0f} GFLOP/s:",
            "",
            "| space | predictor | adapt | floor | rank | floor |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
            *(
                f"| {r['space']} | {r['predictor']} | {r['adapt_seconds']:.3f} | {r['adapt_floor']:.4f} "
                f"| {r['rank_seconds']:.2f} | {r['rank_floor']:.3f} |"
                for r in found["uses"]
            ),
        ]
    return lines


if __name__ == "__main__":
    main()
