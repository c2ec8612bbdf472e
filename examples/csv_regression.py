"""Search a network that predicts a number from the columns of a CSV file.

Run it with ``python csv_regression.py``; it takes a minute. It writes such a file first; with one of yours,
leave that out: ``mpnas search --task csv:FILE --target COLUMN`` does the same.
"""

from pathlib import Path

import torch
from sklearn.datasets import load_diabetes

from cluster import run_search
from trainables import load_network

FILE = Path("diabetes.csv")


def write_file(file):
    """Write 442 patients, ten columns each, and the progression of their disease after a year (25 to 346)."""
    table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    table.to_csv(file, index=False)
    return table


def search():
    """Search three architectures; Adam and early stopping do well on so few rows."""
    return run_search(
        task=f"csv:{FILE}",
        target="progression",
        loss="huber",
        metric="mae",
        space="nasbench201",
        num_samples=3,
        epochs=20,
        optimizer="adam",
        learning_rate=0.003,
        schedule="cosine",
        patience=5,
        name="diabetes",
    )


def main():
    """Search, and predict the first patient by the network that was found."""
    table = write_file(FILE)
    report = search()
    network = load_network(report.network)
    row = torch.tensor(table.drop(columns="progression").iloc[:1].to_numpy(), dtype=torch.float32)
    with torch.no_grad():
        predicted = network(row[:, None]).item()  # [patients, 1, columns]
    print(f"progression of the first patient: {predicted:.0f} predicted, {table['progression'][0]:.0f} measured")
    print(report.best_arch, f"{report.metric}={report.test:.1f}")


if __name__ == "__main__":
    main()
