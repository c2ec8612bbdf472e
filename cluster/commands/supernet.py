"""``mpnas supernet``."""

from __future__ import annotations

from cluster.artifacts.supernets.config import SupernetConfig
from cluster.commands.names import DATA_NAMES, ONE_SHOT_METHODS, PROTOCOLS, SIZES, TASKS
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say
from mpnas_ray.spaces import SPACE_NAMES

__all__ = ["supernet"]


@takes_options(
    SupernetConfig,
    names={
        **DATA_NAMES,
        "task": TASKS,
        "space": SPACE_NAMES,
        "methods": ONE_SHOT_METHODS,
        "protocol": PROTOCOLS,
        "preset": SIZES,
    },
)
def supernet(config: SupernetConfig) -> None:
    """Train supernets, whose weights all architectures of a space share, and let one-shot methods choose cells.

    Supernets of several methods and seeds are trained side by side on the Ray cluster at RAY_ADDRESS, or on this
    machine. If it is stopped or killed, run the same command with the same --name again: it goes on where it was. A
    command with more methods or seeds adds to the run.
    """
    begin(f"Training supernets of {config.space} on {config.task} by {', '.join(config.methods)}.")
    from cluster.artifacts.supernets.training import train_supernets

    say(train_supernets(config))
