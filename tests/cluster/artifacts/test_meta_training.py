from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.artifacts.meta_training import SourceTasks, run_meta_training
from mpnas_ray.errors import TableError
from mpnas_ray.meta_learning.gradient import MetaConfig
from mpnas_ray.meta_learning.mixture import MixtureConfig, MixturePredictor
from mpnas_ray.predictors import CostConfig, CostPredictor, GCNConfig
from mpnas_ray.pretrained import load_checkpoint, refuse_if_seen
from mpnas_ray.spaces import get_space
from mpnas_ray.tables import TableTask, load_tasks, write_task

CONFIG = MetaConfig(
    gcn=GCNConfig(width=8), iterations=4, validation_every=2, num_support=4, num_query=8, tasks_per_batch=2
)
MIXTURE = MixtureConfig(gcn=GCNConfig(width=8), iterations=200, batch_size=32, num_price_lists=4, prior_iterations=2)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Three tasks of one space, as files of ours; scores are counts of operations."""
    folder = tmp_path / "tables"
    folder.mkdir()
    archs = get_space("transnasbench101").enumerate()[np.random.default_rng(0).permutation(4_096)[:400]]
    for number, name in enumerate(("skips", "small", "large"), start=1):
        raw = (archs.codes == number).sum(axis=1) + np.linspace(0, 0.1, 400)
        licence = None if name == "skips" else "MIT"
        task = TableTask(f"transnasbench101/{name}", archs, raw, "count", "max", datasets=(name,), licence=licence)
        write_task(task, folder / f"{name}.parquet")
    return folder


def test_a_checkpoint_with_its_card(tables: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    sources = SourceTasks(tables, hold_out=["transnasbench101/small"])
    card = run_meta_training(sources, tmp_path / "out" / "mine", CONFIG, report=lines.append)
    assert card.tasks == ("transnasbench101/large", "transnasbench101/skips")
    assert len(lines) == 2
    assert lines[-1].startswith("[4/4] loss ")
    predictor, loaded = load_checkpoint(tmp_path / "out" / "mine")
    assert loaded == card
    tasks = load_tasks(tables)
    refuse_if_seen(card, tasks["transnasbench101/small"])
    with pytest.raises(Exception, match="learned from large"):
        refuse_if_seen(card, tasks["transnasbench101/large"])
    assert np.isfinite(predictor.predict(tasks["transnasbench101/small"].archs[:5])).all()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mine.json", "mine.safetensors"]


def test_it_learns_from_the_tasks_that_are_named(tables: Path, tmp_path: Path) -> None:
    named = ["transnasbench101/small", "transnasbench101/skips"]
    assert set(run_meta_training(SourceTasks(tables, tasks=named), tmp_path / "mine", CONFIG).tasks) == set(named)
    with pytest.raises(TableError, match=r"no task 'transnasbench101/smal'.*Did you mean 'transnasbench101/small'"):
        run_meta_training(SourceTasks(tables, tasks=["transnasbench101/smal"]), tmp_path / "mine", CONFIG)


@pytest.mark.long
@pytest.mark.data
def test_it_learns_from_tasks_with_widths_and_depths(tables_folder: Path, tmp_path: Path) -> None:
    tasks = ["transnasbench101-macro/object", "transnasbench101-macro/room"]
    card = run_meta_training(SourceTasks(tables_folder, tasks=tasks), tmp_path / "mine", CONFIG)
    assert set(card.tasks) == set(tasks)
    predictor, _ = load_checkpoint(tmp_path / "mine")
    assert len(set(predictor.predict(get_space("transnasbench101-macro").enumerate()[::500]))) > 1


@pytest.mark.long
@pytest.mark.parametrize("config", [CONFIG, MIXTURE])
def test_interrupted_it_goes_on(tables: Path, tmp_path: Path, config: MetaConfig | MixtureConfig) -> None:
    whole = run_meta_training(SourceTasks(tables), tmp_path / "whole", config)

    lines: list[str] = []

    def interrupt(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_meta_training(SourceTasks(tables), tmp_path / "parts", config, report=interrupt)
    assert (tmp_path / "parts.training").exists()
    parts = run_meta_training(SourceTasks(tables), tmp_path / "parts", config)
    assert parts.quality == whole.quality
    assert (tmp_path / "parts.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


@pytest.mark.long
def test_a_mixture_says_how_well_it_does_on_each_task(tables: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    card = run_meta_training(SourceTasks(tables), tmp_path / "mine", MIXTURE, report=lines.append)
    assert [line.partition("]")[0] for line in lines] == ["[100/202", "[200/202", "[202/202", "[202/202"]
    assert "Spearman in meta-validation" in lines[-1]
    assert {figure.partition(":")[0] for figure in card.quality} == set(card.tasks)
    predictor, loaded = load_checkpoint(tmp_path / "mine")
    assert loaded == card
    assert isinstance(predictor, MixturePredictor)


def test_a_cost_predictor_learns_from_costs_alone(tables: Path, tmp_path: Path) -> None:
    archs = get_space("nasbench201").sample_many(300, np.random.default_rng(0))
    archs = archs[np.unique(archs.codes, axis=0, return_index=True)[1]]
    raw = 5.0 + (archs.codes == 3).sum(axis=1) + np.linspace(0, 0.1, len(archs))
    for device in ("a", "b"):
        task = TableTask(f"nasbench201/{device}", archs, raw, "latency", "min", devices=(device,))
        write_task(task, tables / f"{device}.parquet")
    card = run_meta_training(SourceTasks(tables, hold_out=["nasbench201/b"]), tmp_path / "mine", CostConfig())
    predictor, loaded = load_checkpoint(tmp_path / "mine")
    assert loaded == card
    assert card.tasks == ("nasbench201/a",)
    assert card.quality["nasbench201/a: Spearman given 10 points, its devices left out"] > 0.9
    assert isinstance(predictor, CostPredictor)
    assert [device.devices for device in predictor.devices] == [("a",)]


def test_only_what_may_be_learned_from(tables: Path, tmp_path: Path) -> None:
    assert run_meta_training(SourceTasks(tables, licensed_only=True), tmp_path / "a", CONFIG).tasks == (
        "transnasbench101/large",
        "transnasbench101/small",
    )
    everything = list(load_tasks(tables))
    with pytest.raises(TableError, match="Nothing is left"):
        run_meta_training(SourceTasks(tables, hold_out=everything), tmp_path / "b", CONFIG)
    with pytest.raises(TableError, match="no task 'x'"):
        run_meta_training(SourceTasks(tables, hold_out=["x"]), tmp_path / "b", CONFIG)
