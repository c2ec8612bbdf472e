"""The numbers of MP-NAS (NeurIPS 2023) that we know: mean Spearman correlations after fine-tuning on a few models.

The paper's text is not at hand. These are the numbers as they were told to us; what is not here is not known to us, and
a page shows a dash for it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PUBLISHED", "Published", "published"]

MEAN = "mean"
"""Stands for a task where a number is a mean over all the tasks of a table."""


@dataclass(frozen=True)
class Published:
    """One number of the paper.

    Attributes:
        table: The study that it belongs to.
        task: The target, or ``mean``.
        points: Number of fine-tuning models.
        spearman: The number, of the paper's MP-NAS.
        caveat: Why ours must not be counted a win or a loss against it; empty if it may be.
    """

    table: str
    task: str
    points: int
    spearman: float
    caveat: str = ""


_OTHER_DEVICE = "measured on another device than our column"

_NASBENCH201 = {
    "nasbench201/cifar10": 0.92,
    "nasbench201/cifar100": 0.93,
    "nasbench201/imagenet16-120": 0.89,
    "nasbench201/ninapro": 0.32,
    "nasbench201/darcy": 0.73,
    "nasbench201/cpu-latency": 0.80,
    "nasbench201/gpu-latency": 0.73,
}

PUBLISHED: tuple[Published, ...] = (
    *(
        Published("table4", task, 5, spearman, _OTHER_DEVICE if task == "nasbench201/gpu-latency" else "")
        for task, spearman in _NASBENCH201.items()
    ),
    Published("table4", MEAN, 5, 0.75, "the mean contains a latency of another device than ours"),
    Published("table3", MEAN, 5, 0.75),
    Published("table3", MEAN, 50, 0.86),
    Published("table6", MEAN, 5, 0.74),
    Published("table6", "nasbench101/cifar10", 5, 0.46),
)


def published(table: str, task: str, points: int) -> Published | None:
    """The paper's number, or None if it is not known to us.

    Table 2 and table 4 judge the paper's default on the same tasks.
    """
    table = {"table2": "table4"}.get(table, table)
    return next((item for item in PUBLISHED if (item.table, item.task, item.points) == (table, task, points)), None)
