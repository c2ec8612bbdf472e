from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat
from sklearn.model_selection import train_test_split

from mpnas_ray.errors import TaskError
from trainables import FocalLoss, get_task
from trainables.tasks.datasets.ecg import load_ecg
from trainables.tasks.datasets.ninapro import load_ninapro
from trainables.tasks.datasets.satellite import load_satellite


def write_ninapro(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    arrays = {f"ninapro_{part}": rng.normal(size=(n, 52, 16)) for part, n in (("train", 36), ("val", 5), ("test", 4))}
    arrays |= {
        f"label_{part}": np.arange(n, dtype=np.float64) % 18 for part, n in (("train", 36), ("val", 5), ("test", 4))
    }
    (folder / "ninapro").mkdir()
    for name, array in arrays.items():
        np.save(folder / "ninapro" / f"{name}.npy", array)
    return arrays


def test_ninapro(tmp_path: Path) -> None:
    arrays = write_ninapro(tmp_path)
    data = get_task("ninapro").load_checked(tmp_path)
    assert data.train.inputs.shape == (36, 1, 16, 52)
    assert float(data.validation.inputs[2, 0, 7, 30]) == pytest.approx(arrays["ninapro_val"][2, 30, 7], rel=1e-6)
    assert data.test.targets.tolist() == [0, 1, 2, 3]
    assert get_task("ninapro").loss == FocalLoss(gamma=0.0, alpha=1.0)

    path = tmp_path / "ninapro" / "ninapro_val.npy"
    np.save(path, arrays["ninapro_val"].transpose(0, 2, 1))
    with pytest.raises(TaskError, match=r"\[5, 16, 52\]; the published ones are \[N, 52, 16\]"):
        load_ninapro(tmp_path)
    np.save(path, arrays["ninapro_val"])
    bad = arrays["ninapro_train"].copy()
    bad[3, 4, 5] = np.nan
    np.save(tmp_path / "ninapro" / "ninapro_train.npy", bad)
    with pytest.raises(TaskError, match="train part holds NaN"):
        get_task("ninapro").load_checked(tmp_path)
    np.save(tmp_path / "ninapro" / "ninapro_train.npy", arrays["ninapro_train"])
    np.save(tmp_path / "ninapro" / "label_train.npy", arrays["label_train"] % 17)
    with pytest.raises(TaskError, match="no sample of class 17"):
        get_task("ninapro").load_checked(tmp_path)
    np.save(tmp_path / "ninapro" / "label_train.npy", arrays["label_train"] + 1)
    with pytest.raises(TaskError, match="labels from 1 to 18"):
        get_task("ninapro").load_checked(tmp_path)
    (tmp_path / "ninapro" / "label_test.npy").unlink()
    with pytest.raises(TaskError, match=r"label_test\.npy is missing"):
        load_ninapro(tmp_path)


def write_records(lengths: list[int]) -> tuple[list[np.ndarray[Any, Any]], list[str]]:
    rng = np.random.default_rng(0)
    records = [rng.integers(-500, 500, size=length).astype(np.int16) for length in lengths]
    return records, ["NAO~"[number % 4] for number in range(len(lengths))]


def test_ecg_is_parted_by_record_and_cut_by_class(tmp_path: Path) -> None:
    records, labels = write_records([2700, 2101, 1000, 1101] * 20)
    (tmp_path / "ECG").mkdir()
    with (tmp_path / "ECG" / "challenge2017.pkl").open("wb") as file:
        pickle.dump({"data": records, "label": labels}, file)
    data = load_ecg(tmp_path)

    train, rest = train_test_split(list(range(80)), test_size=0.2, random_state=0)
    validation, test = train_test_split(rest, test_size=0.5, random_state=0)
    # Starts before the end less 1,000: N 2700 every 500, A 2101 every 83, O 1000 not at all, ~ 1101 every 25.
    windows = {"N": 4, "A": 14, "O": 0, "~": 5}
    for part, chosen in ((data.train, train), (data.validation, validation), (data.test, test)):
        expected = [number for number in chosen for _ in range(windows[labels[number]])]
        assert part.groups is not None
        assert part.groups.tolist() == expected
        assert part.targets.tolist() == ["NAO~".index(labels[number]) for number in expected]
        assert part.inputs.shape == (len(expected), 1, 1000)
    number = next(number for number in validation if labels[number] == "A")
    record = records[number].astype(np.float64)
    third = data.validation.inputs[(data.validation.groups == number).nonzero()[2], 0]
    assert third.flatten().numpy() == pytest.approx(((record - record.mean()) / record.std())[166:1166], abs=1e-5)

    with (tmp_path / "ECG" / "challenge2017.pkl").open("wb") as file:
        pickle.dump({"data": records, "label": ["N", "X"] * 40}, file)
    with pytest.raises(TaskError, match="label 'X'"):
        load_ecg(tmp_path)


def test_ecg_from_the_challenges_own_files(tmp_path: Path) -> None:
    records, labels = write_records([2700, 2101, 1200, 1101] * 5)
    with (tmp_path / "challenge2017.pkl").open("wb") as file:
        pickle.dump({"data": records, "label": np.array(labels)}, file)
    pickled = load_ecg(tmp_path)
    (tmp_path / "challenge2017.pkl").unlink()
    (tmp_path / "training2017").mkdir()
    with (tmp_path / "REFERENCE-v3.csv").open("w", newline="") as file:
        csv.writer(file).writerows((f"A{n:05}", label) for n, label in enumerate(labels))
    for n, record in enumerate(records):
        savemat(tmp_path / "training2017" / f"A{n:05}.mat", {"val": record[None]}, format="4")
    own = load_ecg(tmp_path)
    assert torch.equal(own.train.inputs, pickled.train.inputs)
    assert torch.equal(own.test.targets, pickled.test.targets)
    (tmp_path / "training2017" / "A00003.mat").unlink()
    with pytest.raises(TaskError, match=r"A00003\.mat is missing"):
        load_ecg(tmp_path)


def test_satellite(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "satellite").mkdir()
    arrays = {}
    for part, n in (("train", 30), ("test", 24)):
        arrays[part] = {"data": rng.normal(5, 3, size=(n, 46)), "label": np.arange(n) % 24 + 1}
        arrays[part]["data"][1] = 7.0
        np.save(tmp_path / "satellite" / f"satellite_{part}.npy", arrays[part], allow_pickle=True)  # type: ignore[arg-type]
    data = load_satellite(tmp_path, num_validation=6)
    assert data.train.inputs.shape == (24, 1, 46)
    assert data.validation.targets.tolist() == [0, 1, 2, 3, 4, 5], "the last rows, labels from 0"
    series = arrays["train"]["data"][25]
    expected = (series - series.mean()) / series.std()
    assert data.validation.inputs[1, 0].numpy() == pytest.approx(expected, abs=1e-5)
    assert data.test.inputs[1].abs().max() == 0, "a series that never changes"
    with pytest.raises(TaskError, match="too few"):
        load_satellite(tmp_path)
    np.save(tmp_path / "satellite" / "satellite_test.npy", np.zeros((3, 46)))
    with pytest.raises(TaskError, match="not the published file"):
        load_satellite(tmp_path, num_validation=6)
