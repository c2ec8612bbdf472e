from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mpnas_ray.graphs import graph_batch
from mpnas_ray.meta_learning.gradient import Graphs, Parameters, forward, graphs_of, initial_parameters
from mpnas_ray.predictors import GCNConfig
from mpnas_ray.predictors.neural.gcn import GCN
from mpnas_ray.spaces import get_space

ARCHS = get_space("mixed").sample_many(20, np.random.default_rng(0))


def parameters_of(network: GCN) -> Parameters:
    """Weights of a `GCN` in our layout, without a dimension for the task."""
    state = dict(network.state_dict())
    parameters = {
        name: tensor for name, tensor in state.items() if "weights" not in name and not name.startswith("head")
    }
    for number, layer in enumerate(network.layers):
        parameters[f"layers.{number}.weight"] = torch.cat([w.weight.T for w in layer.weights]).detach()  # type: ignore[union-attr]
    return {**parameters, "head.weight": state["head.weight"].T, "head.bias": state["head.bias"]}


def for_tasks(*graphs: Graphs) -> Graphs:
    return Graphs(torch.stack([g.inputs for g in graphs]), torch.stack([g.reads for g in graphs]))


@pytest.mark.parametrize("flow", ["forward", "reverse", "both"])
@pytest.mark.parametrize("normalization", ["none", "row", "sym"])
@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("num_layers", [1, 4])
def test_each_task_gets_what_the_gcn_gives(flow: str, normalization: str, layer_norm: bool, num_layers: int) -> None:
    config = GCNConfig(
        width=16,
        flow=flow,  # type: ignore[arg-type]
        normalization=normalization,  # type: ignore[arg-type]
        layer_norm=layer_norm,
        num_layers=num_layers,
    )
    networks = [GCN(config).eval() for _ in range(2)]
    tasks = [parameters_of(network) for network in networks]
    parameters = {name: torch.stack([task[name] for task in tasks]) for name in tasks[0]}
    graphs = graphs_of(ARCHS, config).padded(13)
    with torch.no_grad():
        expected = torch.stack([network(graph_batch(ARCHS)) for network in networks])
        assert torch.allclose(forward(parameters, for_tasks(graphs, graphs), config), expected, atol=1e-5)


def test_random_weights_have_the_shapes_and_spread_of_the_gcn() -> None:
    config = GCNConfig(width=64)
    ours = initial_parameters(config, torch.Generator().manual_seed(0))
    theirs = parameters_of(GCN(config))
    assert {name: t.shape for name, t in ours.items()} == {name: t.shape for name, t in theirs.items()}
    for name in ("layers.0.weight", "layers.1.weight", "head.weight"):
        assert float(ours[name].std() / theirs[name].std()) == pytest.approx(1.0, abs=0.2)


def test_dropout_draws_from_the_generator_given_and_keeps_the_mean() -> None:
    config = GCNConfig(width=16, dropout=0.5)
    parameters = {n: t[None] for n, t in initial_parameters(config, torch.Generator().manual_seed(0)).items()}
    graphs = for_tasks(graphs_of(ARCHS, config))

    def scores(seed: int) -> Tensor:
        return forward(parameters, graphs, config, torch.Generator().manual_seed(seed))

    assert torch.equal(scores(1), scores(1))
    assert not torch.equal(scores(1), scores(2))
    without = forward(parameters, graphs, config)
    assert torch.equal(without, forward(parameters, graphs, replace(config, dropout=0.0), torch.Generator()))
    one_layer = replace(config, num_layers=1)
    several = torch.stack(
        [forward(parameters, graphs, one_layer, torch.Generator().manual_seed(s)) for s in range(500)]
    )
    assert torch.allclose(several.mean(dim=0), forward(parameters, graphs, one_layer), atol=0.15)
