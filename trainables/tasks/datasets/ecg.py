"""ECG of the PhysioNet Challenge 2017 (Clifford et al.): 8,528 records of one lead, 300 Hz, cut as NAS-Bench-360 does.

Classes: normal rhythm N, atrial fibrillation A, another rhythm O, noise ~. Each record is standardised by its own mean
and standard deviation. Records are split 80/10/10 before they are cut, so no record is in two parts. Windows have 1,000
samples; how far apart they begin depends on the class, in each of the parts. The score is over records, not windows.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mpnas_ray.errors import TaskError
from trainables.tasks.core.files import reads
from trainables.tasks.core.losses import cross_entropy
from trainables.tasks.core.metrics import record_f1_error
from trainables.tasks.core.published import bucket_file
from trainables.tasks.core.recipes import table10_recipe
from trainables.tasks.core.task import Split, Task, TaskData, register_task
from trainables.tasks.formats import MatlabFile, load_plain_pickle

__all__ = ["load_ecg"]

_FILE = bucket_file(
    "ECG/challenge2017.pkl",
    150,
    "ODC-BY 1.0",
    "REFERENCE-v3.csv",
    elsewhere="https://physionet.org/content/challenge-2017/1.0.0/ (REFERENCE-v3.csv and the folder training2017)",
)
_CLASSES = "NAO~"
_WINDOW = 1000
_STRIDES = (500, 500 // 6, 250, 500 // 20)  # steps between windows, by class: the rarer the class, the denser

Record = NDArray[np.float32]


@reads(_FILE)
def load_ecg(data_dir: Path | None) -> TaskData:
    """Read the published pickle, or the challenge's own files, records in the order of its reference list."""
    from sklearn.model_selection import train_test_split  # half a second to import: late, as few processes need it

    path = _FILE.need(data_dir)
    records, labels = _read_challenge(path) if path.suffix == ".csv" else _read_pickle(path)
    numbers = np.arange(len(records))
    train, rest = train_test_split(numbers, test_size=0.2, random_state=0)
    validation, test = train_test_split(rest, test_size=0.5, random_state=0)

    def split(chosen: NDArray[np.int64]) -> Split:
        windows, classes, groups = [], [], []
        for number in chosen:
            record, label = _standardised(records[number]), labels[number]
            starts = range(0, len(record) - _WINDOW, _STRIDES[label])
            windows += [record[start : start + _WINDOW] for start in starts]
            classes += [label] * len(starts)
            groups += [int(number)] * len(starts)
        if not windows:
            raise TaskError(f"{path}: no record of a part is longer than {_WINDOW} samples.")
        return Split(torch.from_numpy(np.stack(windows)[:, None]), torch.tensor(classes), torch.tensor(groups))

    return TaskData(train=split(train), validation=split(validation), test=split(test))


def _standardised(record: NDArray[np.float64]) -> Record:
    centred = record - record.mean()
    std = record.std()
    standardised = centred / std if std > 0 else centred
    return np.asarray(standardised, dtype=np.float32)


def _read_pickle(path: Path) -> tuple[list[NDArray[np.float64]], list[int]]:
    with path.open("rb") as file:
        content = load_plain_pickle(file, path)
    try:
        records = [np.asarray(record, dtype=np.float64).reshape(-1) for record in content["data"]]
        labels = [_class(str(label), path) for label in content["label"]]
        if len(records) != len(labels) or not records:
            raise ValueError(f"{len(records)} records and {len(labels)} labels")
    except (KeyError, TypeError, ValueError) as error:
        raise TaskError(f"{path} is not the published file ({error}): get it from {_FILE.source}.") from error
    return records, labels


def _read_challenge(path: Path) -> tuple[list[NDArray[np.float64]], list[int]]:
    folder = path.parent if path.parent.name == "training2017" else path.parent / "training2017"
    records, labels = [], []
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if len(row) != 2:
                raise TaskError(
                    f"{path}: line {number} is {','.join(row)!r}, not a record and its label, such as A00001,N: get it "
                    f"again from {_FILE.source}."
                )
            name, label = row
            if not (folder / f"{name}.mat").exists():
                raise TaskError(f"{folder / name}.mat is missing, which {path} lists: get it from {_FILE.source}.")
            records.append(MatlabFile(folder / f"{name}.mat").read("val").astype(np.float64).reshape(-1))
            labels.append(_class(label, path))
    return records, labels


def _class(label: str, path: Path) -> int:
    if len(label) != 1 or label not in _CLASSES:
        raise TaskError(f"{path} has the label {label!r}; there are {', '.join(_CLASSES)}.")
    return _CLASSES.index(label)


register_task(
    Task(
        "ecg",
        load_ecg,
        num_outputs=4,
        loss=cross_entropy,
        metric=record_f1_error,
        recipe=table10_recipe(1024, series=True),
        input_scaling="none",
        protocol="nb360",
        files=(_FILE,),
        description="windows of one-lead ECG, 1x1000, 4 classes, about 262,000/33,000/33,000 from 8,528 real records",
        source="PhysioNet Challenge 2017 in NAS-Bench-360",
    )
)
