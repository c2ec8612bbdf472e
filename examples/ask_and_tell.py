"""Use a searcher in a loop of your own, without Tune and without Ray.

Run it with ``python ask_and_tell.py``; it takes about a minute. Ask with ``suggest``, train the architecture in any
way, and tell the result with ``on_trial_complete``.
"""

import torch
from sklearn.datasets import load_digits

from searchers import MPNASSearch
from trainables import build_network


def train(arch, images, labels):
    """Train one network on the first 1,200 digits, and return its accuracy on the others."""
    torch.manual_seed(0)
    network = build_network(arch, input_shape=(1, 8, 8), num_outputs=10, preset="small")
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(3):
        for batch in torch.randperm(1_200).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        correct = network(images[1_200:]).argmax(1) == labels[1_200:]
    return correct.float().mean().item()


def main(num_archs=8):
    """Ask for some architectures, and print the best."""
    images, labels = (torch.as_tensor(part) for part in load_digits(return_X_y=True))
    images = images.float().view(-1, 1, 8, 8) / 16
    searcher = MPNASSearch("nasbench201", metric="accuracy", mode="max", seed=0, synchronous=True)
    results = {}
    for number in range(num_archs):
        config = searcher.suggest(f"trial-{number}")
        results[config["arch"]] = train(config["arch"], images, labels)
        searcher.on_trial_complete(f"trial-{number}", {"accuracy": results[config["arch"]]})
    best = max(results, key=results.get)
    print(best, f"accuracy={results[best]:.3f}")


if __name__ == "__main__":
    main()
