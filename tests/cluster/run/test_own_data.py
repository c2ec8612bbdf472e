"""Searches for a user's own files: from the command line to the loaded network, and on from a run that was stopped."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cluster import SearchConfig, run_search
from cluster.run.assemble.zero_cost import zero_cost_score
from cluster.run.reading import read_run
from cluster.run.record import RunRecord
from cluster.run.resume import resume_search
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import MPNASError, RunError, TaskError
from mpnas_ray.spaces import get_space
from trainables import DataOptions, accuracy, get_task, load_network
from trainables.networks import save_network
from trainables.tasks.sources.task_of_files import plain_options
from trainables.tune.trial import build_training, prepare_data, run_epoch, score_test, write_checkpoint

ARCH = "nasbench201:|nor_conv_1x1~0|+|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
COMMON = ["--num-samples", "2", "--epochs", "1", "--space", "nasbench201", "--searcher", "random"]


def search(arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run ``mpnas search`` in this process."""
    from cluster.cli import main

    monkeypatch.setattr(
        sys, "argv", ["mpnas", "search", *arguments, *COMMON, "--storage", str(folder), "--name", "run"]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
class TestSearches:
    def test_a_folder_of_images(
        self, own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Also a relative path, and what is begun is gone on with from elsewhere with nothing but its folder."""
        monkeypatch.chdir(own_data)
        options = [
            "--image-size",
            "8",
            "--augment",
            "crop,mixup",
            "--class-weights",
            "balanced",
            "--metric",
            "f1_macro",
        ]
        search(["--task", "images:digits", *options], tmp_path, monkeypatch)
        lines = capsys.readouterr().out.splitlines()
        table = next(number for number, line in enumerate(lines) if line.split() == ["train", "validation", "test"])
        assert lines[table + 2].split()[0] == "digit-0"
        content = json.loads((tmp_path / "run" / "run.json").read_text())
        assert content["task_name"] == "images-digits"
        assert content["config"]["task"] == f"images:{own_data / 'digits'}"
        assert content["config"]["augment"] == ["crop", "mixup"]

        network = load_network(tmp_path / "run" / "best")
        assert network.card.classes == tuple(f"digit-{number}" for number in range(10))
        assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
        assert "test_f1_macro" in network.card.scores

        monkeypatch.chdir(tmp_path)
        shutil.rmtree(tmp_path / "run" / "best")
        (tmp_path / "run" / "report.json").unlink()
        report = resume_search(tmp_path / "run")
        assert report.num_trials == 2
        assert load_network(tmp_path / "run" / "best").card == network.card

    def test_a_csv_file_by_a_proxy(self, own_data: Path, tmp_path: Path) -> None:
        """The proxy is computed in a process of its own, which reads the data by the options."""
        report = run_search(
            task=f"csv:{own_data / 'iris.csv'}",
            target=("species",),
            space="nasbench201",
            num_samples=2,
            epochs=1,
            batch_size=32,
            searcher="area",
            max_concurrent=1,
            storage=tmp_path,
            name="run",
        )
        assert report.metric == "accuracy"
        network = load_network(tmp_path / "run" / "best")
        assert network.card.classes == ("setosa", "versicolor", "virginica")
        results = [json.loads(path.read_text()) for path in (tmp_path / "run").glob("*/params.json")]
        assert {result["batch_size"] for result in results} == {32}

    def test_a_csv_file_of_values(self, own_data: Path, tmp_path: Path) -> None:
        """By another recipe; a training that its patience ended counts as whole."""
        report = run_search(
            task=f"csv:{own_data / 'diabetes.csv'}",
            target="target",
            metric="mae",
            space="nasbench201",
            num_samples=2,
            epochs=5,
            optimizer="adam",
            learning_rate=0.02,
            schedule="constant",
            ema=0.9,
            patience=1,
            searcher="random",
            max_concurrent=1,
            storage=tmp_path,
            name="run",
        )
        network = load_network(tmp_path / "run" / "best")
        assert network.card.classes == ()
        assert 20 < network.card.scores["test_mae"] < 110  # of a disease score from 25 to 346
        assert report.num_stopped == 0
        assert report.validation == pytest.approx(network.card.scores["validation_mae"], rel=1e-5)
        states = [trial.state for trial in read_run(RunFolder(str(tmp_path), "run")).trials]
        assert states == ["complete", "complete"]
        for path in (tmp_path / "run").glob("*/result.json"):
            last = json.loads(path.read_text().splitlines()[-1])
            assert last["epoch"] in (last["best_epoch"] + 1, 5)
            assert last["training_iteration"] == 5
            assert (last["config"]["optimizer"], last["config"]["ema"]) == ("adam", 0.9)

    def test_a_numpy_archive_that_is_read_from_disk(
        self, own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        search(["--task", f"npz:{own_data / 'digits.npz'}", "--data-in", "disk"], tmp_path, monkeypatch)
        output = capsys.readouterr().out
        assert output.count("Trainings read their batches from disk, not from memory.") == 1
        assert "The data were not in memory: trainings read their batches from disk." in output
        assert json.loads((tmp_path / "run" / "report.json").read_text())["data_in"] == "disk"
        assert load_network(tmp_path / "run" / "best").card.classes == tuple(map(str, range(10)))

    def test_one_network_trained_on_a_csv_file(
        self, own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from cluster.cli import main

        arguments = [
            "train",
            "--task",
            f"csv:{own_data / 'diabetes.csv'}",
            "--target",
            "target",
            "--model",
            "resnet-1d",
        ]
        more = ["--epochs", "1", "--batch-size", "64", "--storage", str(tmp_path), "--name", "one"]
        monkeypatch.setattr(sys, "argv", ["mpnas", *arguments, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        assert "test_r2" in load_network(tmp_path / "one" / "best").card.scores


def test_classes_and_split_are_printed_before_ray_starts(
    own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_ray(*, dashboard: bool = False) -> None:
        raise RunError("no Ray here")

    monkeypatch.setattr("cluster.run.session.connected", no_ray)
    monkeypatch.chdir(own_data)
    with pytest.raises(RunError, match="no Ray here"):
        run_search(task="csv:iris.csv", target="species", storage=tmp_path, name="run")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "Loading csv-iris."
    assert printed[1].startswith(f"csv-iris: 150 rows of features of {own_data / 'iris.csv'}, each 1 x 4 numbers;")
    assert [line.split() for line in printed[2:7]] == [
        ["train", "validation", "test"],
        ["samples", "90", "30", "30"],
        ["setosa", "30", "10", "10"],
        ["versicolor", "30", "10", "10"],
        ["virginica", "30", "10", "10"],
    ]


def test_a_proxy_reads_the_files_by_the_options(own_data: Path) -> None:
    """Also in another process, which has nothing but what is pickled."""
    task = f"csv:{own_data / 'iris.csv'}"
    config = SearchConfig(task=task, target="species", space="nasbench201", searcher="naswot", proxy="naswot")
    found = get_task(config.task, config.data_options)
    score = zero_cost_score(config, found, found.load_checked(None))
    assert score is not None
    scores = pickle.loads(pickle.dumps(score))(get_space("nasbench201").sample_many(3, np.random.default_rng(0)))
    assert scores.shape == (3,)
    assert np.isfinite(scores).any()


def test_a_trial_without_ray_to_the_loaded_network(own_data: Path, tmp_path: Path) -> None:
    """A trial's process has the task as it was pickled; its card knows the classes."""
    task = pickle.loads(pickle.dumps(get_task(f"csv:{own_data / 'iris.csv'}", DataOptions(target="species"))))
    config = {"task": task.name, "arch": ARCH, "preset": "small", "epochs": 2, "batch_size": 30, "seed": 0}
    data = prepare_data(task, config)
    training = build_training(config, task, data)
    assert training.recipe.batch_size == 30
    result: dict[str, object] = {}
    while not training.finished:
        result = run_epoch(training, result)
    write_checkpoint(str(tmp_path), training, config, result)
    network = score_test(config, task, str(tmp_path))
    save_network(tmp_path / "best", network)
    back = load_network(tmp_path / "best")
    assert back.card.classes == ("setosa", "versicolor", "virginica")
    assert back.card.scores["validation_accuracy"] == result["validation_accuracy"]
    test = task.load_checked(None).test
    assert accuracy(back(test.inputs), test.targets) == pytest.approx(back.card.scores["test_accuracy"])


def test_a_training_of_one_network_knows_its_data(own_data: Path) -> None:
    first, same, other = (
        plain_options(get_task(f"images:{own_data / 'digits'}", DataOptions(image_size=size))) for size in (8, 8, 16)
    )
    assert first == same
    assert first != other
    assert json.loads(json.dumps(first)) == first
    assert plain_options(get_task("digits")) == {}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"task": "darcy", "image_size": 64}, "The task darcy does not use image_size", id="not of files"),
        pytest.param({"task": "csv:x.csv", "image_size": 64}, "csv:x.csv does not use image_size", id="other files"),
        pytest.param({"task": "images:x", "target": "y"}, "does not use target", id="target of images"),
        pytest.param({"task": "images:x", "metric": "acuracy"}, "Did you mean 'accuracy'?", id="metric"),
        pytest.param({"task": "images:x", "augment": "flip,crop,mixin"}, "Did you mean 'mixup'?", id="augmentation"),
        pytest.param({"task": "images:x", "loss": "mae"}, "There is no loss 'mae'", id="loss"),
        pytest.param({"task": "images:x", "image_size": 2}, "image_size must be from 4 to 4096", id="size"),
        pytest.param({"task": "images:x", "test_share": 1.5}, "test_share must be", id="share"),
        pytest.param({"task": "images:x", "test_share": 0.9}, "leaves nothing to train on", id="shares"),
    ],
)
def test_options_are_refused_at_once(fields: dict[str, object], message: str) -> None:
    with pytest.raises(TaskError) as refused:
        SearchConfig(**fields)  # type: ignore[arg-type]
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_options_of_a_task_object_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MPNASError, match="digits does not use image_size"):
        run_search(task=get_task("digits"), image_size=64, storage=tmp_path, name="run")


