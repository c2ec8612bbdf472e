"""A supernet: one network that holds the weights of all architectures of a space.

Its cells have a module for each operation of each vertex, built by the same functions as those of a single
architecture's network, around the same stem, residual blocks and head. Gates say which of them a forward pass computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial as with_arguments

import torch
from torch import Tensor, nn

from mpnas_ray.checks import require_count
from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import KINDS, Architecture
from mpnas_ray.spaces.operations import SKIP
from trainables.networks.cell import run_plan
from trainables.networks.network import CellNetwork, Macro
from trainables.networks.operations import build_operation
from trainables.oneshot.gates import Gates
from trainables.oneshot.skeleton import Skeleton

__all__ = ["MixedCell", "Supernet", "inherited_weights", "norms_of"]

_Norm = nn.modules.batchnorm._BatchNorm


class MixedCell(nn.Module):
    """A cell with all operations of all vertices of a skeleton.

    Batch norms in it have neither scale nor shift: a scale could make up for any weight of its operation.
    """

    def __init__(self, skeleton: Skeleton, num_parts: int, channels: int, dimensions: int) -> None:
        """Build the modules.

        Args:
            skeleton: Skeleton of the space.
            num_parts: Only the first 1/num_parts of the channels go through the operations of a vertex that has several
                to choose from, the others go by (PC-DARTS).
            channels: Number of channels, a multiple of ``num_parts``.
            dimensions: 1 or 2.

        Raises:
            TaskError: If the channels cannot be parted so.
        """
        super().__init__()
        if channels % num_parts:
            raise TaskError(f"{channels} channels cannot be parted into {num_parts} equal parts: set partial to 1.")
        self._parted = {v: num_parts for v, kinds in enumerate(skeleton.kinds) if num_parts > 1 and len(kinds) > 1}
        self.operations = nn.ModuleDict()
        for vertex, kinds in enumerate(skeleton.kinds):
            width = channels // self._parted.get(vertex, 1)
            if kinds:
                self.operations[str(vertex)] = nn.ModuleDict(
                    {KINDS[kind]: _without_scale(build_operation(KINDS[kind], width, dimensions)) for kind in kinds}
                )

    def forward(self, inputs: Tensor, gates: Gates) -> Tensor:
        """Compute ``[batch, channels, ...] -> [batch, channels, ...]``."""
        return run_plan(gates.plan, inputs, with_arguments(self._compute, gates))

    def _compute(self, gates: Gates, vertex: int, total: Tensor) -> Tensor:
        if vertex == gates.plan[-1][0]:
            return total
        parts = self._parted.get(vertex, 1)
        width = total.shape[1] // parts
        inner = total if parts == 1 else total[:, :width]
        outputs = self._mix(gates, vertex, inner)
        if parts > 1:
            outputs = _shuffle(torch.cat([outputs, total[:, width:]], dim=1), parts)
        return outputs * gates.scales[vertex] if vertex in gates.scales else outputs

    def _mix(self, gates: Gates, vertex: int, inputs: Tensor) -> Tensor:
        mixed: Tensor | None = None
        modules = self.operations[str(vertex)]
        for kind, weight in gates.operations[vertex].items():
            outputs: Tensor = modules[KINDS[kind]](inputs)  # type: ignore[index]
            if gates.drop_path > 0 and kind != SKIP and self.training:
                outputs = _drop_path(outputs, gates.drop_path, gates.generator)
            if isinstance(weight, Tensor) or weight != 1.0:
                outputs = outputs * weight
            mixed = outputs if mixed is None else mixed + outputs
        assert mixed is not None, "a vertex without an open operation is in no plan"
        return mixed


class Supernet(CellNetwork):
    """The network of all architectures of a space."""

    def __init__(
        self,
        skeleton: Skeleton,
        input_shape: tuple[int, ...],
        num_outputs: int,
        dense: bool,
        macro: Macro,
        *,
        num_parts: int = 1,
    ) -> None:
        """Build the network, its weights drawn from torch's current random state; see `build_network`.

        Args:
            skeleton: Skeleton of the space.
            input_shape: ``(channels, length)`` or ``(channels, height, width)``.
            num_outputs: Number of classes, or of output channels if ``dense``.
            dense: Predict at every position rather than once.
            macro: Sizes around the cells.
            num_parts: Number of parts of the channels, of which one goes through the operations; see `MixedCell`.

        Raises:
            TaskError: If the channels cannot be parted so.
        """
        require_count("partial", num_parts, error=TaskError)
        make_cell = with_arguments(MixedCell, skeleton, num_parts)
        super().__init__(make_cell, input_shape, num_outputs, dense, macro)
        self.skeleton = skeleton
        self.num_cells = sum(isinstance(block, MixedCell) for block in self.body)

    def forward(self, inputs: Tensor, gates: Gates | Sequence[Gates]) -> Tensor:
        """Compute the outputs of the architecture or mixture that the gates say.

        Args:
            inputs: Encoded inputs ``[batch, *input_shape]``.
            gates: Gates of all cells, or those of each.
        """
        of_cells = iter([gates] * self.num_cells if isinstance(gates, Gates) else gates)
        features: Tensor = self.stem(inputs)
        for block in self.body:
            features = block(features, next(of_cells)) if isinstance(block, MixedCell) else block(features)
        return self.read_off(features)


def norms_of(net: nn.Module) -> list[_Norm]:
    """List the batch norms of a network."""
    return [module for module in net.modules() if isinstance(module, _Norm)]


def inherited_weights(net: Supernet, arch: Architecture) -> dict[str, Tensor]:
    """Return the weights that a supernet holds for one architecture, as a state dict of its network.

    Scales and shifts of batch norms, which operations of a supernet do without, are 1 and 0. Operations off all paths
    are there, too, as `trainables.build_network` builds them.

    Raises:
        TaskError: If the supernet's operations work on a part of the channels: a network of the architecture has no
            such weights.
    """
    if any(block._parted for block in net.body if isinstance(block, MixedCell)):
        raise TaskError(f"{arch} can inherit no weights of a supernet whose operations work on a part of the channels.")
    kinds = arch.graph.kinds[0].tolist()
    weights: dict[str, Tensor] = {}
    for name, value in net.state_dict().items():
        before, is_operation, after = name.partition(".operations.")
        if not is_operation:
            weights[name] = value
            continue
        vertex, kind, inner = after.split(".", 2)
        if kinds[int(vertex)] < 0 or KINDS[kinds[int(vertex)]] != kind:
            continue
        own = f"{before}.operations.{vertex}.{inner}"
        weights[own] = value
        if own.endswith("running_mean"):
            module = own.removesuffix("running_mean")
            weights[f"{module}weight"], weights[f"{module}bias"] = torch.ones_like(value), torch.zeros_like(value)
    return weights


def _without_scale(module: nn.Module) -> nn.Module:
    for norm in norms_of(module):
        norm.affine = False
        norm.weight = norm.bias = None  # type: ignore[assignment]
    return module


def _shuffle(features: Tensor, parts: int) -> Tensor:
    """Interleave the parts of the channels, so that the next operation reads some of each."""
    batch, channels, *sides = features.shape
    return features.view(batch, parts, channels // parts, *sides).transpose(1, 2).reshape(batch, channels, *sides)


def _drop_path(outputs: Tensor, probability: float, generator: torch.Generator | None) -> Tensor:
    """Leave out the outputs of some samples and scale up the others, so that the mean stays."""
    shape = (len(outputs), *[1] * (outputs.ndim - 1))
    kept = torch.rand(shape, generator=generator) >= probability
    return outputs * (kept.to(outputs.device, outputs.dtype) / (1 - probability))
