from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mpnas_ray.graphs import GraphBatch, graph_batch, message_passing
from mpnas_ray.predictors.neural.gcn import GCN, GCNConfig
from mpnas_ray.spaces import KINDS, SPACE_NAMES, Architectures, get_space

dgl_there = pytest.mark.skipif(
    pytest.importorskip("importlib.util").find_spec("dgl") is None, reason="dgl==1.1.3 is not installed"
)


def sample(space: str, n: int = 40) -> Architectures:
    return get_space(space).sample_many(n, np.random.default_rng(0))


def test_a_batch_by_hand() -> None:
    batch = graph_batch(["nasbench101:|maxpool3x3~0|output~0~1|"])
    names = [KINDS[kind] for kind, there in zip(batch.ops[0], batch.mask[0], strict=True) if there]
    assert names == ["global", "input", "maxpool", "output"]
    rows, columns = batch.adjacency[0].nonzero(as_tuple=True)
    edges = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert edges == {(1, 2), (1, 7), (2, 7), (1, 0), (2, 0), (7, 0)}  # node 0 is the global one, 7 the output


def test_messages_by_hand() -> None:
    batch = graph_batch(["nasbench101:|maxpool3x3~0|output~0~1|"])
    value = torch.zeros(1, 8, 1)
    value[0, [0, 1, 2, 7], 0] = torch.tensor([1000.0, 1.0, 10.0, 100.0])  # global, input, maxpool, output
    forward = message_passing(batch, "forward", "none", "dense")(value)[0, :, 0]
    assert forward[[0, 1, 2, 7]].tolist() == [1111.0, 1.0, 11.0, 111.0]
    reverse = message_passing(batch, "reverse", "none", "dense")(value)[0, :, 0]
    assert reverse[[0, 1, 2, 7]].tolist() == [1111.0, 111.0, 110.0, 100.0]
    by_row = message_passing(batch, "forward", "row", "dense")(value)[0, :, 0]
    assert by_row[[0, 1, 2, 7]].tolist() == pytest.approx([1111 / 4, 1.0, 11 / 2, 111 / 3])
    assert forward[3:7].abs().sum() == 0, "nodes that are not there hear nothing"


def outputs_and_gradients(network: GCN, engine: str, archs: Architectures) -> list[Tensor]:
    network.engine = engine  # type: ignore[assignment]
    scores = network(graph_batch(archs))
    gradients = torch.autograd.grad(scores.square().sum(), list(network.parameters()))
    return [scores.detach(), *gradients]


@dgl_there
@pytest.mark.parametrize("space", SPACE_NAMES)
@pytest.mark.parametrize("normalization", ["none", "row", "sym"])
def test_engines_agree_in_values_and_gradients(space: str, normalization: str) -> None:
    torch.manual_seed(0)
    config = GCNConfig(width=16, dropout=0.0, flow="both", normalization=normalization)  # type: ignore[arg-type]
    network = GCN(config)
    dense, dgl = (outputs_and_gradients(network, engine, sample(space)) for engine in ("dense", "dgl"))
    for one, other in zip(dense, dgl, strict=True):
        assert (one - other).abs().max() < 1e-5 * max(1.0, float(one.abs().max()))


@pytest.mark.parametrize("engine", ["dense", pytest.param("dgl", marks=dgl_there)])
def test_order_of_the_batch_does_not_matter(engine: str) -> None:
    torch.manual_seed(0)
    network = GCN(GCNConfig(width=16, dropout=0.0), engine)  # type: ignore[arg-type]
    archs = sample("mixed")
    order = np.random.default_rng(1).permutation(len(archs))
    assert torch.allclose(network(graph_batch(archs))[order], network(graph_batch(archs[order])), atol=1e-6)


def test_isomorphic_cells_get_one_score() -> None:
    torch.manual_seed(0)
    network = GCN(GCNConfig(width=16, dropout=0.0))
    isomorphic = ["|conv3x3-bn-relu~0|maxpool3x3~0|output~1~2|", "|maxpool3x3~0|conv3x3-bn-relu~0|output~1~2|"]
    one, other = network(graph_batch([f"nasbench101:{cell}" for cell in isomorphic])).tolist()
    assert one == pytest.approx(other, abs=1e-6)


def test_dense_engine_works_under_functional_transforms() -> None:
    network = GCN(GCNConfig(width=8, dropout=0.0), "dense")
    batch = graph_batch(sample("nasbench201", 5))
    stacked = {name: torch.stack([p.detach(), p.detach() * 0.5]) for name, p in network.named_parameters()}
    each = torch.vmap(lambda parameters: torch.func.functional_call(network, parameters, (batch,)))(stacked)
    assert each.shape == (2, 5)
    assert torch.allclose(each[0], network(batch), atol=1e-5)


@dgl_there
@pytest.mark.parametrize(
    ("nodes", "there", "engine"), [(12, 12, "dense"), (300, 300, "dense"), (300, 100, "dgl"), (600, 600, "dgl")]
)
def test_auto_takes_dgl_for_large_or_ragged_graphs(nodes: int, there: int, engine: str) -> None:
    mask = (torch.arange(nodes) < there)[None]
    batch = GraphBatch(torch.zeros(1, nodes, dtype=torch.int64), torch.zeros(1, nodes, nodes), mask)
    chosen = type(message_passing(batch, "forward", "none", "auto"))
    assert chosen is type(message_passing(batch, "forward", "none", engine))  # type: ignore[arg-type]


def test_ten_thousand_architectures_need_no_loop() -> None:
    # Twenty times as many architectures must not take twenty times as many Python calls.
    import cProfile
    import pstats

    def calls(n: int) -> int:
        archs = get_space("mixed").sample_many(n, np.random.default_rng(0))
        profile = cProfile.Profile()
        profile.runcall(graph_batch, archs)
        return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]

    calls(10)
    assert calls(2_000) <= calls(100) + 20
