"""The bucket in which the files of NAS-Bench-360 were published."""

from __future__ import annotations

from trainables.tasks.core.files import DataFile

__all__ = ["bucket_file"]

_BUCKET = "https://pde-xd.s3.amazonaws.com"
_FOLDER = "the shared folder that the README of github.com/rtu715/NAS-Bench-360 links to since October 2022"


def bucket_file(path: str, megabytes: float, licence: str, *others: str, elsewhere: str = "") -> DataFile:
    """Describe a file of the benchmark's bucket, found under its path in the bucket or under its bare name.

    Args:
        path: Path in the bucket.
        megabytes: Published size, millions of bytes.
        licence: Published licence.
        others: Further names it may have.
        elsewhere: Another place that has the same data.
    """
    names = tuple(dict.fromkeys((path, path.rpartition("/")[2], *others)))
    source = f"{_BUCKET}/{path}, or {_FOLDER}"
    return DataFile(names, megabytes, f"{source}, or {elsewhere}" if elsewhere else source, licence)
