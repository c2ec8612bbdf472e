"""Follow a run by its files, on a terminal or as lines."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live

from cluster.report.html import number
from cluster.report.terminal import num_ended, screen
from cluster.run.reading import read_run
from cluster.storage.run_folder import RunFolder

__all__ = ["watch_run"]


def watch_run(folder: RunFolder, every_s: float, *, is_terminal: bool) -> None:
    """Show a run until it is complete.

    Args:
        folder: Folder of the run.
        every_s: Seconds from one look to the next, above 0.
        is_terminal: Show a screen that is drawn again; else print a line for each trial that ends.
    """
    if not is_terminal:
        _print_lines(folder, every_s)
        return
    run = read_run(folder)
    with Live(screen(run, time.time()), console=Console(), auto_refresh=False) as live:
        while run.state != "complete":
            time.sleep(every_s)
            run = read_run(folder)
            live.update(screen(run, time.time()), refresh=True)


def _print_lines(folder: RunFolder, every_s: float) -> None:
    printed: set[str] = set()
    while True:
        run = read_run(folder)
        for trial in run.trials:
            if trial.state != "unfinished" and trial.trial_id not in printed:
                printed.add(trial.trial_id)
                value = "failed" if trial.state == "failed" else f"{run.metric} {number(trial.value)}"
                best = "-" if run.best is None else number(run.best.validation)
                total = "?" if run.num_samples is None else run.num_samples
                print(f"[{len(printed)}/{total}] best {best}  {value}  {trial.arch}", flush=True)
        if run.state == "complete":
            print(f"{run.place} is complete: {num_ended(run)} trials.", flush=True)
            return
        time.sleep(every_s)
