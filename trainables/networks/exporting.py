"""A found network as one file that runs without this project: ONNX or TorchScript."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from mpnas_ray.errors import TaskError
from mpnas_ray.extras import require_extra
from mpnas_ray.files.atomic import atomic_path
from mpnas_ray.names import no_such
from trainables.networks.saved import FoundNetwork

__all__ = ["EXPORT_FORMATS", "TOLERANCE", "Export", "ExportFormat", "export_network"]

ExportFormat = Literal["onnx", "torchscript"]

EXPORT_FORMATS: dict[ExportFormat, str] = {"onnx": ".onnx", "torchscript": ".pt"}
"""Formats and the suffixes of their files."""

TOLERANCE = 1e-4
"""Largest difference between the outputs of a network and of its file, in units of the largest output: float32
arithmetic in another order stays far below it."""

_BATCHES = (1, 2, 5)
"""Sizes of the batches that a file is checked with; networks are traced with the second."""


@dataclass(frozen=True)
class Export:
    """A file that was written and checked.

    Attributes:
        path: Path of the file.
        input_shape: Shape of one input, ``[channels, *positions]``; batches may be of any size.
        num_bytes: Size of the file.
        difference: Largest absolute difference from the network's outputs that was found.
    """

    path: Path
    input_shape: tuple[int, ...]
    num_bytes: int
    difference: float


def export_network(network: FoundNetwork, path: str | Path, export_format: ExportFormat) -> Export:
    """Write a network with its scaling to one file, and check that the file computes the same.

    The file takes float32 ``[batch, channels, *positions]`` as measured and gives what the network gives; the batch may
    be of any size. The network's card is inside: ONNX's metadata ``mpnas``, TorchScript's extra file ``mpnas.json``.
    The file is read back and checked on random inputs in batches of several sizes, and only then put in its place.

    Args:
        network: A found network, on the CPU.
        path: File to write; a file of that name is replaced.
        export_format: ``onnx``, which takes ``pip install 'mpnas-ray[export]'``, or ``torchscript``.

    Raises:
        TaskError: If a package is missing, the file cannot be written, or it does not compute the same.
    """
    path = Path(path).expanduser()
    if export_format not in EXPORT_FORMATS:
        raise TaskError(no_such("export format", export_format, EXPORT_FORMATS))
    if export_format == "onnx":
        libraries = ("onnx", "onnxscript", "onnxruntime")
        require_extra("export", *libraries, to="Exporting to ONNX", error=TaskError, otherwise="or take torchscript")
    network.eval()
    inputs = _random_inputs(network)
    write = _write_onnx if export_format == "onnx" else _write_torchscript
    read = _read_onnx if export_format == "onnx" else _read_torchscript
    try:
        with atomic_path(path) as part, _quiet():
            write(network, inputs[1], part)
            difference = _difference(network, read(part), inputs)
    except OSError as error:
        raise TaskError(f"{path} cannot be written: {error}.") from error
    return Export(path, tuple(inputs[0].shape[1:]), path.stat().st_size, difference)


def _random_inputs(network: FoundNetwork) -> list[Tensor]:
    """Draw batches with mean and standard deviation of the data that the network was trained on."""
    encoder, card = network.encoder, network.card
    sides = card.encoded_shape[1:]
    channels = card.encoded_shape[0] - (len(sides) if card.coordinates else 0)
    generator = torch.Generator().manual_seed(0)
    return [
        encoder.mean + encoder.deviation * torch.randn(size, channels, *sides, generator=generator) for size in _BATCHES
    ]


def _difference(network: FoundNetwork, exported: Callable[[Tensor], Tensor], inputs: list[Tensor]) -> float:
    """Return the largest difference of all outputs; raise `TaskError` if it is too large."""
    largest = 0.0
    for batch in inputs:
        with torch.no_grad():
            expected = network(batch)
        found = exported(batch)
        difference = float((found - expected).abs().max()) if found.shape == expected.shape else float("nan")
        if not difference <= TOLERANCE * float(expected.abs().max()):
            raise TaskError(
                f"The exported network does not compute the same (difference {difference:.2g}, outputs of shape "
                f"{list(found.shape)} and {list(expected.shape)}), so it was not kept: please report "
                f"{network.card.arch}."
            )
        largest = max(largest, difference)
    return largest


def _card(network: FoundNetwork) -> str:
    return json.dumps(vars(network.card))


def _write_onnx(network: FoundNetwork, inputs: Tensor, path: Path) -> None:
    program = torch.onnx.export(
        network,
        (inputs,),
        dynamo=True,
        input_names=["inputs"],
        output_names=["outputs"],
        dynamic_shapes={"inputs": {0: torch.export.Dim("batch")}},
        verbose=False,
    )
    assert program is not None  # without a file name it is returned
    program.model.metadata_props["mpnas"] = _card(network)
    program.save(str(path), external_data=False)


def _read_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda batch: torch.from_numpy(session.run(["outputs"], {"inputs": batch.numpy()})[0])


def _write_torchscript(network: FoundNetwork, inputs: Tensor, path: Path) -> None:
    traced = torch.jit.trace(network, inputs)  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer, _extra_files={"mpnas.json": _card(network)})
    path.write_bytes(buffer.getvalue())


def _read_torchscript(path: Path) -> Callable[[Tensor], Tensor]:
    loaded: Callable[[Tensor], Tensor] = torch.jit.load(  # type: ignore[no-untyped-call]
        str(path), map_location="cpu"
    )
    return torch.no_grad()(loaded)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide warnings: TorchScript is deprecated, and the exporter of ONNX warns of its own internals."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
