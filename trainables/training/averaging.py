"""A moving average of a network's weights, which often scores better than the weights themselves (Polyak and Juditsky
1992), at the cost of a second copy of them.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

__all__ = ["averaged"]

Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Make an exponential moving average of a network, of its weights and of batch norm's statistics.

        average <- d average + (1 - d) weights,   d = min(decay, (1 + n) / (10 + n)) at the n-th update

    The smaller ``d`` of the first updates is that of TensorFlow's ``ExponentialMovingAverage(num_updates=n)`` and of
    timm's ``--model-ema-warmup``: without it, a short training would keep its first weights.

    Args:
        network: The network, whose first update is copied as it is.
        decay: Decay, above 0 and below 1. About ``1 / (1 - decay)`` steps count.
    """

    def update(average: Tensors, current: Tensors, num_updates: Tensor | int) -> None:
        number = int(num_updates)
        of_torch = get_ema_multi_avg_fn(min(decay, (1 + number) / (10 + number)))  # type: ignore[no-untyped-call]
        of_torch(average, current, number)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)
