"""``mpnas train`` on a real Ray: one training, interrupted by an error and continued."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from cluster.artifacts.config import TrainingConfig
from cluster.artifacts.single_network import TrainingReport, train_network
from cluster.cli import app
from mpnas_ray.errors import RunError, SearchSpaceError, TaskError
from trainables import darcy_task, load_network, relative_l2
from trainables.training.data import PreparedData
from trainables.training.loop import Training

TINY = darcy_task("tiny-baseline", resolution=9, num_train=20, num_validation=10, num_test=10)
MODEL = "dash-search:kernels=3,dilations=1.2"


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_failed_in_the_middle_and_continued(tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fragment = tmp_path / "failed"

    def fragile(outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.requires_grad and not fragment.exists():
            with (tmp_path / "batches").open("a") as batches:
                batches.write(".")
            tries = (tmp_path / "batches").stat().st_size - 2  # of the third epoch; each has one batch
            if tries == 3:
                fragment.touch()
            if tries > 0:
                raise RuntimeError("injected")
        return relative_l2(outputs, targets)

    task = replace(TINY, loss=fragile)

    def run(name: str, seed: int = 1) -> TrainingReport:
        config = TrainingConfig(
            model=MODEL, epochs=4, batch_size=20, storage=tmp_path, name=name, seed=seed, data_dir=data_dir
        )
        return train_network(config, task=task)

    with pytest.raises(RunError, match=r"injected.*--name broken goes on from the last checkpoint"):
        run("broken")
    assert "[2/4] validation_relative_l2" in capsys.readouterr().out
    continued = run("broken")
    printed = capsys.readouterr().out
    assert "[3/4]" in printed
    assert "[2/4]" not in printed
    assert continued.training_seconds > 0

    # The same as a training in this process that nothing stopped.
    recipe = replace(task.recipe, epochs=4, batch_size=20)
    straight = Training(MODEL, TINY, PreparedData(TINY, data_dir, torch.device("cpu")), recipe=recipe, seed=1)
    while not straight.finished:
        last = straight.run_epoch()
    assert continued.validation == last["validation_relative_l2"]

    assert len(continued.chosen) == 13
    assert f"--model dash-wrn-16-4:{','.join(continued.chosen)}" in str(continued)
    network = load_network(continued.network)
    for name, tensor in network.network.state_dict().items():
        assert torch.equal(tensor, straight.network.state_dict()[name]), name
    test = TINY.load_checked(data_dir).test
    with torch.no_grad():
        assert TINY.metric.function(network(test.inputs), test.targets) == pytest.approx(continued.test, rel=1e-5)
    logged = [json.loads(line) for path in tmp_path.glob("*/*/result.json") for line in path.open()]
    assert logged
    assert not any("test" in key for result in logged for key in result)

    page = (tmp_path / "broken" / "report.html").read_text()
    # Where a trial fails and is tried again, Tune begins with the results that it has copied to storage so far.
    epochs = sorted({str(result["epoch"]) for result in logged})
    assert {"1", "3", "4"} <= set(epochs)
    assert re.findall(r'data-tip="epoch (\d)', page) == epochs * 2, "of both sessions, in both charts"
    assert f"{continued.test:.5g}" in page
    (tmp_path / "broken" / "report.html").unlink()
    assert CliRunner().invoke(app, ["report", str(tmp_path / "broken")]).exit_code == 0
    assert (tmp_path / "broken" / "report.html").read_text() == page

    assert run("broken") == continued
    with pytest.raises(RunError, match=r"started with .*seed 1.*another --name"):
        run("broken", seed=2)


def test_what_cannot_be_is_said_before_ray_starts(tmp_path: Path, data_dir: Path) -> None:
    with pytest.raises(TaskError, match="fno-2d needs a dense task of two axes with at least 15"):
        train_network(TrainingConfig(model="fno-2d", storage=tmp_path, name="a", data_dir=data_dir), task=TINY)
    with pytest.raises(TaskError, match="There is no model 'wrn'"):
        train_network(TrainingConfig(model="wrn", storage=tmp_path, name="b", data_dir=data_dir), task=TINY)
    with pytest.raises(SearchSpaceError, match="nasbench201"):
        train_network(
            TrainingConfig(model="nasbench201:|nor_conv|", storage=tmp_path, name="c", data_dir=data_dir), task=TINY
        )
    for option, least in (("epochs", "at least 1"), ("batch_size", "at least 1"), ("learning_rate", "above 0")):
        with pytest.raises(TaskError, match=f"{option} must be {least}, not 0"):
            train_network(
                TrainingConfig(model="wrn-16-1", storage=tmp_path, data_dir=data_dir, **{option: 0}), task=TINY
            )
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match="something else"):
        train_network(TrainingConfig(model="wrn-16-1", storage=tmp_path, name="mine", data_dir=data_dir), task=TINY)
