"""A folder of images as a task: ``images:FOLDER``."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mpnas_ray.errors import TaskError
from trainables.data_options import DataOptions
from trainables.tasks.core.stored import check_room, samples_folder, writing
from trainables.tasks.sources.samples import Samples, Targets, kinds_wanted, similar_path

__all__ = ["read_images"]

_PART_FOLDERS = (("train", "training"), ("val", "valid", "validation"), ("test", "testing"))
"""Names of the folders of each part."""

_GREY_MODES = ("1", "L", "I", "F", "LA")
"""Modes of Pillow with one channel of brightness, beside those of 16 bits, which begin with I."""


@dataclass(frozen=True)
class _File:
    path: Path
    part: int
    label: int


def read_images(path: str, options: DataOptions) -> Samples:
    """Read the images of a folder, resized, with values from 0 to 1.

    Pixels are in a file that has no name and is mapped into memory: only one image is in memory at a time.

    Each class has a folder of its own, in ``FOLDER``, or in ``FOLDER/train`` and, if they are there,
    ``FOLDER/val`` (or ``validation``) and ``FOLDER/test``. Hidden files are not looked at.

    Raises:
        TaskError: If there is no such folder, fewer than two classes, or a file that is no image.
    """
    root = Path(path)
    if root.is_file():
        raise TaskError(f"{root} is a file, and not a folder that holds a folder of images for each class.")
    if not root.is_dir():
        raise TaskError(
            f"There is no folder {root}, which is to hold a folder of images for each class.{similar_path(root)}"
        )
    if "classes" not in kinds_wanted(options):
        raise TaskError(f"Folders of images are classes, and {options.loss or options.metric} is not for classes.")
    classes, files = _list_files(root)
    size = options.image_size
    check_room(
        2 * len(files) * 3 * size * size * 4,
        f"The {len(files):,} images of {root}, at {size} x {size} pixels",
        "take a smaller --image-size, or fewer images",
    )
    with writing():
        store = tempfile.TemporaryFile(dir=samples_folder())  # noqa: SIM115  (closed below)
    with store:
        kept, skipped = _store_pixels(files, root, options, store)
        labels = np.array([file.label for file in kept], dtype=np.int64)
        counts = np.bincount(labels, minlength=len(classes))
        if (empty := np.flatnonzero(counts == 0)).size:
            raise TaskError(f"The class {classes[empty[0]]!r} of {root} has no image that can be read.")
        channels = store.tell() // (len(kept) * size * size * 4)
        inputs = np.memmap(store, np.float32, mode="c", shape=(len(kept), channels, size, size))
    return Samples(
        inputs=inputs,
        targets=Targets(labels, "classes", classes, len(classes)),
        form="images",
        parts=np.array([file.part for file in kept], dtype=np.int64),
        skipped=tuple(skipped),
    )


def _store_pixels(
    files: list[_File], root: Path, options: DataOptions, store: IO[bytes]
) -> tuple[list[_File], list[str]]:
    """Write the pixels of all images one after the other; return the files that were read, and those left out."""
    kept: list[_File] = []
    skipped: list[str] = []
    first: dict[int, Path] = {}
    for file in files:
        image = _read_or_problem(file.path, options.image_size, options.colours)
        if isinstance(image, str):
            if not options.skip_bad:
                raise TaskError(f"{file.path} {image}. --skip-bad leaves such files out.")
            skipped.append(f"{file.path.relative_to(root)} {image}")
            continue
        kept.append(file)
        first.setdefault(len(image), file.path.relative_to(root))
        if len(first) > 1:
            raise TaskError(
                f"{root} holds grey images and coloured ones, such as {first[1]} and {first[3]}: say --colours grey or "
                f"--colours rgb."
            )
        with writing():
            store.write(image.tobytes())
    with writing():
        store.flush()
    if not kept:
        raise TaskError(f"{root} holds no image.")
    return kept, skipped


def _list_files(root: Path) -> tuple[tuple[str, ...], list[_File]]:
    """List the classes and all files of them, in an order that does not depend on the file system."""
    parts = _part_folders(root)
    class_folders = {part: _folders(folder) for part, folder in parts.items()}
    for part, folders in class_folders.items():
        loose = [file.name for file in _visible(parts[part]) if file.is_file() and _looks_like_image(file)]
        if loose:
            raise TaskError(
                f"{parts[part]} holds {loose[0]} beside the folders of its classes, or instead of them: the images of "
                f"each class go into a folder of its own."
            )
        if not folders:
            raise TaskError(f"{parts[part]} holds no folders: the images of each class go into a folder of its own.")
    classes = tuple(folder.name for folder in class_folders[0])
    if len(classes) < 2:
        raise TaskError(f"{parts[0]} holds one class, {classes[0]!r}: there is nothing to tell apart.")
    files = []
    for part, folders in class_folders.items():
        for folder in folders:
            if folder.name not in classes:
                raise TaskError(f"{folder} is of a class that {parts[0]} does not have: it has {', '.join(classes)}.")
            inside = sorted(
                file
                for file in folder.rglob("*")
                if file.is_file() and not any(name.startswith(".") for name in file.relative_to(folder).parts)
            )
            files += [_File(file, part, classes.index(folder.name)) for file in inside]
            if part == 0 and not inside:
                raise TaskError(f"{folder} holds no image.")
    return classes, files


def _part_folders(root: Path) -> dict[int, Path]:
    """Number of each part -> its folder; the whole folder is part 0 if it has no folders for parts."""
    folders = _folders(root)
    named = {
        part: folder
        for part, names in enumerate(_PART_FOLDERS)
        for folder in folders
        if folder.name.casefold() in names
    }
    found = {part: folder for part, folder in named.items() if _folders(folder)}  # else a class may be called train
    if not found and len(named) == len(folders) > 0:
        raise TaskError(f"{named[min(named)]} holds no folders: the images of each class go into a folder of its own.")
    if 0 in found:
        others = [folder.name for folder in folders if folder not in found.values()]
        if empty := [folder for folder in named.values() if folder.name in others]:
            raise TaskError(f"{empty[0]} holds no folders: the images of each class go into a folder of its own.")
        if others:
            raise TaskError(
                f"{root} holds {found[0].name} and {others[0]}: beside train, it may hold val and test only."
            )
        return found
    if found:
        raise TaskError(f"{root} holds {', '.join(folder.name for folder in found.values())}, but no folder train.")
    return {0: root}


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__")))


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _looks_like_image(file: Path) -> bool:
    Image.init()
    return file.suffix.lower() in Image.EXTENSION


def _read_or_problem(path: Path, size: int, colours: str | None) -> NDArray[np.float32] | str:
    """Read one image, or say in a few words what is wrong with the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _read_image(path, size, colours)
    except UnidentifiedImageError:
        return "is empty" if path.stat().st_size == 0 else "is no image that can be read"
    except Exception as error:  # Pillow raises many kinds
        return f"cannot be read ({' '.join(str(error).split())})"


def _read_image(path: Path, size: int, colours: str | None) -> NDArray[np.float32]:
    """Read one image as float32 ``[channels, size, size]`` from 0 to 1; what is transparent is seen before white."""
    with Image.open(path) as opened:
        opened.draft(None, (size, size))  # a JPEG is decoded at the nearest larger size
        image: Image.Image = ImageOps.exif_transpose(opened)
        image.load()
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = _of_16_bits(image)
    grey = image.mode in _GREY_MODES
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    image = image.convert("L" if (grey if colours is None else colours == "grey") else "RGB")
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels: NDArray[np.float32] = np.asarray(image, dtype=np.float32) / np.float32(255)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _of_16_bits(image: Image.Image) -> Image.Image:
    """Turn brightness of 16 bits into 8: a conversion by Pillow would cut it off at 255."""
    values = np.asarray(image, dtype=np.float64)
    if image.mode == "F" or values.min() < 0 or values.max() >= 2**16:
        raise ValueError(f"its values, from {values.min():g} to {values.max():g}, are not of 8 or 16 bits")
    return Image.fromarray((values / 257).round().astype(np.uint8))
