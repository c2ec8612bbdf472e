"""A task's data as a training reads them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from trainables.networks.scaling import Decoder, Encoder, fit_scaling
from trainables.tasks.core.task import FixedScaling, Split, Task, TaskData

__all__ = ["PreparedData"]


class PreparedData:
    """A task's data on the device that uses them, encoded once.

    Attributes:
        encoder: Encodes measured inputs for the network.
        decoder: Decodes the network's outputs for the loss.
        parts: Name -> encoded inputs and raw targets.
        encoded_shape: Shape of one encoded input, which networks are built for.
    """

    def __init__(self, task: Task, data_dir: Path | None, device: torch.device) -> None:
        """Load, check and encode the data.

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
        self.parts = {name: self._encode(getattr(data, name), device) for name in ("train", "validation", "test")}
        self.encoded_shape = tuple(self.parts["train"].inputs.shape[1:])

    def _encode(self, split: Split, device: torch.device) -> Split:
        inputs = self.encoder(split.inputs.to(device))
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)  # 1.1 to 1.6 times the speed
        return Split(inputs, split.targets.to(device), split.groups)
