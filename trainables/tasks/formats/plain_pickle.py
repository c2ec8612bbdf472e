"""A reader of downloaded pickles that does not trust them.

A pickle may name any function of any module and have it called. Here it may name what numpy writes for an array, and
nothing else; and those names lead to stand-ins of ours, since numpy's own hooks can be made to read memory that is not
theirs. What comes out is made of arrays, dicts, lists, tuples, strings, bytes and numbers.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import IO, Any

import numpy as np

from mpnas_ray.errors import TaskError

__all__ = ["load_plain_pickle"]

_NUMBERS_AND_TEXT = "biufSU"  # kinds of dtype whose bytes mean nothing but themselves


class _Dtype:
    """A stand-in for ``numpy.dtype``: of plain numbers, text or objects, without fields."""

    def __init__(self, code: str, *_: object) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in (*_NUMBERS_AND_TEXT, "O") or self.dtype.fields or self.dtype.subdtype:
            raise pickle.UnpicklingError(f"an array of dtype {code!r}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, byte_order, shape, names, fields, *_ = state
        if shape is not None or names is not None or fields is not None:
            raise pickle.UnpicklingError("an array with fields")
        if byte_order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(byte_order)


class _NdarrayType:
    """A stand-in for ``numpy.ndarray``, which pickles name as an argument and never call."""

    def __new__(cls) -> _NdarrayType:
        raise pickle.UnpicklingError("a call of numpy.ndarray")


class _Array:
    """A stand-in for an array until the whole file is read."""

    state: tuple[Any, ...] | None = None

    def __init__(self, kind: object, *_: object) -> None:
        if kind is not _NdarrayType:
            raise pickle.UnpicklingError("an array of another class than numpy.ndarray")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state[-4:]  # shape, dtype, whether in Fortran's order, bytes or list; the version comes first

    def value(self) -> np.ndarray[Any, Any]:
        if self.state is None:
            raise pickle.UnpicklingError("an array without content")
        shape, kind, fortran, content = self.state
        values: np.ndarray[Any, Any]
        if kind.dtype.hasobject:
            values = np.empty(len(content), dtype=object)
            for place, item in enumerate(content):
                values[place] = _plain(item)
        elif isinstance(content, str):  # Python 2 had no bytes
            values = np.frombuffer(content.encode("latin1"), kind.dtype)
        else:
            values = np.frombuffer(content, kind.dtype)
        return np.transpose(values.reshape(shape[::-1])) if fortran else np.reshape(values, shape)


def _scalar(kind: _Dtype, content: bytes | str) -> Any:
    if kind.dtype.hasobject:
        raise pickle.UnpicklingError("a scalar that is an object")
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, kind.dtype)[0]


def _from_buffer(content: bytes, kind: _Dtype, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array(_NdarrayType)
    array.__setstate__((shape, kind, order == "F", content))
    return array


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""  # old protocols write it as a call


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _NdarrayType,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _Array),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return _STAND_INS[module, name]


def _plain(value: Any) -> Any:
    """Return the same value with arrays in place of their stand-ins."""
    if isinstance(value, _Array):
        return value.value()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    if value is None or isinstance(value, str | bytes | bytearray | bool | int | float | np.generic):
        return value
    raise pickle.UnpicklingError(f"a {type(value).__name__}")


def load_plain_pickle(file: IO[bytes], path: Path) -> Any:
    """Read a pickle that holds nothing but arrays, dicts, lists, tuples, strings, bytes and numbers.

    Strings that Python 2 wrote are read as latin1, as numpy does.

    Args:
        file: File open for reading, uncompressed, at the start of the pickle.
        path: Path of the file, for errors.

    Raises:
        TaskError: If it holds anything else, which is not made, or if it is damaged.
    """
    try:
        return _plain(_PlainUnpickler(file, encoding="latin1").load())
    except pickle.UnpicklingError as error:
        raise TaskError(
            f"{path} is not read: a pickle of data may hold arrays, dicts, lists, strings and numbers, and this one "
            f"has {error}. Either it is damaged or it is not the published file: get it again from its source."
        ) from error
    except Exception as error:  # a damaged pickle can end in almost any error
        problem = f"{type(error).__name__}: {error}"
        raise TaskError(f"{path} is damaged ({problem}): get it again from its source.") from error
