"""The GCN of `mpnas_ray.predictors.neural.gcn` for many tasks at once, each with parameters of its own.

It computes what `GCN.forward` does, in the form that the inner loop wants. Parameters are arguments, each with a
leading dimension for the task. The matrices that carry messages are the same in every inner step, so they are made once
for an architecture (`graphs_of`) and carry the messages of both flows in one product. The first layer reads one-hot
kinds, so its messages do not depend on parameters at all; the last one is computed only for the global node, which
alone is read out. The weights of a layer's flows stand in one matrix: messages side by side, [M_f H, M_r H], times
weights on top of each other.

Attributes of nodes have weights of their own in the first layer. They are 0 before training, and are there only if a
space of some task has attributes: a network without them takes every node for one of a cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from mpnas_ray.errors import PredictorError
from mpnas_ray.graphs import graph_batch, message_passing
from mpnas_ray.predictors.neural.gcn import GCNConfig
from mpnas_ray.spaces import Architectures
from mpnas_ray.spaces.operations import ATTRIBUTES, NUM_KNOWN

__all__ = ["Graphs", "Parameters", "check_shapes", "embed", "forward", "graphs_of", "initial_parameters", "stacked"]

Parameters = dict[str, Tensor]
"""Name -> tensor: ``layers.<i>.weight`` ``[flows * in, width]``, ``.bias``, ``.norm.weight``, ``.norm.bias``
``[width]``; ``head.weight`` ``[width, 1]``, ``head.bias`` ``[1]``; perhaps ``layers.0.attributes`` ``[flows * A,
width]``. In the inner loop each has a leading ``[tasks]``."""

_ATTRIBUTES = "layers.0.attributes"


@dataclass(frozen=True)
class Graphs:
    """Architectures, ready for `forward`; leading dimensions ``...`` are ``[N]``, or ``[tasks, N]``.

    Attributes:
        inputs: ``[..., V, flows * 14]``: what each node reads of the one-hot kinds.
        reads: ``[..., V * flows, V]``: row ``v * flows + f`` is what node v reads in flow f, divided by the number of
            flows, since a layer averages them.
        attributes: ``[..., V, flows * A]``: what each node reads of the attributes; None if all are 0.
    """

    inputs: Tensor
    reads: Tensor
    attributes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Tensor | slice) -> Graphs:
        """Select the graphs of these indices; an index of shape [tasks, n] gives graphs ``[tasks, n]``."""
        return self._mapped(lambda tensor: tensor[rows])

    def for_tasks(self, tasks: int) -> Graphs:
        """Repeat graphs ``[N, ...]`` for each of so many tasks, ``[tasks, N, ...]``; nothing is copied."""
        return self._mapped(lambda tensor: tensor.expand(tasks, *tensor.shape))

    def contiguous(self) -> Graphs:
        """Copy what `for_tasks` only repeats, so that it is done once rather than in every step."""
        return self._mapped(Tensor.contiguous)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Graphs:
        attributes = None if self.attributes is None else change(self.attributes)
        return Graphs(change(self.inputs), change(self.reads), attributes)

    @property
    def num_nodes(self) -> int:
        """Number of nodes V, the global node included."""
        return self.inputs.shape[-2]

    def padded(self, num_nodes: int) -> Graphs:
        """Add nodes that nobody reads, so that spaces of different sizes fit into one batch."""
        added = num_nodes - self.num_nodes
        flows = self.reads.shape[-2] // self.num_nodes
        return Graphs(
            F.pad(self.inputs, (0, 0, 0, added)),
            F.pad(self.reads, (0, added, 0, added * flows)),
            None if self.attributes is None else F.pad(self.attributes, (0, 0, 0, added)),
        )

    @staticmethod
    def joined(parts: Sequence[Graphs]) -> Graphs:
        """Join the graphs of several spaces into one batch, in their order."""
        num_nodes = max(part.num_nodes for part in parts)
        padded = [part.padded(num_nodes) for part in parts]
        known = next((part.attributes for part in padded if part.attributes is not None), None)
        attributes = None
        if known is not None:
            nothing = known.new_zeros(num_nodes, known.shape[-1])
            of_parts = [
                nothing.expand(len(part), *nothing.shape) if part.attributes is None else part.attributes
                for part in padded
            ]
            attributes = torch.cat(of_parts)
        return Graphs(
            torch.cat([part.inputs for part in padded]), torch.cat([part.reads for part in padded]), attributes
        )


def graphs_of(archs: Architectures, config: GCNConfig, device: torch.device | str = "cpu") -> Graphs:
    """Prepare N architectures of one space: ``[N, ...]``."""
    batch = graph_batch(archs, device)
    identity = torch.eye(batch.ops.shape[1], device=device)
    inputs, reads = [], []
    for flow in _flows(config):
        carry = message_passing(batch, flow, config.normalization, engine="dense")
        reads.append(carry(identity))
        inputs.append(carry(carry.features()))
    kinds, attributes = zip(*(torch.tensor_split(read, [NUM_KNOWN], dim=2) for read in inputs), strict=True)
    return Graphs(
        torch.cat(kinds, dim=2) / len(inputs),
        torch.stack(reads, dim=2).flatten(1, 2) / len(reads),
        None if batch.attributes is None else torch.cat(attributes, dim=2) / len(inputs),
    )


def initial_parameters(
    config: GCNConfig,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    *,
    num_inputs: int = NUM_KNOWN,
    num_outputs: int = 1,
    attributes: bool = False,
) -> Parameters:
    """Draw weights as `GCN` draws its own: uniform in +-1/sqrt(in), biases of layers 0, layer norms the identity.

    Weights of attributes are 0, and there only if asked for.
    """
    flows = len(_flows(config))
    parameters: Parameters = {}
    for name, shape in _shapes(config, num_inputs, num_outputs, attributes).items():
        if name.endswith("norm.weight"):
            tensor = torch.ones(shape)
        elif name == _ATTRIBUTES or (name.endswith("bias") and name != "head.bias"):
            tensor = torch.zeros(shape)
        else:
            inner = config.width if name.startswith("head.") else shape[0] // flows
            tensor = (torch.rand(shape, generator=generator) * 2 - 1) / math.sqrt(inner)
        parameters[name] = tensor.to(device)
    return parameters


def stacked(parameters: Parameters, tasks: int) -> Parameters:
    """Repeat the parameters for each of so many tasks; nothing is copied."""
    return {name: tensor.expand(tasks, *tensor.shape) for name, tensor in parameters.items()}


def forward(
    parameters: Parameters, graphs: Graphs, config: GCNConfig, dropout_generator: torch.Generator | None = None
) -> Tensor:
    """Predict scores ``[tasks, N]``; the arguments are those of `embed`."""
    states = embed(parameters, graphs, config, dropout_generator)
    return torch.baddbmm(parameters["head.bias"][:, None], states, parameters["head.weight"]).squeeze(2)


def embed(
    parameters: Parameters, graphs: Graphs, config: GCNConfig, dropout_generator: torch.Generator | None = None
) -> Tensor:
    """Compute the states of the global nodes after the last layer, which the head reads: ``[tasks, N, width]``.

    Args:
        parameters: Parameters with a leading dimension for the task.
        graphs: ``[tasks, N, ...]``.
        config: Shape of the network.
        dropout_generator: Generator of dropout; without one there is no dropout.
    """
    tasks, num_archs, num_nodes = graphs.inputs.shape[:3]
    flows = graphs.reads.shape[2] // num_nodes
    states = graphs.inputs  # of no meaning before the first layer
    for number in range(config.num_layers):
        wanted = num_nodes if number + 1 < config.num_layers else 1
        read = graphs.inputs[:, :, :wanted] if number == 0 else graphs.reads[:, :, : wanted * flows] @ states
        read = read.reshape(tasks, num_archs * wanted, -1)
        layer = f"layers.{number}."
        states = torch.baddbmm(parameters[layer + "bias"][:, None], read, parameters[layer + "weight"])
        if number == 0 and graphs.attributes is not None and _ATTRIBUTES in parameters:
            of_attributes = graphs.attributes[:, :, :wanted].reshape(tasks, num_archs * wanted, -1)
            states = torch.baddbmm(states, of_attributes, parameters[_ATTRIBUTES])
        if config.layer_norm:
            states = F.layer_norm(states, (config.width,))
            states = torch.addcmul(
                parameters[layer + "norm.bias"][:, None], states, parameters[layer + "norm.weight"][:, None]
            )
        states = torch.relu(states).reshape(tasks, num_archs, wanted, config.width)
        if dropout_generator is not None and config.dropout > 0:
            kept = torch.rand(states.shape, generator=dropout_generator, device=states.device) >= config.dropout
            states = states * kept / (1 - config.dropout)
    return states[:, :, 0]


def check_shapes(
    parameters: Parameters, config: GCNConfig, *, num_inputs: int = NUM_KNOWN, num_outputs: int = 1
) -> None:
    """Raise `PredictorError` where names, shapes or types are not those of a float32 network of this shape."""
    if config.num_layers > len(parameters):
        raise PredictorError(f"{len(parameters)} tensors are not the weights of {config.num_layers} layers.")
    shapes = _shapes(config, num_inputs, num_outputs, _ATTRIBUTES in parameters)
    expected = {name: list(shape) for name, shape in shapes.items()}
    found = {name: list(tensor.shape) for name, tensor in parameters.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise PredictorError(
                f"These weights do not fit a meta-learned GCN of {config}: {name} has shape "
                f"{found.get(name, 'none, it is missing')}, expected {expected.get(name, 'none, it is unknown')}."
            )
        if parameters[name].dtype != torch.float32:
            raise PredictorError(
                f"The weights {name} are {parameters[name].dtype}: convert them to torch.float32 and save them again."
            )


def _shapes(config: GCNConfig, num_inputs: int, num_outputs: int, attributes: bool) -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter by name, in the order in which they are drawn."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(config.num_layers):
        inner = config.width if number else num_inputs
        shapes[f"layers.{number}.weight"] = (len(_flows(config)) * inner, config.width)
        shapes[f"layers.{number}.bias"] = (config.width,)
        if config.layer_norm:
            shapes[f"layers.{number}.norm.weight"] = (config.width,)
            shapes[f"layers.{number}.norm.bias"] = (config.width,)
    if attributes:
        shapes[_ATTRIBUTES] = (len(_flows(config)) * len(ATTRIBUTES), config.width)
    return {**shapes, "head.weight": (config.width, num_outputs), "head.bias": (num_outputs,)}


def _flows(config: GCNConfig) -> tuple[Literal["forward", "reverse"], ...]:
    return ("forward", "reverse") if config.flow == "both" else (config.flow,)
