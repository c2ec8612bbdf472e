"""Names of the files of a trial and of its checkpoints."""

from __future__ import annotations

from pyarrow import fs

__all__ = ["RECORD_FILE", "START_FILE", "WEIGHTS_FILE", "read_checkpoint_file"]

WEIGHTS_FILE = "training.pt"
RECORD_FILE = "trial.json"
"""File beside the weights in a checkpoint, with ``config`` and last ``result`` of its trial, and ``bytes``, the size of
the weights' file, by which a checkpoint whose copying was cut short is known."""

START_FILE = "started.json"
"""File with the config in a trial's folder, from its beginning: Tune's own files come seconds later, and a kill may
come before them."""


def read_checkpoint_file(checkpoint: str, name: str) -> bytes:
    """Read a file of a checkpoint, which is a folder or a URI.

    Raises:
        OSError: If it cannot be read.
    """
    filesystem, path = fs.FileSystem.from_uri(checkpoint)
    with filesystem.open_input_file(f"{path}/{name}") as file:
        return bytes(file.read())
