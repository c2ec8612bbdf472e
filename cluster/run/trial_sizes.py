"""What a trial takes of the cluster: as the user said, with the memory that its network wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import tune

from cluster.ray.connection import alive_nodes, slots_on
from cluster.ray.resources import Resources
from cluster.run.settings import RunSettings
from mpnas_ray.spaces import Architectures, get_space, parse_architecture
from trainables import Task, TaskData
from trainables.networks.limits import NetworkSizes
from trainables.training.loop import recipe_of

__all__ = ["TrialSizes", "choose_sizes"]

_PROCESS_BYTES = 700 * 10**6
"""Of a worker beside data and training: 0.45 GB once Ray and torch are loaded (measured with torch 2.13 on a CPU), and
something for what the memory allocator does not give back."""

_GPU_PROCESS_BYTES = 800 * 10**6
"""On the GPU: the context of CUDA and the work space of cuDNN, by experience; no GPU was at hand to measure it."""

_SAMPLE, _SEED = 1_000, 0
_QUANTILES = (0.5, 0.9, 1.0)
"""Where the sizes end. Three, since an actor is used again only for a trial of the same size."""

_MARGIN = 1.1
"""Of the largest architecture of the sample, for those that were not drawn."""


@dataclass(frozen=True)
class TrialSizes:
    """At most three sizes of trials, the smallest first.

    Attributes:
        resources: Of each size.
        bounds: Bytes of `NetworkSizes.training_bytes` up to which a network is of a size; what is above them is of the
            last, which has none.
        networks: How networks are counted; None for one size.
        batch_size: Of the trainings.
    """

    resources: tuple[Resources, ...]
    bounds: tuple[int, ...] = ()
    networks: NetworkSizes | None = None
    batch_size: int = 1

    @classmethod
    def same_for_all(cls, resources: Resources) -> TrialSizes:
        """One size."""
        return cls((resources,))

    def of(self, arch: str) -> Resources:
        """What the trial of an architecture takes."""
        if self.networks is None:
            return self.resources[0]
        needed = self.networks.training_bytes(Architectures.of([parse_architecture(arch)]), self.batch_size)[0]
        return self.resources[int(np.searchsorted(self.bounds, needed))]

    def __call__(self, config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
        """What `tune.with_resources` asks for each trial."""
        return tune.PlacementGroupFactory(
            [{name: amount for name, amount in self.of(config["arch"]).items() if amount}]
        )


def choose_sizes(settings: RunSettings, task: Task, data: TaskData) -> TrialSizes:
    """The fewest sizes that keep the memory of nodes and GPUs from being promised twice.

    One where the largest networks fit side by side in all places; else three, of the smaller half of the space, of the
    next four tenths and of the rest. Trials on GPUs are told apart by the memory there, if ``gpu_memory_gb`` says how
    much that is, others by that of their node. Trials of several workers are all of one size.

    Args:
        settings: Of the run, with what the user set aside for each trial.
        task: Its task.
        data: Of the task, which each worker holds.
    """
    if settings.workers_per_trial > 1:
        return TrialSizes.same_for_all(settings.worker_resources)
    networks = NetworkSizes(task.encoded_shape(data), task.num_outputs, task.dense, settings.preset)
    batch_size = recipe_of(task, settings.constants()).batch_size
    sample = get_space(settings.space).sample_many(_SAMPLE, np.random.default_rng(_SEED))
    *inner, largest = np.quantile(networks.training_bytes(sample, batch_size), _QUANTILES)
    bounds = [int(bound) for bound in (*inner, _MARGIN * largest)]
    if settings.gpus_per_trial and settings.gpu_memory_gb is None:
        return TrialSizes.same_for_all(settings.worker_resources)
    if settings.gpus_per_trial:
        assert settings.gpu_memory_gb is not None
        whole = settings.gpu_memory_gb * 1e9
        needed = [(_GPU_PROCESS_BYTES + bound) / whole for bound in bounds]
        wanted = [{"GPU": _gpu_share(settings.gpus_per_trial, part)} for part in needed]
    else:
        most = max(node.get("memory", 0.0) for node in alive_nodes())
        fixed = _PROCESS_BYTES + _data_bytes(data)
        wanted = [{"memory": min(float(fixed + bound), most)} for bound in bounds]  # too large for all: alone on a node
    resources = [{**settings.worker_resources, **each} for each in wanted]
    if resources[0] == resources[-1] or _fit_everywhere(resources[-1], settings.worker_resources):
        return TrialSizes.same_for_all(resources[-1])
    return TrialSizes(tuple(resources), tuple(bounds[:-1]), networks, batch_size)


def _data_bytes(data: TaskData) -> int:
    parts = (data.train, data.validation, data.test)
    tensors = [tensor for part in parts for tensor in (part.inputs, part.targets)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _gpu_share(least: float, needed: float) -> float:
    """What the user said, or twice or four times as much, up to a whole GPU: such shares leave no rest of it."""
    share = least
    while share < min(needed, 1.0) and share < 1.0:
        share *= 2
    return min(share, 1.0) if least <= 1.0 else least


def _fit_everywhere(largest: Resources, asked: Resources) -> bool:
    """Whether each node has as many places for trials of the largest size as for what the user asked."""
    return all(slots_on(node, largest) >= slots_on(node, asked) for node in alive_nodes())
