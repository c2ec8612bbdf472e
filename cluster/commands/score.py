"""``mpnas score``."""

from __future__ import annotations

from cluster.artifacts.config import ScoringConfig
from cluster.commands.names import DATA_NAMES, INPUTS, PROXIES, SIZES, TASKS
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say
from cluster.run.config import DATA_GROUP
from mpnas_ray.spaces import SPACE_NAMES

__all__ = ["score"]


@takes_options(
    ScoringConfig,
    groups=DATA_GROUP,
    names={**DATA_NAMES, "space": SPACE_NAMES, "task": TASKS, "proxies": PROXIES, "preset": SIZES, "inputs": INPUTS},
)
def score(config: ScoringConfig) -> None:
    """Score architectures without training them, by zero-cost proxies, side by side on Ray.

    Each proxy gives a NAS table of scores, of which higher ones are better. If it is stopped or killed, run the same
    command again: it goes on where it was. A command with more proxies or architectures adds to the tables.
    """
    begin(f"Scoring architectures of {config.space} for {config.task} by {', '.join(config.proxies)}.")
    from cluster.artifacts.scoring import score_architectures

    say(score_architectures(config))
