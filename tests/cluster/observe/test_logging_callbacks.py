"""Records of a search by Tune's own loggers: TensorBoard's, which Tune always adds, and MLflow's, if asked for."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import run_search
from trainables import darcy_task

PAGE = Path(__file__).parents[3] / "docs" / "watching.md"
TINY = darcy_task("tiny", resolution=9, num_train=20, num_validation=10, num_test=10)
KEY = TINY.metric_key

pytestmark = pytest.mark.ray


def tensorboard_events(file: Path) -> Iterator[Any]:
    """Read the events of a file as TensorBoard does: length, its checksum, a message, its checksum, and again."""
    from tensorboardX.proto.event_pb2 import Event

    content = file.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]


def tensorboard_of(trial: Path) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Scalars of a trial's folder in the order of time, and its hyperparameters."""
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    scalars: dict[str, list[float]] = {}
    hyperparameters: dict[str, Any] = {}
    (file,) = trial.glob("events.out.tfevents.*")
    for event in tensorboard_events(file):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                scalars.setdefault(value.tag, []).append(value.simple_value)
            elif value.tag == "_hparams_/session_start_info":
                told = HParamsPluginData.FromString(value.metadata.plugin_data.content).session_start_info.hparams
                hyperparameters |= {name: getattr(entry, entry.WhichOneof("kind")) for name, entry in told.items()}
    return scalars, hyperparameters


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_architecture_metric_and_parameters_of_every_trial(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow is chosen by Ray's variable alone, as docs/watching.md says."""
    mlflow = pytest.importorskip("mlflow")
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    told = re.search(r"^export (RAY_TUNE_CALLBACKS)=(\S+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert told
    monkeypatch.setenv(told[1], told[2])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tiny")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)  # MLflow makes a folder for artifacts where it is
    report = run_search(
        task=TINY,
        space="nasbench201",
        num_samples=3,
        epochs=2,
        searcher="random",
        storage=tmp_path,
        name="run",
        data_dir=data_dir,
        progress=False,
    )
    trials = {
        path.parent: list(map(json.loads, path.read_text().splitlines()))
        for path in (tmp_path / "run").glob("*/result.json")
    }
    assert len(trials) == report.num_trials == 3

    client = mlflow.tracking.MlflowClient(store)
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    by_arch = {run.data.params["arch"]: run for run in runs}
    assert len(by_arch) == len(runs) == 3

    for folder, results in trials.items():
        arch, values = results[-1]["config"]["arch"], [result[KEY] for result in results]
        scalars, hyperparameters = tensorboard_of(folder)
        assert hyperparameters["arch"] == arch
        assert scalars[f"ray/tune/{KEY}"] == pytest.approx(values)
        assert scalars["ray/tune/parameters"] == [result["parameters"] for result in results]

        run = by_arch[arch]
        assert run.info.status == "FINISHED"
        assert {key: run.data.params[key] for key in ("task", "preset", "epochs", "seed")} == {
            "task": "tiny",
            "preset": "small",
            "epochs": "2",
            "seed": "0",
        }
        assert [point.value for point in client.get_metric_history(run.info.run_id, KEY)] == values
        assert run.data.metrics["parameters"] == results[-1]["parameters"]
    assert min(run.data.metrics[KEY] for run in runs) == report.validation
