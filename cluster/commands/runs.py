"""``mpnas runs``, ``mpnas show`` and ``mpnas watch``: look at runs from a terminal."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

from cluster.commands.options import takes_options
from cluster.commands.printing import print_parts, print_table, say
from mpnas_ray.errors import RunError

__all__ = ["runs", "show", "watch"]


@dataclass(frozen=True, kw_only=True)
class _RunsOptions:
    """Options of ``mpnas runs``.

    Attributes:
        folder: Folder or URI with runs, as --storage of `mpnas search`.
    """

    folder: str = field(default="runs", metadata={"argument": True})


@takes_options(_RunsOptions)
def runs(options: _RunsOptions) -> None:
    """List the runs in a folder: task, space, state, trials, best score and the age of the last result."""
    from cluster.report.terminal import list_of_runs
    from cluster.run.reading import read_run
    from cluster.storage.run_folder import RunFolder

    found = [read_run(folder) for folder in RunFolder.all_in(options.folder)]
    if not found:
        raise RunError(f"{options.folder} holds no runs: name the folder that was --storage of `mpnas search`.")
    newest_first = sorted(found, key=lambda run: max((trial.end for trial in run.trials if trial.epochs), default=0.0))
    print_table(list_of_runs(newest_first[::-1], time.time()))


@dataclass(frozen=True, kw_only=True)
class _ShowOptions:
    """Options of ``mpnas show``.

    Attributes:
        run: Folder or URI of the run, e.g. runs/darcy.
    """

    run: str = field(metadata={"argument": True})


@takes_options(_ShowOptions)
def show(options: _ShowOptions) -> None:
    """Show one run, whatever its state: its settings, the best architecture, the ten best trials, and failures."""
    from cluster.report.terminal import summary
    from cluster.run.reading import read_run
    from cluster.storage.run_folder import RunFolder

    print_parts(summary(read_run(RunFolder.of_run(options.run, writable=False)), time.time()))


@dataclass(frozen=True, kw_only=True)
class _WatchOptions:
    """Options of ``mpnas watch``.

    Attributes:
        run: Folder or URI of the run, e.g. runs/darcy.
        every: Seconds from one look at the run's files to the next.
        html: Serve the run's report, which follows the run, to a browser on this machine alone, in place of the
            terminal's screen.
        port: Port of --html; 0 takes a free one.
    """

    run: str = field(metadata={"argument": True})
    every: float = 2.0
    html: bool = False
    port: int = 0


@takes_options(_WatchOptions)
def watch(options: _WatchOptions) -> None:
    """Follow a search until it ends: best, trials under way, last results, pace and time left. Ctrl-C stops watching.

    It reads the run's files, and may be started and stopped at any time, also on another machine. Where the output is
    no terminal, a line is printed for each result.
    """
    if not options.every > 0:
        raise RunError(f"--every is a number of seconds above 0, not {options.every}.")
    from cluster.storage.run_folder import RunFolder

    folder = RunFolder.of_run(options.run, writable=False)
    try:
        if options.html:
            from cluster.run.html.serving import serve

            serve(folder, options.port, options.every, say)
        else:
            from cluster.run.watching import watch_run

            watch_run(folder, options.every, is_terminal=sys.stdout.isatty())
    except KeyboardInterrupt:
        say("")
