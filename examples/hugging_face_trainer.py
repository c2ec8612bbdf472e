"""Search the network of a small text classifier that Hugging Face's Trainer trains, without Ray.

Run it with ``pip install transformers accelerate`` and ``python hugging_face_trainer.py``; it takes a minute. The
network reads 64 characters and says whether they are of a program or of its manual: both come with Python.
"""

import argparse
import inspect
import pydoc_data.topics
import tempfile
import textwrap

import torch
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments, set_seed

from searchers import MPNASSearch
from trainables import build_network

LENGTH, FIRST, NUM_CHARACTERS = 64, 32, 96  # of ASCII, what is printed; all else is the last


class Reader(torch.nn.Module):
    """A network of some architecture over characters, one channel each, as a model of transformers."""

    def __init__(self, arch):
        """Build the network."""
        super().__init__()
        self.network = build_network(arch, input_shape=(NUM_CHARACTERS, LENGTH), num_outputs=2, preset="small")

    def forward(self, text, labels):
        """Return loss and logits of texts [N, length] with labels [N]."""
        channels = F.one_hot(text, NUM_CHARACTERS).float().transpose(1, 2)
        logits = self.network(channels)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def examples(num):
    """Cut texts out of Python's manual and out of its library: half are for training, half for validation."""
    sources = "".join(inspect.getsource(module) for module in (argparse, inspect, tempfile, textwrap))
    texts = ["\n".join(pydoc_data.topics.topics.values()), sources]
    found = []
    for number in range(num):
        label = number % 2
        text = texts[label]
        start = number * (len(text) - LENGTH) // num
        codes = torch.tensor([ord(letter) - FIRST for letter in text[start : start + LENGTH]])
        codes[(codes < 0) | (codes >= NUM_CHARACTERS)] = NUM_CHARACTERS - 1
        found.append({"text": codes, "labels": label})
    return found[: num // 2], found[num // 2 :]


def accuracy(prediction):
    """Return the metrics of a validation."""
    return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}


def train(arch, num_texts=4_000, epochs=2):
    """Train one network, and return its accuracy on the other texts."""
    set_seed(0)
    training, validation = examples(num_texts)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            Reader(arch),
            TrainingArguments(
                output_dir=folder,
                num_train_epochs=epochs,
                learning_rate=0.01,
                lr_scheduler_type="cosine",
                per_device_train_batch_size=64,
                per_device_eval_batch_size=256,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=training,
            eval_dataset=validation,
            compute_metrics=accuracy,
        )
        trainer.train()
        return trainer.evaluate()["eval_accuracy"]


def main(num_archs=4):
    """Ask for some architectures, and print the best."""
    searcher = MPNASSearch("nasbenchasr", metric="accuracy", mode="max", seed=0, synchronous=True)
    results = {}
    for number in range(num_archs):
        arch = searcher.suggest(str(number))["arch"]
        results[arch] = train(arch)
        searcher.on_trial_complete(str(number), {"accuracy": results[arch]})
    best = max(results, key=results.get)
    print(best, f"accuracy={results[best]:.3f}")


if __name__ == "__main__":
    main()
