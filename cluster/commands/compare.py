"""``mpnas compare``."""

from __future__ import annotations

from cluster.commands.names import COMPARISONS, METHODS
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say
from cluster.experiments.comparison.config import ComparisonConfig

__all__ = ["compare"]


@takes_options(ComparisonConfig, names={"preset": COMPARISONS, "searchers": METHODS})
def compare(config: ComparisonConfig) -> None:
    """Compare searchers on NAS tables, many seeds side by side on Ray. Interrupted, the same command goes on."""
    begin(f"Comparing searchers on the tables in {config.tables}: {config.preset}.")
    from cluster.experiments.comparison.compare import compare

    for path in compare(config):
        say(path)
