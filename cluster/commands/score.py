"""``mpnas score``."""

from __future__ import annotations

from cluster.artifacts.config import ScoringConfig
from cluster.commands.names import INPUTS, PROXIES, SIZES, TASKS
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say
from mpnas_ray.spaces import SPACE_NAMES

__all__ = ["score"]


@takes_options(
    ScoringConfig, names={"space": SPACE_NAMES, "task": TASKS, "proxies": PROXIES, "preset": SIZES, "inputs": INPUTS}
)
def score(config: ScoringConfig) -> None:
    """Score architectures without training them, by zero-cost proxies, side by side on Ray.

    Each proxy becomes a NAS table, whose scores are higher-is-better. Stopped or killed, the same command goes on; a
    larger one adds to what was scored.
    """
    begin(f"Scoring architectures of {config.space} for {config.task} by {', '.join(config.proxies)}.")
    from cluster.artifacts.scoring import score_architectures

    say(score_architectures(config))
