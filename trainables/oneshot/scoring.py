"""Scores of architectures by the weights of a supernet.

All architectures are scored on the same samples, each at its own gates. Running statistics of batch norm mix all
architectures that were trained, so that by default they are computed anew for each, over training inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from mpnas_ray.spaces import Architectures
from trainables.oneshot.gates import Gates, gates_of
from trainables.oneshot.search import Search
from trainables.oneshot.supernet import Supernet, norms_of

__all__ = ["calibrate", "one_shot_metric", "one_shot_scores", "untracked"]

_MOST_CALIBRATING = 2_000
"""Training inputs over which statistics are computed, as in Once-for-all."""


@torch.no_grad()
def calibrate(net: Supernet, gates: Gates, inputs: Tensor, batch_size: int = 64) -> None:
    """Compute the batch norms' statistics for one architecture: their mean over batches of inputs.

    The network is then in evaluation mode. Norms that the architecture does not use have no statistics.

    Args:
        net: Supernet, whose running statistics are replaced.
        gates: Gates of the architecture.
        inputs: Encoded inputs of the training part ``[N, ...]``; those of other parts must not be used.
        batch_size: Largest number of inputs in a batch.
    """
    norms = norms_of(net)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    net.train()
    for batch in inputs.tensor_split(max(1, -(-len(inputs) // batch_size))):
        net(batch, gates)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    net.eval()


@contextmanager
def untracked(net: Supernet) -> Iterator[None]:
    """Normalise by the statistics of each batch, and leave the running ones as they are."""
    was_training = net.training
    net.train()
    norms = norms_of(net)
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        net.train(was_training)


@contextmanager
def _evaluating(search: Search, gates: Gates) -> Iterator[None]:
    """Normalise as the settings say for these gates; afterwards, the network is as it was."""
    net, norm_mode = search.net, search.settings.norm
    if norm_mode == "batch":
        with untracked(net):
            yield
        return
    was_training = net.training
    norms = norms_of(net)
    before = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
    try:
        if norm_mode == "calibrated":
            inputs = search.data.weights.inputs[:_MOST_CALIBRATING]
            calibrate(net, gates, inputs, search.settings.batch_size)
        net.eval()
        yield
    finally:
        for norm, buffers in zip(norms, before, strict=True):
            for name, buffer in norm.named_buffers():
                buffer.copy_(buffers[name])
        net.train(was_training)


@torch.no_grad()
def one_shot_metric(search: Search, gates: Gates, most: int | None = None) -> float:
    """Compute the task's metric of the supernet at some gates over validation.

    Args:
        search: Search, which is not changed.
        gates: Gates of an architecture, or of a mixture.
        most: Number of samples to take, the first ones; all if None.
    """
    part = search.data.validation
    inputs = part.inputs[:most]
    size = max(2, search.settings.batch_size)
    with _evaluating(search, gates):
        outputs = [
            search.data.decoder(search.net(batch, gates)) for batch in inputs.tensor_split(-(-len(inputs) // size))
        ]
    groups = None if part.groups is None else part.groups[:most]
    return search.data.task.metric(torch.cat(outputs), part.targets[:most], groups)


def one_shot_scores(search: Search, archs: Architectures, most: int | None = None) -> list[float]:
    """Score architectures, higher is better; see `one_shot_metric`."""
    return [search.data.better(one_shot_metric(search, gates_of(arch), most)) for arch in archs]
