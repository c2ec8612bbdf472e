"""Search an architecture and a learning rate for the digits in a Ray Tune experiment, with early stopping.

It was an experiment with one network; the lines marked as new make it a search of architectures.

Run it with ``python tune_experiment.py``. It takes half a minute on two cores, and runs on the cluster at
RAY_ADDRESS if that is set.
"""

import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from sklearn.datasets import load_digits

from searchers import MPNASSearch  # new
from trainables import build_network  # new

EPOCHS = 6


def train(config):
    """Train one network, and report its validation accuracy after each epoch."""
    torch.manual_seed(0)
    images, labels = (torch.as_tensor(part) for part in load_digits(return_X_y=True))
    images = images.float().view(-1, 1, 8, 8) / 16
    network = build_network(config["arch"], input_shape=(1, 8, 8), num_outputs=10, preset="small")  # new
    optimizer = torch.optim.AdamW(network.parameters(), lr=config["lr"], weight_decay=config["weight_decay"])
    for _ in range(EPOCHS):
        network.train()
        for batch in torch.randperm(1_200).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            correct = network(images[1_200:]).argmax(1) == labels[1_200:]
        tune.report({"accuracy": correct.float().mean().item()})


def main():
    """Run the experiment and print its best trial."""
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={"lr": tune.loguniform(1e-3, 1e-1), "weight_decay": 1e-4},
        tune_config=tune.TuneConfig(
            search_alg=MPNASSearch("nasbench201", seed=0),  # new
            scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=2),
            metric="accuracy",
            mode="max",
            num_samples=6,
            max_concurrent_trials=2,
        ),
    )
    best = tuner.fit().get_best_result()
    print(best.config["arch"], f"lr={best.config['lr']:.4f}", f"accuracy={best.metrics['accuracy']:.3f}")


if __name__ == "__main__":
    main()
