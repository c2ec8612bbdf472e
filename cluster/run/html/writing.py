"""Write the report of a run as a page: as it goes, and at its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.report.page import page
from cluster.run.reading import read_run
from cluster.storage.run_folder import RUN_FILE, RunFolder

__all__ = ["PAGE_FILE", "drawn_meanwhile", "write_page"]

PAGE_FILE = "report.html"
"""In the folder of a run: its report as a page."""

_SECONDS_BETWEEN_LOOKS = 5.0
_REST_PER_WORK = 50.0
"""Seconds of rest for each second of computing, so that drawing takes no more than 2 % of a core."""

_logger = logging.getLogger(__name__)


def write_page(run: str | Path) -> str:
    """Write the page of a run from its files: what ``mpnas report`` does.

    Args:
        run: The run's folder or URI.

    Returns:
        The page's path or URI.

    Raises:
        RunError, OSError: If there is no run, or storage cannot be read or written.
    """
    folder = RunFolder.of_run(run)
    folder.write(PAGE_FILE, page(read_run(folder)))
    return f"{folder.shown}/{PAGE_FILE}" if folder.is_local else folder.place_of(PAGE_FILE)


@contextmanager
def drawn_meanwhile(folder: RunFolder) -> Iterator[None]:
    """Keep the page of a run up to date while this is open, in a thread of its own, and draw it once more at the end.

    Nothing that fails here reaches the run: it is logged, once for each kind.
    """
    ended = threading.Event()
    drawing = _Drawing(folder.impatient())
    thread = threading.Thread(target=drawing.until, args=(ended,), name="report", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        drawing.draw()


class _Drawing:
    """The page of a run, written again where it has changed."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._written = ""
        self._said: set[str] = set()

    def until(self, ended: threading.Event) -> None:
        """Look at the run again and again until the event."""
        rest = _SECONDS_BETWEEN_LOOKS
        while not ended.wait(rest):
            start, start_of_work = time.monotonic(), time.thread_time()
            self.draw()
            took, worked = time.monotonic() - start, time.thread_time() - start_of_work
            rest = max(_SECONDS_BETWEEN_LOOKS, took, _REST_PER_WORK * worked)

    def draw(self) -> None:
        """Write the page if the run has begun and the page would be another."""
        try:
            if RUN_FILE not in self._folder.names():
                return
            text = page(read_run(self._folder))
            if text != self._written:
                self._folder.write(PAGE_FILE, text)
                self._written = text
        except Exception as error:  # a picture is worth no run
            kind = type(error).__name__
            if kind not in self._said:
                self._said.add(kind)
                _logger.warning("Could not draw %s of %s: %s: %s", PAGE_FILE, self._folder, kind, error)
