"""``mpnas train``."""

from __future__ import annotations

from cluster.artifacts.config import TrainingConfig
from cluster.commands.names import DATA_NAMES, NETWORKS, RECIPE_NAMES, SIZES, TASKS
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say
from cluster.run.config import DATA_GROUP
from trainables.data_options import DATA_IN
from trainables.recipe_options import RecipeOptions

__all__ = ["train"]


@takes_options(
    TrainingConfig,
    groups={"Training": RecipeOptions, **DATA_GROUP},
    names={
        **DATA_NAMES,
        **RECIPE_NAMES,
        "data_in": DATA_IN,
        "model": NETWORKS,
        "task": TASKS,
        "preset": SIZES,
    },
)
def train(config: TrainingConfig) -> None:
    """Train one network on a task with the data, recipe and scores of a trial: a known network, or one of a search.

    Runs on the Ray cluster at RAY_ADDRESS, or starts Ray on this machine. The same command with the same --name goes on
    from the last checkpoint.
    """
    begin(f"Training {config.model} on {config.task}.")
    from cluster.artifacts.single_network import train_network

    say(train_network(config))
