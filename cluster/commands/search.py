"""``mpnas search``."""

from __future__ import annotations

from cluster.commands.names import SEARCH_NAMES
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say
from cluster.run.config import GROUPS, SearchConfig

__all__ = ["search"]


@takes_options(SearchConfig, groups=GROUPS, names=SEARCH_NAMES)
def search(config: SearchConfig) -> None:
    """Search an architecture: trials train networks side by side, and the predictor learns from their results.

    Runs on the Ray cluster at RAY_ADDRESS, or starts Ray on this machine. Ctrl-C saves the run; the same command with
    the same --name continues it, as `mpnas resume` does.
    """
    begin(f"Searching {config.space} for {config.task}: {config.num_samples} architectures by {config.searcher}.")
    from cluster.run.start import run_search

    say(run_search(config))
