"""The folder of a run, on this machine or on remote storage, beside Tune's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyarrow import fs

from mpnas_ray.errors import RunError

__all__ = ["SETTINGS_FILE", "RunFolder"]

SETTINGS_FILE = "run.json"
"""How a run was started (`cluster.settings`); a folder without it is not a run."""


class RunFolder:
    """Files of one run. A file is written under another name and then renamed, so that it is whole or not there."""

    def __init__(self, storage: str, name: str) -> None:
        """Make the folder if it is not there.

        Args:
            storage: A folder, or a URI that pyarrow understands (``s3://...``); what Tune calls ``storage_path``.
            name: Of the run.

        Raises:
            RunError: If the name is not one of a folder, or if nothing can be written there.
        """
        if not name or name in (".", "..") or "/" in name or "\\" in name:
            raise RunError(f"{name!r} cannot be the name of a run: it is the name of its folder.")
        self.name = name
        self.storage = storage if "://" in storage else str(Path(storage).expanduser().resolve())
        self._fs, root = fs.FileSystem.from_uri(self.storage)
        self._path = f"{root.rstrip('/')}/{name}"
        try:
            self._fs.create_dir(self._path, recursive=True)
            self.write("writable", "")
            self._fs.delete_file(f"{self._path}/writable")
        except (OSError, NotImplementedError) as error:
            raise RunError(f"{self} cannot be written: {error}. Name another place with --storage.") from error

    @classmethod
    def of_run(cls, run: str | Path) -> RunFolder:
        """The folder of a run that exists.

        Args:
            run: Folder or URI.

        Raises:
            RunError: If there is no run of mpnas-ray.
        """
        place = str(run).rstrip("/") if "://" in str(run) else str(Path(run).expanduser().resolve())
        storage, _, name = place.rpartition("/")
        try:
            filesystem, path = fs.FileSystem.from_uri(place)
            there = filesystem.get_file_info(f"{path}/{SETTINGS_FILE}").type == fs.FileType.File
        except (OSError, ValueError) as error:
            raise RunError(f"{run} cannot be read: {error}") from error
        if not there:
            raise RunError(f"{run} holds no run of mpnas-ray: name the folder of a run, which has a {SETTINGS_FILE}.")
        return cls(storage or "/", name)

    def __str__(self) -> str:
        """Where it is, as Tune wants to be told."""
        return f"{self.storage.rstrip('/')}/{self.name}"

    def is_empty(self) -> bool:
        """Whether nothing was ever put there."""
        return not self._fs.get_file_info(fs.FileSelector(self._path))

    def write(self, file_name: str, text: str) -> None:
        """Write a file, replacing one of that name."""
        self.write_bytes(file_name, text.encode())

    def write_bytes(self, file_name: str, content: bytes) -> None:
        """Write a file that is not text, replacing one of that name."""
        path = f"{self._path}/{file_name}"
        with self._fs.open_output_stream(f"{path}.part") as stream:
            stream.write(content)
        self._fs.move(f"{path}.part", path)

    def rename(self, file_name: str, new_name: str) -> None:
        """Give a file another name, in place of a file that had it."""
        self._fs.move(f"{self._path}/{file_name}", f"{self._path}/{new_name}")

    def files(self) -> dict[str, int]:
        """All files at any depth: their paths in this folder and their sizes in bytes."""
        found = self._fs.get_file_info(fs.FileSelector(self._path, recursive=True))
        return {info.path[len(self._path) + 1 :]: info.size for info in found if info.type == fs.FileType.File}

    def read(self, file_name: str) -> str | None:
        """A file's text, or None if there is no such file."""
        content = self.read_bytes(file_name)
        return None if content is None else content.decode(errors="replace")

    def read_bytes(self, file_name: str) -> bytes | None:
        """A file's content, or None if there is no such file."""
        try:
            with self._fs.open_input_file(f"{self._path}/{file_name}") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def read_json(self, file_name: str) -> dict[str, Any] | None:
        """A JSON object, or None if there is no such file.

        Raises:
            RunError: If the file holds something else.
        """
        text = self.read(file_name)
        try:
            content = None if text is None else json.loads(text)
        except ValueError as error:
            raise RunError(f"{self}/{file_name} is damaged: {error}") from error
        if content is not None and not isinstance(content, dict):
            raise RunError(f"{self}/{file_name} does not hold what mpnas-ray writes there.")
        return content

    def be_storage_of(self, context: Any) -> None:
        """Let a storage context of Tune, which remembers where a run was started, name this folder."""
        context.storage_filesystem = self._fs
        context.storage_fs_path, context.experiment_dir_name = self._path.rsplit("/", 1)

    def upload(self, folder: Path, name: str) -> str:
        """Copy a local folder into this one; returns where it is now."""
        self._fs.create_dir(f"{self._path}/{name}")
        fs.copy_files(str(folder), f"{self._path}/{name}", destination_filesystem=self._fs)
        return f"{self}/{name}"
