"""A task's data as a training reads them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from trainables.networks.scaling import Decoder, Encoder, fit_scaling
from trainables.tasks.core.stored import mapped, samples_folder
from trainables.tasks.core.task import FixedScaling, Task, TaskData
from trainables.training.memory import MEMORY_SHARE, choose_data_in, device_memory
from trainables.training.parts import Part, PartInMemory, PartOnDisk

__all__ = ["PreparedData", "encoded_bytes"]

_LOGGER = logging.getLogger(__name__)

_PARTS = ("train", "validation", "test")


class PreparedData:
    """A task's data for trainings on one device: in its memory, encoded once, or on disk, encoded batch by batch.

    Attributes:
        encoder: Encodes measured inputs for the network.
        decoder: Decodes the network's outputs for the loss.
        parts: Name -> part.
        encoded_shape: Shape of one encoded input, which networks are built for.
        device: Device of the trainings.
        data_in: ``memory`` or ``disk``.
    """

    parts: Mapping[str, Part]

    def __init__(
        self,
        task: Task,
        data_dir: Path | None,
        device: torch.device,
        *,
        data_in: str = "auto",
        memory: int | None = None,
    ) -> None:
        """Load and check the data, and encode them if they are to be in memory.

        Args:
            task: The task.
            data_dir: Folder of the user's data files; the task's own if None.
            device: Device to train on.
            data_in: ``memory``, ``disk``, or ``auto``: on disk where they would take more than `MEMORY_SHARE` of the
                memory.
            memory: Bytes of the device's memory that may be counted on; all of it if None.

        Raises:
            TaskError: If the data are missing or no network could be trained on them.
        """
        data: TaskData = task.load_checked(data_dir)
        train = data.train
        if isinstance(task.input_scaling, FixedScaling):
            mean, standard_deviation = task.input_scaling.tensors(train.inputs.ndim - 2)
        else:
            mean, standard_deviation = fit_scaling(train.inputs, task.input_scaling)
        self.encoder = Encoder(mean, standard_deviation, task.coordinates)
        self.decoder: nn.Module = nn.Identity()
        if task.target_scaling != "none":
            self.decoder = Decoder(*fit_scaling(train.targets, task.target_scaling))
        self.encoder.to(device)
        self.decoder.to(device)
        self.encoded_shape = task.encoded_shape(data)
        self.device = device
        memory = device_memory(device) if memory is None else memory
        self.data_in = choose_data_in(data_in, encoded_bytes(task, data), memory)
        if self.data_in == "disk":
            if data_in == "auto":
                _LOGGER.warning(
                    "The data of %s take %.3g GB, more than %g of the memory for a training, %.3g GB: batches are read "
                    "from %s.",
                    *(task.name, encoded_bytes(task, data) / 1e9, MEMORY_SHARE, (memory or 0) / 1e9, samples_folder()),
                )
            data = mapped(f"{task.name} {data_dir}", data)
            self.parts = {name: PartOnDisk(getattr(data, name), self.encoder, device) for name in _PARTS}
        else:
            self.parts = {name: PartInMemory.of(getattr(data, name), self.encoder, device) for name in _PARTS}


def encoded_bytes(task: Task, data: TaskData) -> int:
    """Return the bytes of all parts when they are encoded."""
    channels, total = task.encoded_shape(data)[0], 0
    for part in (data.train, data.validation, data.test):
        inputs, targets = part.inputs, part.targets
        total += inputs.numel() // inputs.shape[1] * channels * inputs.element_size()
        total += targets.numel() * targets.element_size()
    return total
