"""Networks on disk: what comes back is what was saved, also what older versions saved."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from trainables import DataOptions, get_task, load_network
from trainables.networks import build_network
from trainables.networks.saved import FoundNetwork, NetworkCard, save_network
from trainables.training.data import PreparedData

ARCH = "nasbench201:|nor_conv_1x1~0|+|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"


def network_for(task_name: str, options: DataOptions) -> tuple[FoundNetwork, torch.Tensor]:
    """An untrained network of a task, and some of its inputs."""
    task = get_task(task_name, options)
    data = PreparedData(task, None, torch.device("cpu"))
    network = build_network(ARCH, data.encoded_shape, task.num_outputs, task.dense, "small")
    card = NetworkCard(
        ARCH, task.name, data.encoded_shape, task.num_outputs, task.dense, "small", False, {}, task.classes
    )
    found = FoundNetwork(data.encoder, network, data.decoder, card).eval()
    return found, task.load_checked(None).test.inputs[:5]


def test_a_network_of_values_comes_back_with_their_units(own_data: Path, tmp_path: Path) -> None:
    found, inputs = network_for(f"csv:{own_data / 'diabetes.csv'}", DataOptions(target="target,bp"))
    save_network(tmp_path, found)
    back = load_network(tmp_path)
    assert torch.equal(back(inputs), found(inputs))
    assert back(inputs)[:, 0].mean() > 100, "a disease score, not a standardised number"


def test_names_of_classes_come_back_and_older_cards_have_none(own_data: Path, tmp_path: Path) -> None:
    found, inputs = network_for(f"csv:{own_data / 'iris.csv'}", DataOptions(target="species"))
    save_network(tmp_path, found)
    back = load_network(tmp_path)
    assert back.card == found.card
    assert back.card.classes == ("setosa", "versicolor", "virginica")
    card = json.loads((tmp_path / "network.json").read_text())
    del card["classes"]
    (tmp_path / "network.json").write_text(json.dumps(card))
    older = load_network(tmp_path)
    assert older.card.classes == ()
    assert torch.equal(older(inputs), found(inputs))
