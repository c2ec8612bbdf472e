"""Zero-cost proxies by name.

A proxy scores a network that was never trained, from its initial weights and at most one mini-batch. It scores
a copy in train mode (batch norm over the batch), so the network given is not changed. Scores are higher-is-better,
and NaN where the definition gives no finite number; a NaN is no score and ranks last.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mpnas_ray.checks import require_bool, require_callable, require_one_of, require_text
from mpnas_ray.errors import TaskError
from mpnas_ray.names import no_such
from mpnas_ray.spaces import Architectures
from trainables.networks.limits import NetworkSizes

__all__ = ["Batch", "Loss", "Needs", "Proxy", "get_proxy", "proxy_names", "register_proxy"]

Loss = Callable[[Tensor, Tensor], Tensor]
"""``(outputs, targets) -> scalar``, a mean over the samples."""

Needs = Literal["weights", "inputs", "targets", "classes"]
"""The needs of a proxy, each more than the one before: only the network and the shape of its inputs, a batch of inputs,
their targets too, or targets that are classes."""


class Batch(NamedTuple):
    """Some samples as a network reads them.

    Attributes:
        inputs: Encoded, float32 ``[N, channels, *positions]``.
        targets: Targets of the loss: int64 classes ``[N]``, or float32 fields ``[N, outputs, *positions]``.
    """

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Proxy:
    """A zero-cost proxy.

    Attributes:
        name: Name in the literature.
        function: ``(network, batch, loss)`` to the published value. The network is in train mode and a copy, which the
            function may change.
        needs: Least data that it is defined on.
        description: Definition in a few words, and its source.
        sign: 1 if high published values are good, -1 if low ones: scores are the value times this.
        counted: Function that gives the same values for many architectures at once without building any, if there is
            one.
        thin: True if it is defined on networks one channel wide and many tiny inputs, which `score_archs` provides.

    Raises:
        TaskError: If one of these is of a wrong type or out of range.
    """

    name: str
    function: Callable[[nn.Module, Batch, Loss], float]
    needs: Needs
    description: str
    sign: Literal[1, -1] = 1
    counted: Callable[[NetworkSizes, Architectures], NDArray[np.int64]] | None = None
    thin: bool = False

    def __post_init__(self) -> None:
        require_text("The name of a proxy", self.name, error=TaskError)
        require_callable("function", self.function, "network, batch, loss -> float", error=TaskError)
        require_one_of("needs", self.needs, get_args(Needs), error=TaskError)
        if self.sign not in (1, -1):
            raise TaskError(f"sign must be 1, if high values are good, or -1, not {self.sign!r}.")
        require_bool("thin", self.thin, error=TaskError)

    def check(self, batch: Batch) -> None:
        """Refuse a batch that the proxy is not defined on.

        Raises:
            TaskError: If it needs classes and the targets are none.
        """
        if self.needs == "classes" and (batch.targets.dtype != torch.int64 or batch.targets.ndim != 1):
            raise TaskError(
                f"The proxy {self.name} compares samples of one class with each other, and these targets are "
                f"{batch.targets.dtype} of shape {list(batch.targets.shape)}, not classes: choose another proxy."
            )

    def __call__(self, network: nn.Module, batch: Batch, loss: Loss, *, seed: int = 0) -> float:
        """Score a network, which is not changed.

        Args:
            network: Network on the device of the batch.
            batch: Batch of at least two samples.
            loss: Loss of outputs and targets.
            seed: Seed of everything that the proxy or the network draws.

        Returns:
            Higher is better; NaN if the value is not finite.

        Raises:
            TaskError: If the proxy is not defined for this network or batch.
        """
        return self.consume(copy.deepcopy(network), batch, loss, seed=seed)

    def consume(self, network: nn.Module, batch: Batch, loss: Loss, *, seed: int = 0) -> float:
        """Score a network as `__call__` does, but without a copy: the network may be changed.

        Copying a network takes longer than many a proxy.
        """
        self.check(batch)
        network.train().requires_grad_()
        for module in network.modules():
            if getattr(module, "inplace", False):  # hooks would see what later modules made of an output
                module.inplace = False  # type: ignore[assignment]
        device = batch.inputs.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.enable_grad():
            torch.manual_seed(seed)
            value = self.sign * self.function(network, batch, loss)
        return value if math.isfinite(value) else math.nan


_PROXIES: dict[str, Proxy] = {}


def register_proxy(proxy: Proxy) -> Proxy:
    """Make a proxy known by its name in this process.

    Raises:
        TaskError: If another proxy has that name.
    """
    if _PROXIES.get(proxy.name, proxy) != proxy:
        raise TaskError(f"There is already a proxy {proxy.name!r}: give yours another name.")
    _PROXIES[proxy.name] = proxy
    return proxy


def proxy_names() -> list[str]:
    """List the names of all registered proxies."""
    return list(_PROXIES)


def get_proxy(name: str) -> Proxy:
    """Return the proxy of that name.

    Raises:
        TaskError: If there is none; the message lists those there are.
    """
    if not isinstance(name, str) or name not in _PROXIES:
        raise TaskError(no_such("proxy", name, _PROXIES))
    return _PROXIES[name]
