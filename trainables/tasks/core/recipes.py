"""The training of NAS-Bench-360's full tasks: Table 10 of the MP-NAS paper, which is DASH's (Shen et al. 2022).

200 epochs of SGD with Nesterov's momentum 0.9 and weight decay 5e-4; the learning rate is multiplied by 0.2 after
epochs 60, 120 and 160, of series after 30, 60, 90, 120 and 160; gradients are not clipped.
"""

from __future__ import annotations

from trainables.tasks.core.task import Recipe

__all__ = ["table10_recipe"]


def table10_recipe(batch_size: int, learning_rate: float = 0.1, *, series: bool = False) -> Recipe:
    """Make the recipe of one task.

    Args:
        batch_size: Batch size of DASH for the task.
        learning_rate: Learning rate: 0.1, for dense tasks 0.01.
        series: Whether inputs are series.
    """
    return Recipe(
        epochs=200,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=5e-4,
        optimizer="sgd",
        momentum=0.9,
        schedule="steps",
        milestones=(0.15, 0.3, 0.45, 0.6, 0.8) if series else (0.3, 0.6, 0.8),
        decay=0.2,
    )
