"""Baseline networks by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from mpnas_ray.errors import TaskError
from mpnas_ray.names import no_such
from trainables.networks.baselines.dash import Candidate, derived_network, search_network
from trainables.networks.baselines.emg_attention import emg_attention
from trainables.networks.baselines.fno import fno_2d
from trainables.networks.baselines.resnet1d import resnet_1d
from trainables.networks.baselines.resnext1d import resnext_1d
from trainables.networks.baselines.wide_resnet import wide_resnet
from trainables.networks.shapes import checked_shape

__all__ = ["Builder", "baseline_names", "build_baseline", "find_baseline", "is_baseline"]

Builder = Callable[[tuple[int, ...], int, bool], nn.Module]
"""``(input_shape, num_outputs, dense) -> network``."""

_NETWORKS: dict[str, Builder] = {
    "wrn-16-4": partial(wide_resnet, widening=4),
    "wrn-16-1": partial(wide_resnet, widening=1),
    "resnet-1d": resnet_1d,
    "fno-2d": fno_2d,
    "emg-attention": emg_attention,
    "resnext-1d": resnext_1d,
    "dash-search": search_network,
}

_DERIVED = {f"dash-{backbone}": backbone for backbone in ("wrn-16-4", "wrn-16-1", "resnet-1d")}
"""Names of the networks that a search by DASH derives; the choices follow the name."""

_DASH_OPTIONS = ("kernels", "dilations", "scale")


def baseline_names() -> list[str]:
    """List all names; those of DASH's derived networks are followed by ``:`` and the choices."""
    return [*_NETWORKS, *_DERIVED]


def is_baseline(name: str) -> bool:
    """Say whether a name is that of a baseline, and not an architecture string."""
    head = name.partition(":")[0]
    return head in _NETWORKS or head in _DERIVED


def build_baseline(name: str, input_shape: tuple[int, ...], num_outputs: int, dense: bool = False) -> nn.Module:
    """Build a network, its weights drawn from torch's current random state.

    Args:
        name: One of `baseline_names`. A network that DASH derived is named with its choices, kernel size and dilation
            of each convolution: ``dash-resnet-1d:3d1,11d7,...``. Its search can be told what to choose from, and how
            short the gradient of logits is: ``dash-search:kernels=3.5.7,dilations=1.3.7,scale=500``.
        input_shape: ``(channels, length)`` or ``(channels, height, width)``.
        num_outputs: Number of classes, or of output channels if ``dense``.
        dense: Predict at every position rather than once.

    Returns:
        A module ``[batch, *input_shape] -> [batch, num_outputs]``, or ``[batch, num_outputs, *positions]`` if
        ``dense``.

    Raises:
        TaskError: If there is no such network, or if it cannot take such data.
    """
    return find_baseline(name)(checked_shape(input_shape, num_outputs, dense), num_outputs, dense)


def find_baseline(name: str) -> Builder:
    """Find the builder of the network that a name stands for, options and choices included.

    Raises:
        TaskError: If there is no such network, or what follows its name is wrong.
    """
    head, colon, rest = name.partition(":")
    if head in _DERIVED:
        if not rest:
            raise TaskError(f"The model {head} needs the choices of a search: train dash-search, its report names it.")
        choices = [Candidate.parse(choice) for choice in rest.split(",")]
        return partial(derived_network, backbone=_DERIVED[head], choices=choices)
    if head not in _NETWORKS:
        raise TaskError(no_such("model", name, baseline_names()))
    if not colon:
        return _NETWORKS[head]
    if head != "dash-search":
        raise TaskError(f"The model {head} has no options; got {rest!r}.")
    return partial(search_network, **_dash_options(rest))


def _dash_options(text: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for entry in text.split(","):
        key, _, value = entry.partition("=")
        try:
            if key not in _DASH_OPTIONS:
                raise ValueError(key)
            options[key] = float(value) if key == "scale" else tuple(int(number) for number in value.split("."))
        except ValueError as error:
            raise TaskError(
                f"{entry!r} is not an option of dash-search: it has kernels=3.5.7, dilations=1.3.7 and scale=500."
            ) from error
    if not options.get("scale", 1.0) > 0:
        raise TaskError(f"The scale of dash-search is above 0, not {options['scale']:g}.")
    return options
