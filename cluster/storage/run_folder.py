"""Read and write files in the folder of a run, on this machine or on remote storage, beside Tune's own files."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, TypeVar

from pyarrow import fs

from mpnas_ray.errors import RunError
from mpnas_ray.files.json_records import parse_json
from mpnas_ray.names import did_you_mean
from trainables.tune.storage_retries import PATIENCE_S, patiently

__all__ = ["DRIVER_FILE", "RUN_FILE", "RunFolder", "check_run_name"]

_T = TypeVar("_T")

_UNFIT = frozenset("/\\\0\n\r")
"""Characters that no name of a run may have."""

RUN_FILE = "run.json"
"""File with the record of a run (`cluster.run.record`); a folder without it is not a run."""

DRIVER_FILE = "driver.json"
"""File in a run's folder while a driver works there (`cluster.storage.lock`), with ``host``, ``pid``, ``token`` and
``beat``, a number that is counted up."""


def check_run_name(name: object) -> None:
    """Refuse a name that no run can have.

    Raises:
        RunError: If it is no name of a folder.
    """
    if not isinstance(name, str) or not name.strip() or name in (".", "..") or not _UNFIT.isdisjoint(name):
        raise RunError(f"{name!r} cannot be the name of a run, which is also that of its folder.")


class RunFolder:
    """The files of one run.

    Each file is written under another name and then renamed, so that it is whole or not there. Storage that fails is
    tried again for a while (`trainables.tune.storage_retries`).
    """

    def __init__(self, storage: str, name: str, *, writable: bool = True) -> None:
        """Make the folder if it is not there.

        Args:
            storage: A folder, or a URI that pyarrow understands: ``s3://...``, ``gs://...``, or for all others
                ``fsspec+<protocol>://...``; what Tune calls ``storage_path``.
            name: Name of the run.
            writable: Make the folder, and refuse one that cannot be written; False for readers.

        Raises:
            RunError: If the name is not one of a folder, or if nothing can be written there.
        """
        check_run_name(name)
        if not storage.strip():
            raise RunError("The storage of runs is a folder or a URI, not an empty text.")
        self.name = name
        self.storage = storage if "://" in storage else str(Path(storage).expanduser().resolve())
        self._made: list[str] = []
        self._patience_s = 0.0  # a folder that cannot be written now is rather a wrong one
        try:
            self._fs, root = fs.FileSystem.from_uri(self.storage)
            self._path = f"{root.rstrip('/')}/{name}"
            if writable:
                self._made = self._missing()
                self._fs.create_dir(self._path, recursive=True)
                self.write("writable", "")
                self._fs.delete_file(f"{self._path}/writable")
        except (OSError, ValueError, NotImplementedError, ImportError) as error:
            self._take_away()
            raise RunError(
                f"{self} cannot be written: {error}. Name another one with --storage: a folder, s3://, gs://, or "
                f"fsspec+<protocol>:// for another file system of fsspec."
            ) from error
        self._patience_s = PATIENCE_S

    @classmethod
    def of_run(cls, run: str | Path, *, writable: bool = True, records: Sequence[str] = (RUN_FILE,)) -> RunFolder:
        """Open the folder of a run that exists.

        Args:
            run: Folder or URI of the run.
            writable: Refuse a folder that cannot be written; False for readers.
            records: Files of which a run has one: that of a search by default.

        Raises:
            RunError: If there is no run of mpnas-ray.
        """
        location = str(run) if "://" in str(run) else str(Path(run).expanduser().resolve())
        location, options = _split(location)
        storage, _, name = location.rstrip("/").rpartition("/")
        try:
            filesystem, path = fs.FileSystem.from_uri(f"{location.rstrip('/')}{options}")
            found = filesystem.get_file_info([f"{path}/{record}" for record in records])
            there = any(file.type == fs.FileType.File for file in found)
        except (OSError, ValueError, ImportError) as error:
            raise RunError(f"{run} cannot be read: {error}") from error
        if not there:
            beside = Path(location).parent.glob(f"*/{RUN_FILE}") if "://" not in location else ()
            raise RunError(
                f"{str(run) or location} holds no run of mpnas-ray: name the folder of a run, which has a {RUN_FILE}."
                f"{did_you_mean(name, [path.parent.name for path in beside])}"
            )
        return cls(f"{storage or '/'}{options}", name, writable=writable)

    @classmethod
    def all_in(cls, storage: str | Path) -> list[RunFolder]:
        """Open all runs in a storage, for reading, in the order of their names.

        Raises:
            RunError: If the storage cannot be read.
        """
        place = str(storage) if "://" in str(storage) else str(Path(storage).expanduser().resolve())
        try:
            filesystem, root = fs.FileSystem.from_uri(place)
            inside = filesystem.get_file_info(fs.FileSelector(root))
        except (OSError, ValueError, NotImplementedError, ImportError) as error:
            raise RunError(f"{storage} cannot be read: {error}") from error
        names = sorted(info.base_name for info in inside if info.type == fs.FileType.Directory)
        files = filesystem.get_file_info([f"{root}/{name}/{RUN_FILE}" for name in names]) if names else []
        return [
            cls(place, name, writable=False)
            for name, file in zip(names, files, strict=True)
            if file.type == fs.FileType.File
        ]

    def __str__(self) -> str:
        """Return the folder or URI as Tune takes it."""
        return self.place_of("")

    @property
    def shown(self) -> str:
        """The folder as users and `trainables.load_network` take it: a path on this machine, else the URI."""
        return self._path if self.is_local else str(self)

    @property
    def filesystem_and_path(self) -> tuple[fs.FileSystem, str]:
        """The file system that the folder lies in, and its path there."""
        return self._fs, self._path

    def sibling(self, name: str) -> str:
        """Return the folder or URI of another run in the same storage."""
        storage, options = _split(self.storage)
        return f"{storage.rstrip('/')}/{name}{options}"

    def place_of(self, path: str) -> str:
        """Return the folder or URI of something in this folder; options of a URI (``?region=...``) stay at its end."""
        storage, options = _split(self.storage)
        return f"{storage.rstrip('/')}/{self.name}{f'/{path}' if path else ''}{options}"

    def impatient(self) -> RunFolder:
        """Return the same folder for callers that cannot wait: each action is tried once."""
        other = copy(self)
        other._patience_s = 0.0
        return other

    @property
    def is_local(self) -> bool:
        """True if it lies in a file system of this machine, shared with others or not."""
        return isinstance(self._fs, fs.LocalFileSystem)

    def is_empty(self) -> bool:
        """Say whether nothing was ever put there, except by a driver that was killed before it began."""
        found = self._patiently("list", lambda: self._fs.get_file_info(fs.FileSelector(self._path)))
        return all(info.base_name == DRIVER_FILE or info.extension == "part" for info in found)

    @contextmanager
    def taken_away_if_refused(self) -> Iterator[None]:
        """Delete the folder after an error, if this object has made it and nothing is in it; also those above it."""
        try:
            yield
        except BaseException:
            self._take_away()
            raise

    def _missing(self) -> list[str]:
        """List the folder and its parents that are missing, innermost first; on remote storage, the folder alone."""
        if not self.is_local:
            gone = self._fs.get_file_info(self._path).type == fs.FileType.NotFound
            return [self._path] if gone else []
        path = Path(self._path)
        return [str(folder) for folder in (path, *path.parents) if not folder.exists()]

    def _take_away(self) -> None:
        for folder in self._made:
            try:
                if self.is_local:
                    Path(folder).rmdir()  # refuses if another driver has put something there meanwhile
                elif not self._fs.get_file_info(fs.FileSelector(folder)):
                    self._fs.delete_dir(folder)
            except OSError:  # noqa: PERF203  (the error that is on its way says more)
                return

    def write(self, file_name: str, text: str) -> None:
        """Write a file, replacing one of that name."""
        self.write_bytes(file_name, text.encode())

    def write_bytes(self, file_name: str, content: bytes) -> None:
        """Write a file that is not text, replacing one of that name."""
        path = f"{self._path}/{file_name}"
        part = f"{path}.{secrets.token_hex(4)}.part"  # of this writer alone: two drivers may begin at once

        def write() -> None:
            with self._fs.open_output_stream(part) as stream:
                stream.write(content)
            self._fs.move(part, path)

        self._patiently(f"write {file_name} in", write)

    def delete(self, file_name: str) -> None:
        """Delete a file, if it is there."""
        try:
            self._patiently(f"delete {file_name} in", lambda: self._fs.delete_file(f"{self._path}/{file_name}"))
        except FileNotFoundError:
            return

    def rename(self, file_name: str, new_name: str) -> None:
        """Give a file another name, in place of a file that had it."""
        self._patiently(
            f"rename {file_name} in", lambda: self._fs.move(f"{self._path}/{file_name}", f"{self._path}/{new_name}")
        )

    def names(self) -> set[str]:
        """List the files and folders at the top."""
        found = self._patiently("list", lambda: self._fs.get_file_info(fs.FileSelector(self._path)))
        return {info.base_name for info in found}

    def files(self) -> dict[str, int]:
        """List all files at any depth: their paths in this folder and their sizes in bytes."""
        found = self._patiently("list", lambda: self._fs.get_file_info(fs.FileSelector(self._path, recursive=True)))
        return {info.path[len(self._path) + 1 :]: info.size for info in found if info.type == fs.FileType.File}

    def read(self, file_name: str) -> str | None:
        """Read a file's text; None if there is no such file."""
        content = self.read_bytes(file_name)
        return None if content is None else content.decode(errors="replace")

    def read_bytes(self, file_name: str) -> bytes | None:
        """Read a file's content; None if there is no such file."""

        def read() -> bytes:
            try:
                with self._fs.open_input_file(f"{self._path}/{file_name}") as stream:
                    return bytes(stream.read())
            except OSError:
                if self._fs.get_file_info(f"{self._path}/{file_name}").type == fs.FileType.Directory:
                    raise RunError(f"{self.place_of(file_name)} is a folder, where a file should be.") from None
                raise

        try:
            return self._patiently(f"read {file_name} in", read)
        except FileNotFoundError:
            return None

    def read_json(self, file_name: str) -> dict[str, Any] | None:
        """Read a JSON object; None if there is no such file.

        Raises:
            RunError: If the file holds something else.
        """
        text = self.read(file_name)
        try:
            content = None if text is None else parse_json(text)
        except ValueError as error:
            raise RunError(f"{self}/{file_name} is damaged: {error}") from error
        if content is not None and not isinstance(content, dict):
            raise RunError(f"{self}/{file_name} does not hold what mpnas-ray writes there.")
        return content

    def upload(self, folder: Path, name: str) -> str:
        """Copy a local folder into this one and return its new folder or URI."""

        def copy_all() -> None:
            self._fs.create_dir(f"{self._path}/{name}")
            fs.copy_files(str(folder), f"{self._path}/{name}", destination_filesystem=self._fs)

        self._patiently(f"copy {name} to", copy_all)
        return self.place_of(name)

    def _patiently(self, what: str, action: Callable[[], _T]) -> _T:
        return patiently(action, f"{what} {self}", patience_s=self._patience_s)


def _split(location: str) -> tuple[str, str]:
    """Part a URI from the options at its end; the path of a folder has none, though it may have a question mark."""
    if "://" not in location:
        return location, ""
    location, mark, options = location.partition("?")
    return location, mark + options
