"""Read trained supernets from checkpoints, and the weights that networks inherit of them."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import get_space, parse_architecture
from trainables.networks.network import get_macro
from trainables.oneshot.skeleton import skeleton_of
from trainables.oneshot.supernet import Supernet, inherited_weights
from trainables.tasks.core.task import Task
from trainables.tune.checkpoint_files import WEIGHTS_FILE, read_checkpoint_file

__all__ = ["read_inherited", "read_supernet_state"]


def read_supernet_state(checkpoint: str) -> dict[str, Any]:
    """Read the state of a `SupernetTraining` from a checkpoint of `SupernetTrainable`."""
    weights = io.BytesIO(read_checkpoint_file(checkpoint, WEIGHTS_FILE))
    return dict(torch.load(weights, weights_only=True, map_location="cpu"))


def read_inherited(checkpoint: str, arch: str, task: Task, preset: str) -> dict[str, Tensor]:
    """Read the weights that a supernet holds for one architecture, as a state dict of its network.

    Args:
        checkpoint: Folder or URI of a checkpoint of `SupernetTrainable`.
        arch: Architecture string.
        task: Task of the network.
        preset: Sizes of the network.

    Raises:
        TaskError: If the supernet cannot be read, is of another task, space or preset, or its operations work on a part
            of the channels.
    """
    try:
        net, identity = _supernet(checkpoint, task.num_outputs, task.dense)
    except (OSError, KeyError) as error:
        raise TaskError(
            f"The supernet {checkpoint}, whose weights {arch} starts from, cannot be read: {error}"
        ) from error
    for name, own in (("task", task.name), ("preset", preset)):
        if identity[name] != own:
            raise TaskError(
                f"The supernet {checkpoint} is of {name} {identity[name]!r}, not {own!r}: networks can start from the "
                f"weights of a supernet of their own task and preset alone."
            )
    parsed = parse_architecture(arch)
    if parsed.space is not net.skeleton.space:
        raise TaskError(f"The supernet {checkpoint} holds weights of {net.skeleton.name}, and none for {arch}.")
    return inherited_weights(net, parsed)


@lru_cache(maxsize=1)
def _supernet(checkpoint: str, num_outputs: int, dense: bool) -> tuple[Supernet, dict[str, Any]]:
    """Read a supernet once a process: the trials of a search have the same."""
    state = read_supernet_state(checkpoint)
    identity = state["identity"]
    space, _, family = identity["space"].partition(":")
    with torch.random.fork_rng(devices=[]):
        net = Supernet(
            skeleton_of(get_space(space), family or None),
            tuple(identity["encoded_shape"]),
            num_outputs,
            dense,
            get_macro(identity["preset"]),
            num_parts=identity["num_parts"],
        )
    net.load_state_dict(state["net"])
    return net, identity
