"""Train networks in a way of your own, and search with it: no Ray is needed.

Run it with ``python own_training.py``; it takes half a minute. The task has a recipe and a training step of its own,
which any search takes: ``run_search(task=TASK, ...)``, or ``mpnas search --task own_training.py:TASK``.
"""

from dataclasses import replace
from functools import partial

import torch
from torch.nn import functional as F

from searchers import MPNASSearch
from trainables import Recipe, Training, get_task, register_task


def consistent(network, inputs, targets):
    """Return the loss of a batch: outputs are compared with the targets, and with those under noise."""
    outputs, noisy = network(inputs), network(inputs + 0.1 * torch.randn_like(inputs))
    return F.cross_entropy(outputs, targets) + F.mse_loss(noisy.softmax(1), outputs.softmax(1).detach())


TASK = register_task(
    replace(
        get_task("digits"),
        name="consistent-digits",
        step=consistent,
        recipe=Recipe(
            epochs=12,
            batch_size=64,
            learning_rate=0.01,
            optimizer=partial(torch.optim.NAdam, betas=(0.9, 0.99)),  # any class or function: see Recipe
            schedule="cosine",
            ema=0.98,
            patience=3,
        ),
    )
)


def train(arch):
    """Train one network to the end of its patience."""
    training = Training(arch, TASK, preset="small")
    while not training.finished:
        result = training.run_epoch()
        print(f"  epoch {result['epoch']:2} {TASK.metric_key} {result[TASK.metric_key]:.3f}")
    return training, result


def main(num_archs=4):
    """Train some architectures that the searcher proposes, and print the best one's test score."""
    searcher = MPNASSearch("nasbench201", TASK.metric_key, TASK.metric.mode, seed=0, synchronous=True)
    trained = {}
    for number in range(num_archs):
        arch = searcher.suggest(str(number))["arch"]
        print(arch)
        trained[arch] = train(arch)
        searcher.on_trial_complete(str(number), trained[arch][1])
    best = max(trained, key=lambda arch: trained[arch][1][TASK.metric_key])
    print(best, f"accuracy={trained[best][0].score('test'):.3f}")


if __name__ == "__main__":
    main()
