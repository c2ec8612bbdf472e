"""Search a network for a regression task with a loss and a metric of its own.

Run it with ``python own_task.py``. The task is a function that returns the data, with a loss and a metric. The same
file also works from the command line: ``mpnas search --task own_task.py:TASK --space nasbenchasr``.
"""

import torch

from cluster import run_search
from trainables import Metric, Recipe, Split, Task, TaskData, register_task


def load(data_dir):
    """Return noisy waves, inputs [N, 1, 32], and their frequency and phase, targets [N, 2]."""
    generator = torch.Generator().manual_seed(0)

    def split(n):
        targets = torch.rand(n, 2, generator=generator)
        time = torch.linspace(0, 1, 32)
        waves = torch.sin(2 * torch.pi * ((1 + 3 * targets[:, :1]) * time + targets[:, 1:] / 2))
        return Split((waves + 0.1 * torch.randn(n, 32, generator=generator))[:, None], targets)

    return TaskData(train=split(400), validation=split(100), test=split(100))


def absolute_error(outputs, targets):
    """Return the mean absolute error over all samples and targets."""
    return float((outputs - targets).abs().mean())


TASK = register_task(
    Task(
        "wave-parameters",
        load,
        num_outputs=2,
        loss=torch.nn.functional.smooth_l1_loss,
        metric=Metric("mae", "min", absolute_error),
        recipe=Recipe(epochs=6, batch_size=32),
    )
)


def main():
    """Search four architectures and print the best one's test score."""
    report = run_search(task=TASK, space="nasbenchasr", num_samples=4)
    print(report.best_arch, f"{report.metric}={report.test:.3f}")


if __name__ == "__main__":
    main()
