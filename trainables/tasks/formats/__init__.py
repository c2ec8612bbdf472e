"""Readers of the file formats that data sets are published in."""

from __future__ import annotations

from trainables.tasks.formats.matlab import MatlabFile
from trainables.tasks.formats.npy import load_npy
from trainables.tasks.formats.plain_pickle import load_plain_pickle
from trainables.tasks.formats.series import load_ts

__all__ = ["MatlabFile", "load_npy", "load_plain_pickle", "load_ts"]
