from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from mpnas_ray.errors import TaskError
from trainables.tasks.formats import MatlabFile, load_npy, load_plain_pickle, load_ts


def load(content: bytes) -> Any:
    return load_plain_pickle(io.BytesIO(content), Path("given.pkl"))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        if one.dtype.hasobject:
            return one.shape == other.shape and all(map(same, one.ravel(), other.ravel()))
        return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_content_is_read_at_every_protocol(protocol: int) -> None:
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.arange(3), np.arange(5)]
    content = {
        "text": "N",
        "numbers": [1, -2.5, True, None],
        "pair": (b"\xff", [np.int16(7)]),
        "bytes": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big-endian": np.arange(4, dtype=">i4"),
        "truth": np.array([True, False]),
        "words": np.array(["A", "~"]),
        "ragged": ragged,
        "empty": np.zeros((0, 3)),
        "alone": np.array(3.5),
    }
    assert same(content, load(pickle.dumps(content, protocol)))


def test_what_python_2_wrote_is_read() -> None:
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02u1"
        b"K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02\x05\xfftb"
    )
    content = load(b"\x80\x02}U\x04data" + array + b"s.")
    assert content["data"].tolist() == [5, 255]
    assert content["data"].dtype == np.uint8


class Harm:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (Harm(os.system, "touch harmed"), "system"),
        (Harm(eval, "open('harmed', 'w')"), "eval"),
        (Harm(np.load, "somewhere"), "load"),
        ([np.zeros(2), Harm(getattr, "a", "upper")], "getattr"),
        (np.zeros(2, dtype=[("x", "f8")]), "dtype"),
        (np.array([Harm(os.getcwd)], dtype=object), "getcwd"),
        (np.datetime64("2020-01-01"), "dtype"),
        ({1, 2}, "set"),
        (1 + 2j, "complex"),
        (np.ma.masked_array([1, 2], [True, False]), "numpy.ma"),
        (io.BytesIO(b"x"), "BytesIO"),
        (Path("x"), "Path"),
    ],
)
def test_anything_else_is_refused_and_not_run(
    content: Any, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in (2, 4, 5):
        with pytest.raises(TaskError, match=rf"given\.pkl.*{named}.*get it again"):
            load(pickle.dumps(content, protocol))
    assert not list(tmp_path.iterdir())


def test_a_forged_dtype_does_not_turn_bytes_into_objects() -> None:
    forged = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01\x85cnumpy\ndtype\n"
        b"U\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08\x41\x41\x41\x41\x41\x41\x41\x41tb."
    )
    with pytest.raises(
        TaskError, match="damaged"
    ):  # one object is announced: numpy must not take 8 bytes for its address
        load(forged)


def test_damaged_pickles_say_so() -> None:
    whole = pickle.dumps({"data": np.arange(100)}, 4)
    for end in (0, 1, 20, len(whole) // 2, len(whole) - 1):
        with pytest.raises(TaskError, match=r"given\.pkl is"):
            load(whole[:end])


def test_npy_files_with_and_without_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(6, dtype=np.float32).reshape(2, 3))
    assert load_npy(path).tolist() == [[0, 1, 2], [3, 4, 5]]
    np.save(path, {"data": np.ones((2, 46)), "label": np.array([1, 24])}, allow_pickle=True)  # type: ignore[arg-type]
    content = load_npy(path)
    assert content["data"].shape == (2, 46)
    assert content["label"].tolist() == [1, 24]
    objects = np.empty((1, 2), dtype=object)
    objects[0] = [np.zeros(3), "b"]
    np.save(path, objects, allow_pickle=True)
    assert load_npy(path).shape == (1, 2)
    np.save(path, Harm(os.getcwd), allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="getcwd"):
        load_npy(path)
    np.save(path, np.arange(100))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(TaskError, match="damaged"):
        load_npy(path)
    path.write_bytes(b"not numpy")
    with pytest.raises(TaskError, match="damaged"):
        load_npy(path)


def write_hdf5(path: Path, **arrays: np.ndarray[Any, Any]) -> None:
    """A file of MATLAB's version 7.3: HDF5 behind a block of 512 bytes, axes the other way round."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = array.T
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b" "))


def test_both_kinds_of_matlab_file_read_alike(tmp_path: Path) -> None:
    values = np.arange(24.0).reshape(2, 3, 4)
    savemat(tmp_path / "5.mat", {"coeff": values, "other": np.zeros(3)})
    write_hdf5(tmp_path / "7.mat", coeff=values, other=np.zeros((1, 3)))
    for name in ("5.mat", "7.mat"):
        assert same(MatlabFile(tmp_path / name).read("coeff"), values)
        with pytest.raises(TaskError, match="no variable 'sol'"):
            MatlabFile(tmp_path / name).read("sol")
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(TaskError, match="damaged"):
            MatlabFile(tmp_path / name).read("coeff")


def test_ts_files(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    head = "# words\n@problemName x\n@classLabel true b a\n@data\n"
    path.write_text(head + "1,2,3:4,5,6:a\n\n7,8,9:0,0,1.5:b\n")
    series, classes = load_ts(path)
    assert series.tolist() == [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [0, 0, 1.5]]]
    assert classes.tolist() == [1, 0]
    for rows in ("1,2,3:a\n1,2:b\n", "1,2,x:a\n", "1,2,3:c\n", ""):
        path.write_text(head + rows)
        with pytest.raises(TaskError, match="one length"):
            load_ts(path)
