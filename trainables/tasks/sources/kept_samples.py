"""Read a user's files once a node: their samples, dealt out to the parts, are kept on disk and mapped into memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from mpnas_ray.errors import TaskError
from mpnas_ray.files.json_records import from_plain, parse_json
from trainables.data_options import DataOptions
from trainables.tasks.core.data import TaskData
from trainables.tasks.core.stored import kept, read_data, write_part, writing
from trainables.tasks.sources.csv_tables import read_csv_table
from trainables.tasks.sources.images import read_images
from trainables.tasks.sources.npz import read_npz
from trainables.tasks.sources.parts import PARTS, deal_out, equal_samples
from trainables.tasks.sources.samples import Form, Kind, Samples, Targets, kinds_wanted

__all__ = ["READERS", "Facts", "KeptSamples", "kept_samples"]

READERS: dict[str, Callable[[str, DataOptions], Samples]] = {
    "images": read_images,
    "csv": read_csv_table,
    "npz": read_npz,
}
"""Kind of files -> what reads them."""

_FACTS = "facts.json"

_OTHER_OPTIONS = ("loss", "metric", "class_weights", "augment")
"""Options that samples do not depend on, but for the kinds of targets that loss and metric are for."""


@dataclass(frozen=True)
class Facts:
    """Facts of samples beside their numbers: see `Samples` and `Targets`."""

    form: Form
    kind: Kind
    names: tuple[str, ...]
    num_outputs: int
    num_samples: int
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class KeptSamples:
    """The samples of a user's files.

    Attributes:
        data: Samples of each part, in files that are mapped into memory.
        facts: Facts of them.
    """

    data: TaskData
    facts: Facts


def kept_samples(scheme: str, path: str, options: DataOptions) -> KeptSamples:
    """Return the samples of files; they are read if they have changed, or were never read on this node.

    Args:
        scheme: ``images``, ``csv`` or ``npz``.
        path: Absolute path of the folder or file.
        options: Options of the user.

    Raises:
        TaskError: If the files are missing or damaged, or no network could be trained on them.
    """

    def write(folder: Path) -> None:
        samples = READERS[scheme](path, options)
        targets, parts = samples.targets, _deal_out(samples, options)
        arrays = {"inputs": samples.inputs, "targets": targets.values}
        for part, name in enumerate(PARTS):
            write_part(folder, name, arrays, np.flatnonzero(parts == part))
        facts = Facts(
            samples.form, targets.kind, targets.names, targets.num_outputs, len(samples.inputs), samples.skipped
        )
        with writing():
            (folder / _FACTS).write_text(json.dumps(asdict(facts)), encoding="utf-8")

    def read(folder: Path) -> KeptSamples:
        return KeptSamples(read_data(folder), from_plain(Facts, parse_json((folder / _FACTS).read_bytes())))

    reading = {name: value for name, value in asdict(options).items() if name not in _OTHER_OPTIONS}
    reading["kinds"] = sorted(kinds_wanted(options))
    owner = f"{scheme}:{path} {json.dumps(reading, sort_keys=True)}"
    return kept(owner, _contents(Path(path)), write, read)


def _contents(path: Path) -> tuple[object, ...]:
    """Return values that change when a file is written, or when one comes into a folder or leaves it."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    seen = [(file.relative_to(path).parts, file.stat()) for file in files if file.exists()]
    states = [(name, state.st_size, state.st_mtime_ns) for name, state in seen if not _hidden(name)]
    return (PIL.__version__, *states)


def _hidden(name: Sequence[str]) -> bool:
    """Say whether readers do not look at a file of this path."""
    return any(part.startswith(".") for part in name)


def _deal_out(samples: Samples, options: DataOptions) -> NDArray[np.int64]:
    """Return the number of each sample's part, int64 ``[N]``."""
    targets = samples.targets
    parts: NDArray[np.int64] = samples.parts.copy()
    shares = {1: options.validation_share, 2: options.test_share}
    shares = {part: share for part, share in shares.items() if not (parts == part).any()}
    grouped = samples.groups is not None
    if shares:
        rows = np.flatnonzero(parts == 0)
        classes = targets.values[rows] if targets.kind == "classes" else np.zeros(len(rows), dtype=np.int64)
        parts[rows] = deal_out(
            classes,
            samples.groups[rows] if samples.groups is not None else equal_samples(samples.inputs[row] for row in rows),
            shares,
            options.split_seed,
            mixed=grouped,
            names=targets.names if targets.kind == "classes" else (),
            unit_name=f"groups in the column {options.group!r}" if grouped else "different samples",
        )
    _check_train(targets, parts)
    return parts


def _check_train(targets: Targets, parts: NDArray[np.int64]) -> None:
    """Refuse a training part without a sample of some class, or with one without a sample of some label."""
    train = targets.values[parts == 0]
    if targets.kind == "classes":
        counts = np.bincount(train, minlength=targets.num_outputs)
        if (absent := np.flatnonzero(counts == 0)).size:
            raise TaskError(
                f"The class {targets.names[absent[0]]!r} has no sample in the train part: take another --split-seed, "
                f"or smaller groups."
            )
    if targets.kind == "labels":
        same = np.flatnonzero(np.ptp(train, axis=0) == 0)
        if same.size:
            name = targets.names[same[0]] if targets.names else f"number {same[0]}"
            raise TaskError(
                f"The label {name} is the same in all samples of the train part: there is nothing to learn."
            )
