"""Analyse the marks of benchmarks/scale.py: lines through what grows, and how busy the slots were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Line:
    """A quantity as trials grow: ``at_0 + slope * trials``, by least squares; and its mean."""

    at_0: float
    slope: float
    mean: float

    @classmethod
    def through(cls, trials: ArrayLike, values: ArrayLike) -> Line:
        slope, at_0 = np.polyfit(np.asarray(trials, dtype=float), np.asarray(values, dtype=float), 1)
        return cls(float(at_0), float(slope), float(np.mean(values)))

    def at(self, trials: float) -> float:
        """Not below zero, and level if the line falls: costs shrink with trials only by what else the machine did."""
        return max(0.0, self.at_0 + self.slope * trials) if self.slope > 0 else self.mean

    def reaches(self, value: float) -> float:
        """Trials; infinite if it never does."""
        return max(0.0, (value - self.at_0) / self.slope) if self.slope > 0 else np.inf


def blocks(row: dict[str, Any]) -> list[tuple[float, float, float]]:
    """Between two marks: trials in the middle; seconds of a trial in the control thread, snapshots aside; in others."""
    found = []
    for before, after in zip(row["marks"][:-1], row["marks"][1:], strict=True):
        trials = after["trials"] - before["trials"]
        control = after["control_cpu"] - before["control_cpu"]
        others = after["cpu"] - before["cpu"] - control
        saving = sum(snapshot["cpu"] for snapshot in after["snapshots"])
        found.append(((before["trials"] + after["trials"]) / 2, (control - saving) / trials, others / trials))
    return found


@dataclass(frozen=True)
class Growth:
    """Growth of a driver's load with its trials, in seconds and bytes, without the first, in which processes start."""

    control: Line
    others: Line
    snapshot: Line
    snapshot_bytes: Line
    searcher_bytes: Line
    copy: Line
    rss: Line

    @classmethod
    def of(cls, rows: list[dict[str, Any]]) -> Growth:
        middle, control, others = zip(*(block for row in rows for block in blocks(row)[1:]), strict=True)
        marks = [mark for row in rows for mark in row["marks"]]
        snapshots = [snapshot for mark in marks for snapshot in mark["snapshots"]]
        copies = [copy for mark in marks for copy in mark["copies"]]

        def of_each(things: list[dict[str, Any]], key: str) -> Line:
            return Line.through([thing["trials"] for thing in things], [thing[key] for thing in things])

        return cls(
            control=Line.through(middle, control),
            others=Line.through(middle, others),
            snapshot=of_each(snapshots, "seconds"),
            snapshot_bytes=of_each(snapshots, "bytes"),
            searcher_bytes=of_each(snapshots, "searcher_bytes"),
            copy=of_each(copies, "seconds"),
            rss=of_each(marks, "rss"),
        )

    def handling(self, trials: float, rate: float, reports: int, report_seconds: float) -> float:
        """Compute the share of the control thread's time that goes to trials of which ``rate`` end in a second."""
        return rate * (self.control.at(trials) + (reports - 1) * report_seconds)

    def saving(self, trials: float, pace: str) -> float:
        """Compute the share of the control thread's time that goes to snapshots."""
        seconds = self.snapshot.at(trials)
        return seconds / (seconds + pause(seconds, pace))

    def copying(self, trials: float, pace: str) -> float:
        """Compute the share of the time in which another thread copies the run folder."""
        seconds = self.snapshot.at(trials)
        return min(1.0, self.copy.at(trials) / (seconds + pause(seconds, pace)))


def pause(seconds: float, pace: str) -> float:
    """Seconds from the end of a snapshot to the next: as set, or what Tune makes of how long the last one took."""
    return max(10.0, 19 * seconds) if pace == "auto" else float(pace)


@dataclass(frozen=True)
class Busy:
    """Use of the slots of an experiment.

    The steady state is from when as many processes as there are slots have begun a trial, to when the last trial
    begins. ``waits``: seconds from one trial's end to the next one's begin in the same process, in the steady state.
    """

    whole: float
    steady: float
    filled_seconds: float
    steady_seconds: float
    waits: NDArray[np.float64]

    @classmethod
    def of(cls, row: dict[str, Any]) -> Busy:
        spans = np.array([span for mark in row["marks"] for span in mark["spans"]], dtype=float)
        began, ended, process = spans[np.argsort(spans[:, 0])].T
        slots = row["case"]["slots"]
        firsts = np.sort([began[process == each].min() for each in np.unique(process)])
        if len(firsts) < slots or firsts[slots - 1] >= began[-1]:
            raise ValueError(f"{row['case']['name']} never had all of its {slots} slots at work: take more trials.")
        filled, last = firsts[slots - 1], began[-1]
        inside = np.clip(np.minimum(ended, last) - np.maximum(began, filled), 0, None).sum()
        waits = [
            began[mine][1:] - ended[mine][:-1]
            for mine in (np.flatnonzero(process == each) for each in np.unique(process))
        ]
        starts = np.concatenate([began[process == each][1:] for each in np.unique(process)])
        return cls(
            whole=float((ended - began).sum() / (slots * (ended.max() - began[0]))),
            steady=float(inside / (slots * (last - filled))),
            filled_seconds=float(filled - began[0]),
            steady_seconds=float(last - filled),
            waits=np.concatenate(waits)[starts > filled],
        )
