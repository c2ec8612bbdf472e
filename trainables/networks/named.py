"""A network by the one string that names it in a trial's config, in a checkpoint and in a saved network's card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import SPACE_NAMES, parse_architecture
from trainables.networks.baselines import build_baseline, is_baseline
from trainables.networks.baselines.registry import find_baseline
from trainables.networks.network import build_network

__all__ = ["build_named", "check_name", "network_name"]


def network_name(config: Mapping[str, Any]) -> str:
    """Return ``config["arch"]``, an architecture string, or ``config["model"]``, a baseline's name.

    Raises:
        TaskError: Unless there is exactly one of them.
    """
    if "arch" in config and "model" in config:
        raise TaskError('config holds "arch" and "model": a trial trains the one or the other.')
    if "arch" not in config and "model" not in config:
        raise TaskError('config["arch"] is missing: let a searcher suggest it, or put one architecture string there.')
    return str(config["arch"] if "arch" in config else config["model"])


def check_name(name: str) -> None:
    """Refuse a name that is neither a baseline's nor an architecture string, before the data are loaded.

    Raises:
        TaskError: If there is no such baseline, or its options are wrong.
        SearchSpaceError: If it begins with the name of a space, and is no architecture of it.
    """
    if name.partition(":")[0] in SPACE_NAMES:
        parse_architecture(name)
    else:
        find_baseline(name)


def build_named(
    name: str, input_shape: tuple[int, ...], num_outputs: int, dense: bool = False, preset: str = "paper"
) -> nn.Module:
    """Build the network of a name: of a baseline, which has its own sizes, or of an architecture string."""
    if is_baseline(name):
        return build_baseline(name, input_shape, num_outputs, dense)
    return build_network(name, input_shape, num_outputs, dense, preset)
