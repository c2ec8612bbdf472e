"""A found network on disk: weights as safetensors, all else as JSON beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mpnas_ray.errors import TaskError
from trainables.networks.named import build_named
from trainables.networks.scaling import Decoder, Encoder

__all__ = ["FoundNetwork", "load_network", "save_network"]

_FORMAT = 1


@dataclass(frozen=True)
class NetworkCard:
    """All that is needed to rebuild a found network, and where it comes from.

    Attributes:
        arch: Architecture string, or the name of a baseline.
        task: Name of the task it was trained for.
        encoded_shape: What the network itself reads.
        num_outputs: Classes or output channels.
        dense: Whether it predicts at every position.
        preset: Sizes of the network.
        coordinates: Whether coordinate channels are added.
        scores: Name -> value, e.g. validation and test scores.
    """

    arch: str
    task: str
    encoded_shape: tuple[int, ...]
    num_outputs: int
    dense: bool
    preset: str
    coordinates: bool
    scores: dict[str, float]


class FoundNetwork(nn.Module):
    """A trained network with its scaling: measured inputs to logits, or to fields in physical units."""

    def __init__(self, encoder: Encoder, network: nn.Module, decoder: nn.Module, card: NetworkCard) -> None:
        """Join the three parts."""
        super().__init__()
        self.encoder = encoder
        self.network = network
        self.decoder = decoder
        self.card = card

    def forward(self, inputs: Tensor) -> Tensor:
        """``[N, channels, *positions]`` as measured, to what the task's loss compares with its targets."""
        outputs: Tensor = self.decoder(self.network(self.encoder(inputs)))
        return outputs

    def extra_repr(self) -> str:
        """Architecture, task and scores."""
        return f"arch={self.card.arch!r}, task={self.card.task!r}, scores={self.card.scores}"


def save_network(folder: Path, network: FoundNetwork) -> None:
    """Write ``network.safetensors`` and ``network.json``, each whole and then renamed, the weights first."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    part = folder / "network.safetensors.part"
    save_file(tensors, part)
    part.replace(folder / "network.safetensors")
    card: dict[str, Any] = {"format": _FORMAT, **vars(network.card)}
    part = folder / "network.json.part"
    part.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / "network.json")


def load_network(path: str | Path) -> FoundNetwork:
    """A network that `save_network` wrote, on the CPU and in evaluation mode.

    Args:
        path: The folder that holds ``network.safetensors`` and ``network.json``.

    Raises:
        TaskError: If the folder holds no such network, or one of a newer format.
    """
    folder = Path(path).expanduser()
    try:
        fields = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        if fields.pop("format") != _FORMAT:
            raise TaskError(f"{folder} was written by a newer version of mpnas-ray: update it to load this network.")
        card = NetworkCard(**{**fields, "encoded_shape": tuple(fields["encoded_shape"])})
        tensors = load_file(folder / "network.safetensors")
        network = build_named(card.arch, card.encoded_shape, card.num_outputs, card.dense, card.preset)
        decoder: nn.Module = nn.Identity()
        if "decoder.mean" in tensors:
            decoder = Decoder(tensors["decoder.mean"], tensors["decoder.deviation"])
        encoder = Encoder(tensors["encoder.mean"], tensors["encoder.deviation"], card.coordinates)
        found = FoundNetwork(encoder, network, decoder, card)
        found.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise TaskError(
            f"{folder} holds no network ({error.filename} is missing): name the folder 'best' of a run."
        ) from error
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        if isinstance(error, TaskError):
            raise
        raise TaskError(f"The network in {folder} is damaged or was not written by mpnas-ray: {error}") from error
    return found.eval()
