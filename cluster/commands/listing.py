"""``mpnas tasks`` and ``mpnas spaces``: what there is to search."""

from __future__ import annotations

import typer
from rich.table import Table

from cluster.commands.printing import print_table
from mpnas_ray.spaces import SPACE_NAMES, get_space
from mpnas_ray.spaces.mixed import Mixed

__all__ = ["spaces", "tasks"]


def tasks() -> None:
    """List the tasks that networks can be searched for."""
    from trainables import get_task, task_names

    table = Table("task", "what", "metric", "default training", "source", box=None, pad_edge=False)
    for name in task_names():
        task = get_task(name)
        recipe = f"{task.recipe.epochs} epochs, batch {task.recipe.batch_size}"
        table.add_row(name, task.description, f"{task.metric.name} ({task.metric.mode})", recipe, task.source)
    print_table(table)


def spaces() -> None:
    """List the search spaces and their sizes."""
    table = Table("space", "architectures", "distinct networks", "operations", box=None, pad_edge=False)
    for name in SPACE_NAMES:
        space = get_space(name)
        distinct = f"{len(space.distinct()):,}" if space.enumerable else "not counted"
        table.add_row(name, f"{space.num_architectures:,}", distinct, ", ".join(space.operations))
    print_table(table)
    typer.echo(f"\nHow the size of mixed comes about:\n{Mixed().derivation()}")
