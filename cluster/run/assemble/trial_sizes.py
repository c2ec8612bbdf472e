"""Choose the resources of each trial: those that the user named, and the memory that its network needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import tune

from cluster.ray.connection import alive_nodes, slots_on
from cluster.ray.resources import Resources
from cluster.run.config import SearchConfig
from cluster.run.record import RunRecord
from mpnas_ray.spaces import Architectures, get_space, parse_architecture
from trainables import Task, TaskData
from trainables.networks.limits import NetworkSizes
from trainables.training.data import encoded_bytes
from trainables.training.loop import recipe_of
from trainables.training.memory import choose_data_in
from trainables.tune.memory import share_of_node

__all__ = ["TrialSizes", "choose_sizes"]

_PROCESS_BYTES = 700 * 10**6
"""Memory of a worker beside data and training: 0.45 GB once Ray and torch are loaded (measured with torch 2.13 on a
CPU), and something for what the memory allocator does not give back."""

_GPU_PROCESS_BYTES = 800 * 10**6
"""Memory of a process on the GPU: the context of CUDA and the work space of cuDNN, by experience; no GPU was at hand to
measure it."""

_SAMPLE, _SEED = 1_000, 0
_QUANTILES = (0.5, 0.9, 1.0)
"""Quantiles of the sample at which the sizes end. Three, since an actor is used again only for a trial of the same
size."""

_MARGIN = 1.1
"""Factor on the largest architecture of the sample, for those that were not drawn."""


@dataclass(frozen=True)
class TrialSizes:
    """The sizes of trials, at most three, the smallest first.

    Attributes:
        resources: Resources of each size.
        bounds: Bytes of `NetworkSizes.training_bytes` up to which a network has each size but the last, which has no
            bound.
        networks: Counts of parameters and bytes of networks; None for one size.
        batch_size: Batch size of the trainings.
    """

    resources: tuple[Resources, ...]
    bounds: tuple[int, ...] = ()
    networks: NetworkSizes | None = None
    batch_size: int = 1

    @classmethod
    def same_for_all(cls, resources: Resources) -> TrialSizes:
        """Give every trial the same resources."""
        return cls((resources,))

    def of(self, arch: str) -> Resources:
        """Return the resources of the trial of an architecture."""
        if self.networks is None:
            return self.resources[0]
        needed = self.networks.training_bytes(Architectures.of([parse_architecture(arch)]), self.batch_size)[0]
        return self.resources[int(np.searchsorted(self.bounds, needed))]

    def __call__(self, config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
        """Answer `tune.with_resources`, which asks for each trial."""
        return tune.PlacementGroupFactory(
            [{name: amount for name, amount in self.of(config["arch"]).items() if amount}]
        )


def choose_sizes(record: RunRecord, task: Task, data: TaskData) -> TrialSizes:
    """Choose the fewest sizes that keep the memory of nodes and GPUs from being promised twice.

    There is one size if the largest networks fit side by side in all slots. Otherwise there are three: for the smaller
    half of the space, for the next four tenths and for the rest. Trials on GPUs are told apart by the memory there, if
    ``gpu_memory_gb`` says how much that is, others by that of their node. Trials of several workers have one size.

    Args:
        record: Record of the run, with the resources that the user set aside for each trial.
        task: Task of the run.
        data: Data of the task, which each worker holds.
    """
    config = record.config
    if config.workers_per_trial > 1:
        return TrialSizes.same_for_all(config.worker_resources)
    networks = NetworkSizes(task.encoded_shape(data), task.num_outputs, task.dense, config.preset)
    batch_size = recipe_of(task, record.constants()).batch_size
    sample = get_space(config.space).sample_many(_SAMPLE, np.random.default_rng(_SEED))
    *inner, largest = np.quantile(networks.training_bytes(sample, batch_size), _QUANTILES)
    bounds = [int(bound) for bound in (*inner, _MARGIN * largest)]
    if config.gpus_per_trial and config.gpu_memory_gb is None:
        return TrialSizes.same_for_all(config.worker_resources)
    if config.gpus_per_trial:
        assert config.gpu_memory_gb is not None
        whole = config.gpu_memory_gb * 1e9
        needed = [(_GPU_PROCESS_BYTES + bound) / whole for bound in bounds]
        wanted = [{"GPU": _gpu_share(config.gpus_per_trial, part)} for part in needed]
    else:
        most = max(node.get("memory", 0.0) for node in alive_nodes())
        fixed = _PROCESS_BYTES + _data_bytes(config, task, data)
        wanted = [{"memory": min(float(fixed + bound), most)} for bound in bounds]  # too large for all: alone on a node
    resources = [{**config.worker_resources, **each} for each in wanted]
    if resources[0] == resources[-1] or _fit_everywhere(resources[-1], config.worker_resources):
        return TrialSizes.same_for_all(resources[-1])
    return TrialSizes(tuple(resources), tuple(bounds[:-1]), networks, batch_size)


def _data_bytes(config: SearchConfig, task: Task, data: TaskData) -> int:
    """Count the memory that each worker needs for the data; none if all of them read batches from disk."""
    num_bytes = encoded_bytes(task, data)
    shares = [share_of_node(node, config.cpus_per_trial) for node in alive_nodes()]
    places = {choose_data_in(config.data_in, num_bytes, share) for share in shares}
    return 0 if places == {"disk"} else num_bytes


def _gpu_share(least: float, needed: float) -> float:
    """Double the share that the user named, up to a whole GPU, until it is enough: such shares leave no rest of it."""
    share = least
    while share < min(needed, 1.0) and share < 1.0:
        share *= 2
    return min(share, 1.0) if least <= 1.0 else least


def _fit_everywhere(largest: Resources, asked: Resources) -> bool:
    """Say whether each node has as many slots for the largest trials as for the resources that the user named."""
    return all(slots_on(node, largest) >= slots_on(node, asked) for node in alive_nodes())
