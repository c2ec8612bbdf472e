"""Architectures as the mixture predictor reads them: graphs of described nodes.

A node is described by what its operation does rather than by which of the kinds it is, so that an operation that no
source task contains is taken for its nearest relative: a 5x5 convolution is a convolution with a larger kernel. Nodes
that carry nothing from input to output are described apart, since they cost time but change no prediction, and links
from and to zeros are cut. Attributes, of live nodes alone, stand apart from the descriptions.
"""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import torch

from mpnas_ray.meta_learning.common.network import Graphs
from mpnas_ray.spaces import EXTENSIONS, KINDS, OPERATIONS, Architectures
from mpnas_ray.spaces.operations import ATTRIBUTES, GLOBAL, INPUT, NUM_KNOWN, OUTPUT, ZERO, Descriptor

__all__ = ["NUM_INPUTS", "described_graphs"]

_NUM_DESCRIPTORS = len(astuple(Descriptor())) + 2
"""The numbers of an operation's `Descriptor`, whether the node is the input, and whether it is the output."""

_TABLE = np.zeros((len(KINDS), _NUM_DESCRIPTORS), dtype=np.float32)
_TABLE[: len(OPERATIONS), :-2] = [astuple(operation.descriptor) for operation in OPERATIONS]
_TABLE[NUM_KNOWN:, :-2] = [astuple(operation.descriptor) for operation in EXTENSIONS]
_TABLE[INPUT, -2] = _TABLE[OUTPUT, -1] = 1.0

NUM_INPUTS = 2 * _NUM_DESCRIPTORS + 1
"""Numbers that describe a node: the descriptors of a live one, those of a dead one, whether it is the global one."""


def described_graphs(archs: Architectures, device: torch.device | str = "cpu", *, padded: bool = True) -> Graphs:
    """Describe N architectures of one space for the graph network, ``[N, ...]``, by `NUM_INPUTS` numbers a node.

    Node 0 is the global node, which reads all others; the flows are what a node is fed by and what it feeds.

    Args:
        archs: The architectures.
        device: Device of the graphs.
        padded: Have a node for every vertex that a cell of the space may have, also for those that none of these has.
    """
    graphs = archs.graphs()
    used = np.flatnonzero(padded | (graphs.kinds >= 0).any(axis=0))
    kinds, live, edges = graphs.kinds[:, used], graphs.live()[:, used], graphs.edges[:, used[:, None], used]
    there = kinds >= 0
    described = _TABLE[np.where(there, kinds, GLOBAL)] * there[..., None]
    num_archs, num_nodes = there.shape
    states = np.zeros((num_archs, num_nodes + 1, NUM_INPUTS), dtype=np.float32)
    states[:, 1:, :_NUM_DESCRIPTORS] = described * live[..., None]
    states[:, 1:, _NUM_DESCRIPTORS:-1] = described * ~live[..., None]
    states[:, 0, -1] = 1.0

    carries = there & (kinds != ZERO)
    feeds = np.zeros((num_archs, num_nodes + 1, num_nodes + 1), dtype=np.float32)
    feeds[:, 1:, 1:] = edges * (carries[:, :, None] & carries[:, None, :])
    diagonal = np.arange(1, num_nodes + 1)
    feeds[:, diagonal, diagonal] = there
    feeds[:, 0, 0] = 1.0
    flows = np.stack([feeds.transpose(0, 2, 1), feeds], axis=2)  # [N, reader, flow, read]
    flows[:, 0, :, 1:] = there[:, None, :]
    flows /= 2  # a layer averages the flows
    reads = torch.from_numpy(flows.reshape(num_archs, 2 * (num_nodes + 1), num_nodes + 1)).to(device)
    inputs = (reads @ torch.from_numpy(states).to(device)).view(num_archs, num_nodes + 1, 2 * NUM_INPUTS)
    if graphs.attributes is None:
        return Graphs(inputs, reads)
    attributes = torch.from_numpy(np.pad(graphs.attributes[:, used] * live[..., None], ((0, 0), (1, 0), (0, 0)))).to(
        device
    )
    return Graphs(inputs, reads, (reads @ attributes).view(num_archs, num_nodes + 1, 2 * len(ATTRIBUTES)))
