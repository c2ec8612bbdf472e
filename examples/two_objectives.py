"""Search networks that are accurate and small, in a loop of your own, and print the front.

Run it with ``python two_objectives.py``; it takes about a minute. The number of parameters is known beforehand; a cost
that your trials measure would be reported beside the accuracy: ``costs=["latency_ms"]``.
"""

import torch
from sklearn.datasets import load_digits

from searchers import MPNASSearch
from searchers.model_based.objectives.front import front_rows
from trainables import build_network
from trainables.networks.limits import NetworkSizes


def train(arch, images, labels):
    """Train one network on the first 1,200 digits, and return its accuracy on the others and its parameters."""
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
    return correct.float().mean().item(), sum(parameter.numel() for parameter in network.parameters())


def main():
    """Ask for eight architectures, and print those of the front."""
    images, labels = (torch.as_tensor(part) for part in load_digits(return_X_y=True))
    images = images.float().view(-1, 1, 8, 8) / 16
    sizes = NetworkSizes(input_shape=(1, 8, 8), num_outputs=10, preset="small")
    searcher = MPNASSearch(
        "nasbench201", metric="accuracy", mode="max", seed=0, synchronous=True, costs={"parameters": sizes.parameters}
    )
    found = []
    for number in range(8):
        config = searcher.suggest(f"trial-{number}")
        accuracy, parameters = train(config["arch"], images, labels)
        found.append((accuracy, parameters, config["arch"]))
        searcher.on_trial_complete(f"trial-{number}", {"accuracy": accuracy, "parameters": parameters})
    for row in front_rows([[accuracy, -parameters] for accuracy, parameters, _ in found]):
        accuracy, parameters, arch = found[row]
        print(f"accuracy={accuracy:.3f} parameters={parameters:,} {arch}")


if __name__ == "__main__":
    main()