def test_a_run_from_before_there_were_options_of_trainings_is_read(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "run")
    record = RunRecord(SearchConfig(task="digits", epochs=1, storage=str(tmp_path), name="run"), "digits")
    record.write(folder)
    content = json.loads((tmp_path / "run" / "run.json").read_text())
    for name in ("optimizer", "learning_rate", "weight_decay", "schedule", "ema", "patience"):
        del content["config"][name]
    folder.write("run.json", json.dumps(content))
    earlier = RunRecord.read(folder)
    assert earlier is not None
    record.check_same(earlier, folder)
    assert earlier.constants() == {"task": "digits", "preset": "small", "seed": 0, "epochs": 1}


def test_a_run_is_continued_with_its_options_only(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "run")
    config = SearchConfig(task="images:/data/cats", image_size=16, epochs=1, storage=str(tmp_path), name="run")
    RunRecord(config, "images-cats").write(folder)
    earlier = RunRecord.read(folder)
    assert earlier is not None
    assert earlier.config == config
    other = SearchConfig(task="images:/elsewhere/cats", image_size=32, epochs=1, storage=str(tmp_path), name="run")
    with pytest.raises(RunError, match="was started with image_size 16: use the same"):
        RunRecord(other, "images-cats").check_same(earlier, folder)
    averaged = SearchConfig(
        task="images:/data/cats", image_size=16, epochs=1, ema=0.9, storage=str(tmp_path), name="run"
    )
    with pytest.raises(RunError, match="was started with ema None: use the same"):
        RunRecord(averaged, "images-cats").check_same(earlier, folder)
    moved = SearchConfig(task="images:/elsewhere/cats", image_size=16, epochs=1, storage=str(tmp_path), name="run")
    RunRecord(moved, "images-cats").check_same(earlier, folder)
