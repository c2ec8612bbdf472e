"""A trial's folder on the storage of its run, which Tune's documented interface does not give to a trainable.

This is the one module of the trials' side that reaches into Ray: into the storage context that Tune sets as
``_storage`` of a trainable, and into the training results that it restores. What it relies on is checked by
tests/cluster/ray/test_contracts.py.
"""

from __future__ import annotations

from typing import Any

from mpnas_ray.ray_versions import relying_on_ray
from trainables.tune.storage_retries import patiently

__all__ = ["number_checkpoints_after", "remembered_epoch", "storage_of", "train_into", "write_into_trial"]


def storage_of(trainable: object) -> Any | None:
    """Return Tune's storage context of a trainable; None where it runs outside of Tune."""
    return getattr(trainable, "_storage", None)


def write_into_trial(storage: Any, file_name: str, content: bytes) -> None:
    """Write a file into the trial's folder.

    Args:
        storage: Tune's storage context of the trial.
        file_name: Name of the file.
        content: Content of the file.

    Raises:
        OSError: If storage fails for too long.
    """
    with relying_on_ray():
        files, folder = storage.storage_filesystem, storage.trial_fs_path

    def write() -> None:
        files.create_dir(folder)
        with files.open_output_stream(f"{folder}/{file_name}") as file:
            file.write(content)

    patiently(write, f"write {folder}/{file_name}")


def number_checkpoints_after(storage: Any, checkpoint: str) -> None:
    """Let Tune number the trial's next checkpoint after an earlier one.

    Tune counts on from the checkpoints that it remembers. Without this, it would write into a newer one from which the
    trial goes on.

    Args:
        storage: Tune's storage context of the trial.
        checkpoint: Folder or URI of the earlier checkpoint.
    """
    number = checkpoint.rpartition("_")[2]
    if number.isdecimal():
        with relying_on_ray():
            storage.current_checkpoint_index = max(storage.current_checkpoint_index, int(number))


def remembered_epoch(restored: object) -> int:
    """Return the epoch of the training result that Tune asks a trainable to restore; 0 if it says none."""
    return int((getattr(restored, "metrics", None) or {}).get("epoch", 0))


def train_into(storage: Any) -> dict[str, Any]:
    """Return the arguments of a run config of Ray Train whose checkpoints go into the trial's own folder."""
    with relying_on_ray():
        return {
            "name": storage.trial_dir_name,
            "storage_path": storage.experiment_fs_path,
            "storage_filesystem": storage.storage_filesystem,
        }
