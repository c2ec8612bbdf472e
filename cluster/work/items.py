"""Items of work, and the store that keeps their results: one file an item, written whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cluster.work.provenance import versions
from mpnas_ray.files.atomic import write_atomic

__all__ = ["Results", "Store", "WorkItem"]

_KIND, _FORMAT = "mpnas-ray result of a work item", 1


@dataclass(frozen=True)
class WorkItem:
    """Something to compute once.

    Attributes:
        name: Name of the item, unique in its store, and the path of its file there without ending.
        identity: Everything that the result depends on but the program, in values that JSON can hold. A result with
            another identity is not this item's.
        compute: Computes the result, in values that JSON can hold. It is pickled and called on any node, so it is a
            function that can be imported, or a `functools.partial` of one.
        expected: Expected duration, in any unit that is the same for all items: for the time left.
        without_ray: Whether it is called in a process that knows nothing of Ray, see `cluster.work.without_ray`.
    """

    name: str
    identity: Mapping[str, Any]
    compute: Callable[[], Any]
    expected: float = 1.0
    without_ray: bool = False


class Results(Protocol):
    """An interface to kept results of items: a `Store`, or a folder of files of another kind."""

    @property
    def folder(self) -> Path:
        """Folder of the files, which all nodes must reach."""
        ...

    def read(self, item: WorkItem) -> Any:
        """Return an item's result, or None if it must be computed."""
        ...

    def write(self, item: WorkItem, result: Any) -> None:
        """Keep an item's result."""
        ...


@dataclass(frozen=True)
class Store:
    """A folder of results in JSON.

    A file holds the result, the identity of its item, the versions of the packages that computed it, and a checksum.

    Attributes:
        folder: Folder of the files, which all nodes must reach.
    """

    folder: Path

    def path(self, item: WorkItem) -> Path:
        """Return the file of an item's result."""
        return self.folder / f"{item.name}.json"

    def read(self, item: WorkItem) -> Any:
        """Return an item's result; None if there is no file, or a damaged one, or one of another identity or format."""
        try:
            content = json.loads(self.path(item).read_text(encoding="utf-8"))
            head = (content["kind"], content["format"], content["identity"], content["checksum"])
            result = content["result"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return result if head == (_KIND, _FORMAT, _plain(item.identity), _checksum(result)) else None

    def write(self, item: WorkItem, result: Any) -> None:
        """Write an item's result, whole or not at all.

        Raises:
            ValueError: If JSON cannot hold it; NaN and infinity are such values.
        """
        plain = _plain(result)
        content = {
            "kind": _KIND,
            "format": _FORMAT,
            "identity": _plain(item.identity),
            "versions": versions(),
            "checksum": _checksum(plain),
            "result": plain,
        }
        write_atomic(self.path(item), json.dumps(content) + "\n")


def _plain(value: Any) -> Any:
    """Return a value as JSON gives it back."""
    return json.loads(json.dumps(value, allow_nan=False))


def _checksum(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]
