"""A found network on disk: weights as safetensors, everything else as JSON beside them."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mpnas_ray.errors import TaskError
from mpnas_ray.files.atomic import atomic_path, write_atomic
from mpnas_ray.files.json_records import from_plain, parse_json
from trainables.networks.named import build_named
from trainables.networks.scaling import Decoder, Encoder

__all__ = ["FoundNetwork", "load_network", "save_network"]

_FORMAT = 1


@dataclass(frozen=True)
class NetworkCard:
    """Everything that is needed to rebuild a found network, and its origin.

    Attributes:
        arch: Architecture string, or the name of a baseline.
        task: Name of the task it was trained for.
        encoded_shape: Shape of one encoded input, which the network itself reads.
        num_outputs: Classes or output channels.
        dense: Whether it predicts at every position.
        preset: Sizes of the network.
        coordinates: Whether coordinate channels are added.
        scores: Name -> value, e.g. validation and test scores.
        classes: Names of the classes in the order of the outputs, or of the labels; empty if the task has none, or an
            older version wrote the card.
    """

    arch: str
    task: str
    encoded_shape: tuple[int, ...]
    num_outputs: int
    dense: bool
    preset: str
    coordinates: bool
    scores: dict[str, float]
    classes: tuple[str, ...] = ()


class FoundNetwork(nn.Module):
    """A trained network with its scaling: measured inputs to logits, or to fields in physical units."""

    def __init__(self, encoder: Encoder, network: nn.Module, decoder: nn.Module, card: NetworkCard) -> None:
        """Join encoder, network and decoder."""
        super().__init__()
        self.encoder = encoder
        self.network = network
        self.decoder = decoder
        self.card = card

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the outputs that the task's loss compares with targets, of measured ``[N, channels, *positions]``."""
        outputs: Tensor = self.decoder(self.network(self.encoder(inputs)))
        return outputs

    def extra_repr(self) -> str:
        """Show architecture, task and scores."""
        return f"arch={self.card.arch!r}, task={self.card.task!r}, scores={self.card.scores}"


def save_network(folder: Path, network: FoundNetwork) -> None:
    """Write ``network.safetensors`` and ``network.json``, each whole and then renamed, the weights first."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(folder / "network.safetensors") as part:
        save_file(tensors, part)
    card: dict[str, Any] = {"format": _FORMAT, **vars(network.card)}
    write_atomic(folder / "network.json", json.dumps(card, indent=2) + "\n")


def load_network(path: str | Path) -> FoundNetwork:
    """Load a network that `save_network` wrote, on the CPU and in evaluation mode.

    Args:
        path: The folder that holds ``network.safetensors`` and ``network.json``, or its URI.

    Raises:
        TaskError: If the folder holds no such network, or one of a newer format.
    """
    if "://" in str(path):
        with tempfile.TemporaryDirectory() as local:
            return _load(_fetched(str(path), Path(local)), str(path))
    return _load(Path(path).expanduser(), str(path))


def _fetched(uri: str, local: Path) -> Path:
    """Copy a folder from remote storage, which may hold other files as well."""
    from pyarrow import fs  # not for networks on this machine

    try:
        system, root = fs.FileSystem.from_uri(uri)
        for name in ("network.json", "network.safetensors"):
            if system.get_file_info(f"{root}/{name}").type == fs.FileType.File:
                fs.copy_files(f"{root}/{name}", str(local / name), source_filesystem=system)
    except (OSError, ValueError, ImportError) as error:
        raise TaskError(f"{uri} cannot be read: {error}") from error
    return local


def _load(folder: Path, named: str) -> FoundNetwork:
    """Load from a local folder, which errors call ``named``."""
    try:
        fields = parse_json((folder / "network.json").read_bytes())
        if not isinstance(fields, dict):
            raise ValueError("network.json holds no object")
        if fields.pop("format", None) != _FORMAT:
            raise TaskError(f"{named} was written by a newer version of mpnas-ray: update it to load this network.")
        card = from_plain(NetworkCard, fields)
        tensors = {name: tensor.float() for name, tensor in load_file(folder / "network.safetensors").items()}
        found = _rebuilt(card, tensors)
    except FileNotFoundError as error:
        raise TaskError(
            f"{named} holds no network ({Path(str(error.filename)).name} is missing): name the folder 'best' of a run."
        ) from error
    except TaskError:
        raise
    except Exception as error:  # a network of damaged sizes may fail in torch in many ways
        raise TaskError(f"The network in {named} is damaged or was not written by mpnas-ray: {error}") from error
    return found.eval()


def _rebuilt(card: NetworkCard, tensors: dict[str, Tensor]) -> FoundNetwork:
    """Build the network of a card with these weights.

    Raises:
        Exception: One of several kinds, if the weights do not fit.
    """
    sides = card.encoded_shape[1:]
    if card.num_outputs > max(tensor.numel() for tensor in tensors.values()):
        raise ValueError(f"the weights are not those of {card.num_outputs} outputs")
    network = build_named(card.arch, card.encoded_shape, card.num_outputs, card.dense, card.preset)
    encoder = Encoder(tensors["encoder.mean"], tensors["encoder.deviation"], card.coordinates)
    decoder: nn.Module = nn.Identity()
    if "decoder.mean" in tensors:
        decoder = Decoder(tensors["decoder.mean"], tensors["decoder.deviation"])
    channels = card.encoded_shape[0] - (len(sides) if card.coordinates else 0)
    for part, size in (("encoder", channels), ("decoder", card.num_outputs)):
        for name in (f"{part}.mean", f"{part}.deviation"):
            shape = tuple(tensors[name].shape) if name in tensors else None
            positions = sides if part == "encoder" or card.dense else ()
            if shape is not None and shape not in ((size, *[1] * len(positions)), (size, *positions)):
                raise ValueError(f"{name} has shape {list(shape)}")
    found = FoundNetwork(encoder, network, decoder, card)
    found.load_state_dict(tensors)
    return found
