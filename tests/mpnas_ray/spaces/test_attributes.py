"""Attributes of vertices: widths, strides and repeats, in the spaces that have them; cells are as without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mpnas_ray.graphs import feature_names, graph_batch, graph_features
from mpnas_ray.meta_learning.gradient import Graphs, forward, graphs_of, initial_parameters
from mpnas_ray.meta_learning.mixture.description import described_graphs
from mpnas_ray.predictors.encodings.operation_counts import operation_counts
from mpnas_ray.predictors.encodings.vectors import encode
from mpnas_ray.predictors.gp.weisfeiler_lehman import vertex_labels
from mpnas_ray.predictors.neural.gcn import GCNConfig, GCNPredictor
from mpnas_ray.spaces import SPACE_NAMES, Architectures, get_space
from mpnas_ray.spaces.operations import ATTRIBUTES
from mpnas_ray.spaces.vertex_sizes import vertex_sizes

WITH_ATTRIBUTES = [name for name in SPACE_NAMES if get_space(name).has_attributes]
CHAINS = [name for name in WITH_ATTRIBUTES if not get_space(name).num_size_codes]
"""Spaces in which every vertex works, and no two texts are of one network."""

CELLS = [name for name in SPACE_NAMES if name not in WITH_ATTRIBUTES]
GCN = GCNConfig(num_layers=2, width=8)


def drawn(space: str, number: int) -> Architectures:
    return get_space(space).sample_many(number, np.random.default_rng(0))


@pytest.mark.parametrize("name", CELLS)
def test_attributes_of_0_change_no_cell(name: str) -> None:
    graphs = drawn(name, 100).graphs()
    assert graphs.attributes is None
    zeros = replace(graphs, attributes=np.zeros((*graphs.kinds.shape, len(ATTRIBUTES)), dtype=np.float32))
    assert np.array_equal(zeros.canonical_keys(), graphs.canonical_keys())
    assert np.array_equal(-zeros.attributes, zeros.attributes)  # -0.0 is no other attribute
    assert np.array_equal(replace(zeros, attributes=-zeros.attributes).canonical_keys(), graphs.canonical_keys())
    assert all((sizes == 1).all() for sizes in vertex_sizes(zeros))


@pytest.mark.parametrize("name", CHAINS)
def test_attributes_are_part_of_keys_labels_features_and_encodings(name: str) -> None:
    archs = drawn(name, 300)
    different = len(np.unique(archs.codes, axis=0))
    assert len(np.unique(archs.canonical_keys())) == different
    assert len(np.unique(vertex_labels(archs, 3)[:, -1], axis=0)) == different
    assert len(np.unique(graph_features(archs), axis=0)) == different
    assert graph_features(archs).shape[1] == len(feature_names(name))
    for encoding in ("adjacency", "paths"):
        rows = encode(archs, encoding)
        assert set(np.unique(rows)) <= {0.0, 1.0}
        assert len(np.unique(rows, axis=0)) == different


def test_widths_are_as_far_apart_as_there_are_steps_between_them() -> None:
    texts = ["8:8:8:8:8", "16:8:8:8:8", "64:8:8:8:8", "64:8:8:8:16"]
    rows = encode(Architectures.of(texts, get_space("natsbench-size")), "adjacency")
    assert np.abs(rows[0] - rows).sum(axis=1).tolist() == [0, 1, 7, 8]


def test_sizes_follow_from_widths_strides_and_repeats() -> None:
    archs = Architectures.of(["64-4211-basic"], get_space("transnasbench101-macro"))
    weights, arithmetic = (sizes[0, 1:5].tolist() for sizes in vertex_sizes(archs.graphs()))
    # Four convolutions each: from 1 to 2 times the base width at a quarter of the positions, from 2 to 4, then 4 to 4.
    assert weights == pytest.approx([2 * 1 + 3 * 4, 4 * 2 + 3 * 16, 4 * 16, 4 * 16])
    assert arithmetic == pytest.approx([one / 4 for one in weights])


def test_larger_networks_count_for_more() -> None:
    small, large = operation_counts(Architectures.of(["8:8:8:8:8", "8:8:8:8:16"], get_space("natsbench-size")))
    assert (large >= small).all()
    assert large.sum() > small.sum()


@pytest.mark.parametrize("name", WITH_ATTRIBUTES)
def test_a_network_reads_attributes_once_it_has_weights_for_them(name: str) -> None:
    archs = drawn(name, 20)
    without = initial_parameters(GCN, torch.Generator().manual_seed(0))
    reading = initial_parameters(GCN, torch.Generator().manual_seed(0), attributes=True)
    assert all(torch.equal(reading[key], tensor) for key, tensor in without.items())

    def predicted(parameters: dict[str, torch.Tensor], graphs: Graphs) -> torch.Tensor:
        return forward({key: tensor[None] for key, tensor in parameters.items()}, graphs.for_tasks(1), GCN)[0]

    graphs = graphs_of(archs, GCN)
    assert torch.equal(predicted(without, graphs), predicted(reading, graphs))
    reading["layers.0.attributes"] += 0.5
    assert not torch.equal(predicted(without, graphs), predicted(reading, graphs))
    assert len(predicted(reading, graphs).unique()) >= len(predicted(without, graphs).unique())
    cells = graphs_of(drawn("nasbench201", 5), GCN)
    alone, joined = predicted(reading, cells), predicted(reading, Graphs.joined([cells, graphs]))
    torch.testing.assert_close(joined[:5], alone)
    torch.testing.assert_close(joined[5:], predicted(reading, graphs))


@pytest.mark.parametrize("name", CHAINS)
def test_described_graphs_and_batches_hold_them(name: str) -> None:
    archs = drawn(name, 4)
    expected = archs.graphs().attributes
    batch = graph_batch(archs)
    assert batch.attributes is not None
    assert np.array_equal(batch.attributes[:, 1:].numpy(), expected)
    assert batch.features().shape[2] == batch.num_features == 14 + len(ATTRIBUTES)
    described = described_graphs(archs)
    assert described.attributes is not None
    # The global node reads what all vertices have, and either flow counts half.
    torch.testing.assert_close(
        described.attributes[:, 0, : len(ATTRIBUTES)],
        torch.from_numpy(expected).sum(dim=1) / 2,  # type: ignore[arg-type]
    )


def test_a_gcn_learns_from_widths() -> None:
    archs = drawn("natsbench-size", 60)
    scores = archs.codes.sum(axis=1)
    predictor = GCNPredictor(GCNConfig(num_layers=2, width=32, epochs=60))
    predictor.fit(archs[:40], scores[:40])
    assert np.corrcoef(predictor.predict(archs[40:]), scores[40:])[0, 1] > 0.8
    again = GCNPredictor(predictor.config)
    again.load(predictor.state_dict())
    assert np.array_equal(again.predict(archs), predictor.predict(archs))
