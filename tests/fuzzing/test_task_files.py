"""Files of data sets, by the readers of each format and by the loaders of the tasks."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from scipy.io import savemat

from mpnas_ray.errors import TaskError
from trainables import get_task
from trainables.tasks.core.cache import cached_arrays
from trainables.tasks.core.files import CarriedFile
from trainables.tasks.datasets.darcy_files import load_darcy421
from trainables.tasks.datasets.keel import read_keel
from trainables.tasks.datasets.satellite import load_satellite
from trainables.tasks.formats import MatlabFile, load_npy, load_plain_pickle, load_ts

RNG = np.random.default_rng(0)


def npy(content: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, content)
    return file.getvalue()


def mat(**content: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, content)
    return file.getvalue()


def npz(**content: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **content)
    return file.getvalue()


def pt(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def images(count: int) -> dict[str, Any]:
    return {"data": RNG.integers(256, size=(count, 3072), dtype=np.uint8), "fine_labels": [*range(count)]}


def archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for name in ("train", "test"):
            content = pickle.dumps(images(6), 2)
            member = tarfile.TarInfo(f"cifar-100-python/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return file.getvalue()


def ragged(*lengths: int) -> Any:
    values = np.empty(len(lengths), dtype=object)
    for place, length in enumerate(lengths):
        values[place] = RNG.normal(size=(length, 6))
    return values


def unpickled(path: Path) -> Any:
    with path.open("rb") as file:
        return load_plain_pickle(file, path)


def series(labels: str) -> str:
    rows = [",".join(f"{value:.3f}" for value in RNG.normal(size=12)) + f":{label}" for label in labels]
    return "#\n@problemName x\n@classLabel true a b\n@data\n" + "\n".join(rows) + "\n"


def table(num_values: int, word: str = "") -> str:
    rows = [[word or f"{value:.2f}" for value in RNG.normal(size=num_values)] + ["ab"[row % 2]] for row in range(20)]
    return "\n".join(",".join(row) for row in rows) + "\n"


PIXELS = b"".join(b",".join(b"%d" % (row % 255) for row in range(785)) + b"\n" for _ in range(10))
SPHERE = {part: {"images": np.zeros((6, 3, 60, 60), np.uint8), "labels": np.arange(6)} for part in ("train", "test")}
DARCY = {"x": torch.zeros(4, 2, 2) > 0, "y": torch.zeros(4, 2, 2)}
FIELDS = np.zeros((2, 421, 421), np.uint8)
WATCH = {"X": ragged(*[120] * 10), "subject": np.arange(1, 11), "y": np.arange(10) % 7}

FORMATS: dict[str, tuple[bytes, Callable[[Path], Any]]] = {
    "npy": (npy(RNG.normal(size=(3, 4))), load_npy),
    "npy of objects": (npy({"data": RNG.normal(size=(3, 4)), "ragged": ragged(2, 3)}), load_npy),
    "pickle": (pickle.dumps({"a": [np.arange(3), "x", b"y", None], "b": (1.5, ragged(1, 2))}), unpickled),
    "matlab": (mat(val=RNG.normal(size=(1, 30)), other="text"), lambda path: MatlabFile(path).read("val")),
    "ts": (series("abab").encode(), load_ts),
    "keel": (table(4).encode(), read_keel),
    "cache": (npz(x=RNG.normal(size=(2, 3))), lambda path: cached_arrays(path.parent, path.name, dict)),
}  # fmt: skip

TASKS: dict[str, tuple[dict[str, bytes], Callable[[Path], Any]]] = {
    "cifar100": ({"cifar-100-python.tar.gz": archive()}, get_task("cifar100").load),
    "cifar100, unpacked": (
        {f"cifar-100-python/{part}": pickle.dumps(images(6), 2) for part in ("train", "test")},
        get_task("cifar100").load,
    ),
    "spherical": ({"spherical/s2_cifar100.gz": gzip.compress(pickle.dumps(SPHERE))}, get_task("spherical").load),
    "ninapro": (
        {
            **{f"ninapro/ninapro_{part}.npy": npy(RNG.normal(size=(4, 52, 16))) for part in ("train", "val", "test")},
            **{f"ninapro/label_{part}.npy": npy(np.arange(4.0)) for part in ("train", "val", "test")},
        },
        get_task("ninapro").load,
    ),
    "satellite": (
        {
            f"satellite/satellite_{part}.npy": npy({"data": RNG.normal(size=(5, 46)), "label": np.arange(1, 6)})
            for part in ("train", "test")
        },
        partial(load_satellite, num_validation=2),
    ),
    "ecg": (
        {"ECG/challenge2017.pkl": pickle.dumps({"data": [RNG.normal(size=1_600)] * 20, "label": list("NAO~" * 5)})},
        get_task("ecg").load,
    ),
    "ecg, as recorded": (
        {
            "REFERENCE-v3.csv": "".join(f"A{number:05},{'NAO~'[number % 4]}\n" for number in range(20)).encode(),
            **{f"training2017/A{number:05}.mat": mat(val=RNG.normal(size=(1, 1_600))) for number in range(20)},
        },
        get_task("ecg").load,
    ),
    "darcy-421": (
        {
            f"piececonst_r421_N1024_smooth{part}.mat": mat(coeff=FIELDS, sol=FIELDS)
            for part in (1, 2)
        },
        partial(load_darcy421, num_train=1, num_validation=1, num_test=1),
    ),
    "darcy16": ({f"darcy_{part}_16.pt": pt(DARCY) for part in ("train", "test")}, get_task("darcy16").load),
    "osuleaf": (
        {f"OSULeaf_{part}.ts": series("ab" * 6).encode() for part in ("TRAIN", "TEST")},
        get_task("osuleaf").load,
    ),
    "satimage": ({"satimage.dat": table(36).encode()}, get_task("satimage").load),
    "libras": ({"movement_libras.dat": table(90).encode()}, get_task("libras").load),
    "splice": ({"splice.dat": table(60, "A").encode()}, get_task("splice").load),
    "mnist5k": ({"mnist_5k.csv.gz": gzip.compress(PIXELS)}, get_task("mnist5k").load),
    "watch": ({"watch_dataset.npy": npy(WATCH)}, get_task("watch").load),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name: str, tmp_path: Path, fuzz: Any, damaged_bytes: Any) -> None:
    whole, read = FORMATS[name]
    path = tmp_path / "file"
    path.write_bytes(whole)
    read(path)

    def check(content: bytes) -> None:
        path.write_bytes(content)
        read(path)

    fuzz(check, damaged_bytes(whole))


@pytest.mark.parametrize("name", TASKS)
def test_tasks(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fuzz: Any, damaged_bytes: Any) -> None:
    files, load = TASKS[name]
    # Files inside packages are looked for where those of the user are.
    monkeypatch.setattr(CarriedFile, "find", lambda file, data_dir=None: tmp_path / Path(file.path).name)
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    load(tmp_path)
    chosen = sorted(files)[:3]

    def check(damage: tuple[str, bytes]) -> None:
        file, content = damage
        (tmp_path / file).write_bytes(content)
        try:
            load(tmp_path)
        finally:
            (tmp_path / file).write_bytes(files[file])

    fuzz(check, st.sampled_from(chosen).flatmap(lambda file: st.tuples(st.just(file), damaged_bytes(files[file]))))


OTHERS: tuple[Any, ...] = (
    None,
    3,
    "x",
    b"x",
    [],
    {},
    [None],
    np.zeros(0),
    np.zeros((2, 0)),
    np.array("x"),
    np.array([1e300]),
)
OTHERS += (
    np.array([np.nan, np.inf]),
    np.zeros(3, dtype=bool),
    [[1, 2], [3]],
    [np.zeros(1_200)] * 20,
    ["N"] * 20,
    ["²"],
)


@pytest.mark.parametrize("name", ["ecg", "satellite", "watch", "spherical", "cifar100, unpacked"])
def test_pickled_values(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fuzz: Any) -> None:
    """Pickles that are whole, with something else where an array should be."""
    files, load = TASKS[name]
    monkeypatch.setattr(CarriedFile, "find", lambda file, data_dir=None: tmp_path / Path(file.path).name)
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    target = tmp_path / sorted(files)[-1]
    content = target.read_bytes()
    if target.suffix == ".npy":
        whole = np.load(io.BytesIO(content), allow_pickle=True).item()
    else:
        whole = pickle.loads(gzip.decompress(content) if target.suffix == ".gz" else content)

    def check(change: tuple[str, int]) -> None:
        key, number = change
        value = OTHERS[number]
        changed: Any = {**whole, key: {**whole[key], "images": value} if isinstance(whole[key], dict) else value}
        if number == 0:
            changed = {other: whole[other] for other in whole if other != key}
        pickled = npy(changed) if target.suffix == ".npy" else pickle.dumps(changed)
        target.write_bytes(gzip.compress(pickled) if target.suffix == ".gz" else pickled)
        load(tmp_path)

    fuzz(check, st.tuples(st.sampled_from(sorted(whole)), st.integers(0, len(OTHERS) - 1)))


@pytest.mark.parametrize("line", ["A00001", "A00001,N,1", "", "A00001;N", "²,N"])
def test_a_malformed_line_of_ecgs_list_is_named(line: str, tmp_path: Path) -> None:
    files, load = TASKS["ecg, as recorded"]
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    listed = tmp_path / "REFERENCE-v3.csv"
    lines = listed.read_text().splitlines()
    listed.write_text("\n".join([*lines[:3], line, *lines[3:]]))
    with pytest.raises(TaskError, match=r"line 4 is|\.mat is missing"):
        load(tmp_path)


@pytest.mark.parametrize("cell", ["²", "\uff11", "1_000", "x", "", "0x1", "1e", "--1"])
def test_a_cell_that_is_no_number_is_damage(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_text(f"@classLabel true a\n@data\n1,2,{cell}:a\n", encoding="utf-8")
    with pytest.raises(TaskError, match="cannot be read as labelled series"):
        load_ts(path)
