"""Time graph batches and the two engines, and write benchmarks/results/graph_batches.{json,md}.

    python benchmarks/graph_batches.py

Two questions. How long do 10,000 architectures of each space take to become a batch, and to get their canonical keys?
And from which graph size on is DGL's sparse engine faster than dense matrix products? Everything runs on one thread,
in one process; engines are compared as ratios.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from timing import RESULTS, facts, median_seconds, write_results

from mpnas_ray.graphs import GraphBatch, graph_batch
from mpnas_ray.predictors.neural.gcn import GCN, GCNConfig
from mpnas_ray.spaces import SPACE_NAMES, Architectures, get_space

SIZES = (16, 64, 256, 512, 1024, 2048)
KINDS = tuple((degree, ragged) for ragged in (False, True) for degree in (2, 8))


def random_graphs(num_nodes: int, degree: int, ragged: bool) -> GraphBatch:
    """Acyclic graphs in which a node reads ``degree`` others on average; if ragged, of 8 to ``num_nodes`` nodes."""
    num_graphs = max(4, 4096 // num_nodes)
    generator = torch.Generator().manual_seed(0)
    links = torch.rand(num_graphs, num_nodes, num_nodes, generator=generator) < 2 * degree / num_nodes
    sizes = torch.full((num_graphs,), num_nodes)
    if ragged:
        sizes = torch.linspace(8, num_nodes, num_graphs).round().long()
    mask = torch.arange(num_nodes) < sizes[:, None]
    return GraphBatch(
        ops=torch.randint(11, (num_graphs, num_nodes), generator=generator) * mask,
        adjacency=(torch.triu(links, diagonal=1) & mask[:, :, None] & mask[:, None, :]).float(),
        mask=mask,
    )


def train_step(batch: GraphBatch, engine: str) -> Callable[[], object]:
    torch.manual_seed(0)
    network = GCN(GCNConfig(width=128, dropout=0.0), engine)  # type: ignore[arg-type]

    def step() -> None:
        network.zero_grad()
        network(batch).square().mean().backward()

    return step


def main() -> None:
    torch.set_num_threads(1)
    spaces = {}
    for name in SPACE_NAMES:
        archs = get_space(name).sample_many(10_000, np.random.default_rng(0))
        spaces[name] = {
            "graph_batch_ms": 1e3 * median_seconds(lambda archs=archs: graph_batch(archs), 15),
            "canonical_keys_ms": 1e3
            * median_seconds(lambda archs=archs: Architectures(archs.space, archs.codes).canonical_keys(), 5),
        }
        print(name, spaces[name], flush=True)

    batches = {("cells of mixed", 12): graph_batch(get_space("mixed").sample_many(256, np.random.default_rng(0)))}
    for size in SIZES:
        for degree, ragged in KINDS:
            batches[f"degree {degree}{', ragged' if ragged else ''}", size] = random_graphs(size, degree, ragged)
    engines = []
    for (what, size), batch in batches.items():
        dense, dgl = (median_seconds(train_step(batch, engine), 5) for engine in ("dense", "dgl"))
        row = {"graphs": what, "nodes": size, "dense_ms": 1e3 * dense, "dgl_over_dense": dgl / dense}
        engines.append(row)
        print(row, flush=True)

    about = facts("torch", "numpy", "dgl")
    content = {**about, "spaces": spaces, "engines": engines}
    write_results(RESULTS, "graph_batches", content, page(about, spaces, engines))


def page(about: dict, spaces: dict, engines: list) -> list[str]:  # type: ignore[type-arg]
    columns = list(dict.fromkeys(row["graphs"] for row in engines[1:]))
    lines = [
        "# Graph batches",
        "",
        f"`{about['command']}`, {about['machine']}, one thread, {about['versions']}.",
        "",
        "Milliseconds for 10,000 architectures, median:",
        "",
        "| space | to a batch | canonical keys |",
        "| --- | ---: | ---: |",
        *(f"| {n} | {r['graph_batch_ms']:.0f} | {r['canonical_keys_ms']:.0f} |" for n, r in spaces.items()),
        "",
        "One forward and backward pass of the GCN, width 128: time of the DGL engine over that of the dense one, for",
        "random graphs whose nodes read 2 or 8 others, all of one size or ragged. Below 1, DGL is faster.",
        "",
        "| padded to | " + " | ".join(columns) + " |",
        "| --- |" + " ---: |" * len(columns),
    ]
    for size in SIZES:
        ratios = {row["graphs"]: row["dgl_over_dense"] for row in engines[1:] if row["nodes"] == size}
        lines.append(f"| {size} nodes | " + " | ".join(f"{ratios[what]:.2f}" for what in columns) + " |")
    return [*lines, "", f"256 cells of the mixed space (12 nodes): {engines[0]['dgl_over_dense']:.2f}."]


if __name__ == "__main__":
    main()
