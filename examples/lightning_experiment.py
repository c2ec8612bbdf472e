"""Search an architecture and a learning rate with Lightning's Trainer, in a Ray Tune experiment.

Run it with ``pip install lightning`` and ``python lightning_experiment.py``; it takes a minute on two cores. The module
is one of yours: only ``build_network`` and the searcher are ours.
"""

import lightning
import torch
from ray import tune
from ray.tune.integration.pytorch_lightning import TuneReportCallback
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from searchers import MPNASSearch
from trainables import build_network


class Digits(lightning.LightningModule):
    """A network of some architecture that reads digits."""

    def __init__(self, arch, lr):
        """Build the network."""
        super().__init__()
        self.network = build_network(arch, input_shape=(1, 8, 8), num_outputs=10, preset="small")
        self.lr = lr

    def training_step(self, batch, number):
        """Return the loss of a batch."""
        images, labels = batch
        return torch.nn.functional.cross_entropy(self.network(images), labels)

    def validation_step(self, batch, number):
        """Log the accuracy of a batch; Lightning averages over all."""
        images, labels = batch
        correct = self.network(images).argmax(1) == labels
        self.log("accuracy", correct.float().mean(), batch_size=len(labels))

    def configure_optimizers(self):
        """Return the optimiser."""
        return torch.optim.AdamW(self.parameters(), lr=self.lr)


def fit(config, epochs, callbacks=()):
    """Train one network by Lightning, and return its last validation accuracy."""
    lightning.seed_everything(0, verbose=False)
    images, labels = (torch.as_tensor(part) for part in load_digits(return_X_y=True))
    data = TensorDataset(images.float().view(-1, 1, 8, 8) / 16, labels)
    train, validation = (torch.utils.data.Subset(data, part) for part in (range(1_200), range(1_200, len(data))))
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="auto",
        devices=1,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(
        Digits(config["arch"], config["lr"]),
        DataLoader(train, batch_size=64, shuffle=True),
        DataLoader(validation, batch_size=256),
    )
    return float(trainer.callback_metrics["accuracy"])


def train(config):
    """Run a trial, which reports after each epoch."""
    fit(config, epochs=3, callbacks=[TuneReportCallback({"accuracy": "accuracy"}, on="validation_end")])


def main():
    """Run the experiment and print its best trial."""
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={"lr": tune.loguniform(1e-3, 1e-1)},
        tune_config=tune.TuneConfig(
            search_alg=MPNASSearch("nasbench201", seed=0),
            metric="accuracy",
            mode="max",
            num_samples=4,
            max_concurrent_trials=2,
        ),
    )
    best = tuner.fit().get_best_result()
    print(best.config["arch"], f"lr={best.config['lr']:.4f}", f"accuracy={best.metrics['accuracy']:.3f}")


if __name__ == "__main__":
    main()
