"""``mpnas explain`` and the explanation of a run's winner."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cluster.artifacts.config import ExplanationConfig
from cluster.artifacts.explanation import LATENCY, explain_architecture
from cluster.cli import app
from cluster.report.page import page
from cluster.run.config import SearchConfig
from cluster.run.explaining import explain_in_run, write_explanation
from cluster.run.reading import EXPLANATION_FILE, read_run
from cluster.run.record import RunRecord
from cluster.storage.run_folder import RunFolder
from mpnas_ray import explain, load_predictor
from mpnas_ray.errors import PredictorError, RunError, SearchSpaceError
from mpnas_ray.explaining import Explanation
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.spaces import Architectures, get_space
from trainables.networks.limits import NetworkSizes

ARCHS = [str(arch) for arch in get_space("nasbench101").sample_many(6, np.random.default_rng(1))]
RECORD = RunRecord(SearchConfig(task="digits", space="nasbench101", num_samples=6, epochs=1), "digits")
SESSION = {"time": 1.0, "event": "session", "metric": "accuracy", "mode": "max", "input_shape": [1, 8, 8]}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of six whole trainings, the third of which is the best."""
    folder = tmp_path / "run"
    files = {"run.json": RECORD.to_json()}
    files["telemetry.jsonl"] = f"{json.dumps({**SESSION, 'num_outputs': 10, 'dense': False})}\n"
    for number, (arch, value) in enumerate(zip(ARCHS, (0.5, 0.6, 0.9, 0.7, 0.4, 0.8), strict=True)):
        config = {"arch": arch, **RECORD.constants()}
        result = {"epoch": 1, "validation_accuracy": value, "seconds": 1.0, "timestamp": 2.0 + number, "done": True}
        files[f"t{number}/result.json"] = f"{json.dumps({**result, 'config': config})}\n"
        files[f"t{number}/params.json"] = json.dumps(config)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return RunFolder.of_run(folder)


@pytest.fixture
def latencies(tmp_path: Path) -> Path:
    path = tmp_path / "latencies.csv"
    path.write_text("arch,score\n" + "".join(f'"{arch}",{4 + number}\n' for number, arch in enumerate(ARCHS)))
    return path


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["explain", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.long
def test_the_winner_of_a_run_is_explained_by_the_predictor_adapted_to_its_results(run: RunFolder) -> None:
    found = explain_in_run(run)
    assert found.arch == ARCHS[2]
    predictor = load_predictor("mpnas-3")
    assert isinstance(predictor, MixturePredictor)
    adapted = predictor.measuring("quality").adapt(Architectures.of(ARCHS), [0.5, 0.6, 0.9, 0.7, 0.4, 0.8])
    sizes = NetworkSizes((1, 8, 8), 10, preset=RECORD.config.preset)
    assert found == explain(adapted, ARCHS[2], costs={"parameters": sizes.parameters, "FLOPs": sizes.flops})
    assert found.costs["parameters"] == sizes.parameters(Architectures.of(ARCHS[2:3]))[0]


def test_the_report_shows_the_explanation_once_it_is_written(run: RunFolder) -> None:
    assert read_run(run).explanation is None
    write_explanation(run)
    view = read_run(run)
    assert view.explanation == Explanation.of_json(run.read(EXPLANATION_FILE) or "")
    text = page(view)
    assert "What speaks" in text
    assert f"slot {view.explanation.swaps[0].slot}: {view.explanation.swaps[0].new}" in text  # type: ignore[union-attr]


def test_an_explanation_of_another_architecture_or_a_damaged_one_is_not_shown(run: RunFolder) -> None:
    run.write(EXPLANATION_FILE, explain_in_run(run, ARCHS[0]).to_json())
    assert read_run(run).explanation is None
    run.write(EXPLANATION_FILE, '{"arch": 1}')
    view = read_run(run)
    assert view.explanation is None
    assert any(EXPLANATION_FILE in problem for problem in view.problems)


def test_few_results_are_not_explained_and_what_fails_is_logged(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*arguments: object, **more: object) -> None:
        raise ValueError("no reason")

    monkeypatch.setattr("cluster.run.explaining.explain", fails)
    with caplog.at_level(logging.WARNING):
        write_explanation(run)
    assert "Could not explain the best architecture" in caplog.text
    for number in (0, 1):
        (Path(run.shown) / f"t{number}" / "result.json").unlink()
    caplog.clear()
    write_explanation(run)
    assert caplog.text == ""
    assert run.read(EXPLANATION_FILE) is None


@pytest.mark.long
def test_the_command_prints_words_and_tables_or_json(run: RunFolder, latencies: Path) -> None:
    text = printed(ARCHS[0], "--run", run.shown, "--latencies", str(latencies))
    for part in ("The predicted score is", "swaps of", "Known tasks", LATENCY, "parameters", "Features of the graph"):
        assert part in text
    found = Explanation.of_json(printed("--run", run.shown, "--json"))
    assert found.arch == ARCHS[2]


@pytest.mark.long
def test_latencies_are_predicted_from_the_measured_ones(latencies: Path) -> None:
    found = explain_architecture(ExplanationConfig(arch=ARCHS[0], latencies=latencies))
    cost = load_predictor("cost").adapt(Architectures.of(ARCHS), [-4.0 - number for number in range(6)])
    swapped = [swap.arch for swap in found.swaps]
    here, *there = -cost.predict(Architectures.of([ARCHS[0], *swapped]))
    assert found.costs[LATENCY] == pytest.approx(here)
    assert [swap.costs[LATENCY] for swap in found.swaps] == pytest.approx(np.array(there) - here)


def test_what_cannot_be_explained_is_said(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(PredictorError, match="name one, or a run"):
        ExplanationConfig()
    with pytest.raises(PredictorError, match="leave out mode, or the run"):
        ExplanationConfig(run=run.shown, mode="min")
    with pytest.raises(PredictorError, match="leave out predictor, or the run"):
        ExplanationConfig(run=run.shown, predictor="mpnas-4")
    with pytest.raises(SearchSpaceError):
        explain_architecture(ExplanationConfig(arch="nasbench201:|none~0|", run=run.shown))
    equal = tmp_path / "equal.csv"
    equal.write_text(f'arch,score\n"{ARCHS[0]}",1\n"{ARCHS[1]}",1\n')
    with pytest.raises(PredictorError, match="no latencies that differ"):
        explain_architecture(ExplanationConfig(arch=ARCHS[0], latencies=equal))
    (Path(run.shown) / "run.json").unlink()
    with pytest.raises(RunError):
        explain_in_run(RunFolder(str(tmp_path), "run"))
