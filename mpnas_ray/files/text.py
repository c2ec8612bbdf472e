"""Reading text, tables of text and numbers that people or spreadsheets wrote."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["column_names", "numbers", "read_rows", "read_text"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = (",", ";", "\t")


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark, or in UTF-16 or UTF-32 as spreadsheets write them.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is in none of these.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and 0 in data[:2]:  # UTF-16 without a mark: the first character is one of ASCII
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not text in UTF-8 or UTF-16 ({error})") from error


def column_names(text: str) -> list[str]:
    """Read the names of the columns of a table, as of `read_rows`, in lower case; none of an empty text.

    Raises:
        ValueError: If it is not a table.
    """
    return [name.lower() for name in next(iter(_fields(text)), [])]


def read_rows(text: str, columns: Sequence[str]) -> list[list[str | None]]:
    """Read some columns of a table with a header: fields separated by commas, semicolons or tabs, quoted where needed.

    The columns are found in any order and whatever their case; blanks around fields and empty lines do not count.

    Args:
        text: The table.
        columns: Names of the columns wanted, in lower case.

    Returns:
        A list a row: its fields in the order of ``columns``, None for one that the row is too short for.

    Raises:
        ValueError: If the header lacks a column, or has it twice; the message names the columns found.
    """
    rows = _fields(text)
    names = [name.lower() for name in rows[0]] if rows else []
    for column in columns:
        if names.count(column) != 1:
            found = ", ".join(map(repr, rows[0])) if rows else "none"
            problem = "no column" if column not in names else "more than one column"
            raise ValueError(f"it has {problem} {column!r}; the columns of its first line are: {found}")
    places = [names.index(column) for column in columns]
    return [[row[place] if place < len(row) else None for place in places] for row in rows[1:]]


def _fields(text: str) -> list[list[str]]:
    """Split a table into fields, its header first, without blanks around them and without empty lines.

    Raises:
        ValueError: If it is not a table.
    """
    lines = text.splitlines(keepends=True)
    header = next((line for line in lines if line.strip()), "")
    separator = max(_SEPARATORS, key=header.count)
    try:
        return [
            [field.strip() for field in row]
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
            if any(field.strip() for field in row)
        ]
    except csv.Error as error:
        raise ValueError(f"it is not a table ({error})") from error


def numbers(texts: Iterable[str]) -> NDArray[np.float64]:
    """Read numbers as data files write them: ``1.5``, ``-2e-3``, ``nan``; blanks around them do not count.

    Python would also read ``1_000`` and the digits of other scripts, which in a file of data are damage.

    Raises:
        ValueError: If a text is something else.
    """
    listed = list(texts)
    for text in listed:
        if "_" in text or not text.isascii():
            raise ValueError(f"{text[:40]!r} is not a number")
    return np.array([float(text) for text in listed], dtype=np.float64)
