"""Read Parquet so that whatever is wrong with a file becomes one `TableError` that names it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mpnas_ray.errors import MPNASError, TableError
from mpnas_ray.files.json_records import parse_json

__all__ = ["floats", "has_card", "integers", "opened", "read_card", "read_columns"]


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open the file as a `pyarrow.parquet.ParquetFile`; pyarrow's errors inside the block become a `TableError`."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except MPNASError:
        raise
    except Exception as error:  # for a damaged file pyarrow raises many kinds of error, its own and Python's
        raise TableError(
            f"{path} cannot be read as Parquet: it is damaged, cut short or something else ({_first_line(error)}). "
            f"Copy it again from where it came."
        ) from error


def has_card(path: Path, key: bytes) -> bool:
    """Tell whether a file has key-value metadata of ours under this key."""
    with opened(path) as file:
        return key in (file.schema_arrow.metadata or {})


def read_card(path: Path, key: bytes, version: int, what: str) -> dict[str, Any]:
    """Read the JSON object in a file's metadata under a key; its rows are not read.

    Args:
        path: The file.
        key: Key of the metadata.
        version: Version that is understood, which the object must name.
        what: Name of what the file holds then, for messages.

    Raises:
        TableError: If there is none, or one that is not understood.
    """
    with opened(path) as file:
        text = (file.schema_arrow.metadata or {}).get(key)
    if text is None:
        raise TableError(f"{path} holds no {what} of ours: it has no metadata {key.decode()!r}.")
    try:
        card = parse_json(text)
    except ValueError as error:
        raise TableError(f"{path}: its metadata {key.decode()!r} is not JSON ({error}).") from error
    found = card.get("version") if isinstance(card, dict) else None
    if found != version:
        raise TableError(f"{path} is of version {found!r} of our {what}s; this program reads version {version}.")
    return dict(card)


def read_columns(path: Path, columns: Sequence[str], dictionaries: Sequence[str] = ()) -> Any:
    """Read these columns alone, as a `pyarrow.Table` of one chunk.

    However a file stores them, text columns among ``dictionaries`` come dictionary-encoded as strings, each value of
    the dictionary in some row, and the others as plain values.

    Raises:
        TableError: If the file is damaged, lacks one of the columns or has it twice, has no rows, or a text column is
            not text.
    """
    with opened(path) as file:
        there = Counter(file.schema_arrow.names)
        missing = [column for column in columns if column not in there]
        if missing:
            raise TableError(f"{path} has no column {', '.join(missing)}. It has: {', '.join(there)}.")
        repeated = [column for column in columns if there[column] > 1]
        if repeated:
            raise TableError(f"{path} has the column {repeated[0]} {there[repeated[0]]} times: keep one of them.")
        table = file.read(columns=list(dict.fromkeys(columns)), use_threads=False)
        for place, column in enumerate(table.column_names):
            values = table.column(place)
            if pa.types.is_dictionary(values.type):
                values = values.cast(values.type.value_type)  # its dictionary may hold values of no row, or one twice
            if column in dictionaries:
                if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
                    raise TableError(f"{path}: column {column} holds {values.type}, not text.")
                _refuse_nulls(path, column, values)
                values = values.cast(pa.string()).dictionary_encode()
                values.validate(full=True)  # bytes that are not UTF-8
            table = table.set_column(place, column, values)
        table = table.unify_dictionaries().combine_chunks()
    if not table.num_rows:
        raise TableError(f"{path} has no rows.")
    return table


def integers(path: Path, table: Any, column: str) -> NDArray[np.int64]:
    """Read an integer column, ``[N]``."""
    values = table.column(column)
    if not pa.types.is_integer(values.type):
        raise TableError(f"{path}: column {column} holds {values.type}, not integers.")
    _refuse_nulls(path, column, values)
    numbers = values.to_numpy()
    if numbers.dtype == np.uint64 and len(numbers) and numbers.max() > np.iinfo(np.int64).max:
        raise TableError(f"{path}: column {column} holds {numbers.max()}, which is too large.")
    return np.asarray(numbers, dtype=np.int64)


def floats(path: Path, table: Any, column: str) -> NDArray[np.float64]:
    """Read a column of numbers, ``[N]``; missing ones are NaN."""
    values = table.column(column)
    if not pa.types.is_floating(values.type):
        raise TableError(f"{path}: column {column} holds {values.type}, not floating point numbers.")
    with np.errstate(invalid="ignore"):  # a damaged file may hold a signalling NaN
        return np.asarray(values.to_numpy(), dtype=np.float64)


def _refuse_nulls(path: Path, column: str, values: Any) -> None:
    if values.null_count:
        raise TableError(f"{path}: column {column} has {values.null_count} empty entries.")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
