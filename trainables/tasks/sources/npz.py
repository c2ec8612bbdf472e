"""A NumPy archive as a task: ``npz:FILE``."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpnas_ray.errors import TaskError
from mpnas_ray.names import did_you_mean
from trainables.data_options import DataOptions
from trainables.tasks.sources.memory import check_memory
from trainables.tasks.sources.parts import PARTS
from trainables.tasks.sources.samples import Form, Samples, Targets, find_file, targets_of

__all__ = ["read_npz"]

_FORMS: dict[int, Form] = {2: "features", 3: "series", 4: "images"}
"""Number of axes -> form."""


def read_npz(path: str, options: DataOptions) -> Samples:
    """Read the arrays of a NumPy archive.

    They are called ``inputs`` and ``targets``, or ``train_inputs``, ``train_targets`` and, if they are there,
    ``validation_...`` and ``test_...``. Inputs are ``[N, features]``, ``[N, channels, length]`` or ``[N, channels,
    height, width]``; targets are classes ``[N]`` (whole numbers or texts), or values ``[N]``, ``[N, values]`` or ``[N,
    values, *positions of the inputs]``, or labels ``[N, labels]`` of 0 and 1.

    Raises:
        TaskError: If an array is missing, of another shape, or holds something else than numbers.
    """
    file = find_file(path, "a NumPy archive (.npz)")
    arrays = _read(file)
    prefixes = {0: "train_"} if "train_inputs" in arrays else {0: ""}
    if prefixes[0]:
        prefixes |= {part: f"{PARTS[part]}_" for part in (1, 2) if f"{PARTS[part]}_inputs" in arrays}
    wanted = [f"{prefix}{name}" for prefix in prefixes.values() for name in ("inputs", "targets")]
    for name in wanted:
        if name not in arrays:
            raise TaskError(
                f"{file} has no array {name!r}; it has {', '.join(arrays) or 'none'}, and needs inputs and targets, or "
                f"train_inputs, train_targets and so on for validation and test.{did_you_mean(name, arrays)}"
            )
    if unknown := [name for name in arrays if name not in wanted]:
        raise TaskError(
            f"{file} has an array {unknown[0]!r}, which is not used: it needs {', '.join(wanted)}."
            f"{did_you_mean(unknown[0], [f'{part}_{name}' for part in PARTS for name in ('inputs', 'targets')])}"
        )
    pairs = [(arrays[f"{prefix}inputs"], arrays[f"{prefix}targets"], prefix) for prefix in prefixes.values()]
    for inputs, targets, prefix in pairs:
        _check(inputs, targets, pairs[0][0], pairs[0][1], prefix, file)
    inputs = np.concatenate([pair[0] for pair in pairs]).astype(np.float32)
    form = _FORMS[inputs.ndim]
    if form == "features":
        inputs = inputs[:, None]
    counts = [len(pair[0]) for pair in pairs]
    return Samples(
        inputs=inputs,
        targets=_targets(np.concatenate([pair[1] for pair in pairs]), inputs, options, str(file)),
        form=form,
        parts=np.repeat(np.array(list(prefixes)), counts),
    )


def _read(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        check_memory(2 * size, f"{file}, of {size / 1e9:.1f} GB unpacked,", "take a part of its samples")
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except TaskError:
        raise
    except Exception as error:  # numpy, zipfile and zlib raise many kinds
        reason = str(error)
        if "allow_pickle" in reason:
            reason = "an array holds Python objects, which would have to be unpickled: save it as numbers"
        raise TaskError(f"{file} cannot be read as a NumPy archive: {reason}.") from error


def _check(
    inputs: NDArray[Any],
    targets: NDArray[Any],
    first_inputs: NDArray[Any],
    first_targets: NDArray[Any],
    prefix: str,
    file: Path,
) -> None:
    """Refuse arrays of a wrong shape or type."""
    for name, array in (("inputs", inputs), ("targets", targets)):
        what = f"{file}: {prefix}{name}, {array.dtype} {list(array.shape)},"
        if array.dtype.kind not in ("biufU" if name == "targets" else "biuf"):
            raise TaskError(f"{what} must be numbers{' or texts' if name == 'targets' else ''}.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise TaskError(f"{what} hold NaN or infinite numbers.")
        first = first_targets if name == "targets" else first_inputs
        if array.shape[1:] != first.shape[1:] or array.ndim == 0 or array.dtype.kind != first.dtype.kind:
            raise TaskError(f"{what} must be like train_{name}, {first.dtype} {list(first.shape)}.")
    if inputs.ndim not in _FORMS or 0 in inputs.shape:
        raise TaskError(
            f"{file}: {prefix}inputs have shape {list(inputs.shape)}; they must be [N, features], [N, channels, "
            "length] or [N, channels, height, width]."
        )
    if len(inputs) != len(targets):
        raise TaskError(f"{file}: there are {len(inputs)} {prefix}inputs and {len(targets)} {prefix}targets.")


def _targets(values: NDArray[Any], inputs: NDArray[np.float32], options: DataOptions, where: str) -> Targets:
    """Targets of an array, those at every position as values."""
    if values.ndim <= 2:
        columns = values[:, None] if values.ndim == 1 else values
        names = ["targets"] if columns.shape[1] == 1 else [f"targets[{column}]" for column in range(columns.shape[1])]
        found = targets_of({name: columns[:, column] for column, name in enumerate(names)}, options, where)
        return found if found.kind == "classes" else Targets(found.values, found.kind, (), found.num_outputs)
    if values.shape[2:] != inputs.shape[2:] or values.dtype.kind == "U":
        raise TaskError(
            f"{where}: targets have shape {list(values.shape)}; values at every position are [N, values, "
            f"{', '.join(map(str, inputs.shape[2:]))}], as the inputs are."
        )
    return Targets(values.astype(np.float32), "values", (), values.shape[1])
