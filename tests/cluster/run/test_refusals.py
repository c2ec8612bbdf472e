"""Settings that are known to be wrong without Ray are refused before Ray starts, and nothing is left behind."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import ray

from cluster.artifacts.config import ScoringConfig, TableConfig, TrainingConfig
from cluster.artifacts.meta_training import config_of
from cluster.artifacts.single_network import TrainingReport, train_network
from cluster.cli import main
from cluster.commands.options import field_texts
from cluster.experiments.comparison.config import ComparisonConfig
from cluster.experiments.comparison.presets import PRESETS
from cluster.ray.connection import most_concurrent
from cluster.ray.resources import in_words
from cluster.run.checking import check_config
from cluster.run.config import SearchConfig
from cluster.run.extend import extend_search
from cluster.run.record import RunRecord
from cluster.run.start import run_search
from cluster.storage.run_folder import DRIVER_FILE, RunFolder
from mpnas_ray.errors import MPNASError, RunError
from mpnas_ray.tables import BUNDLED_TABLE

ARCH = "nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
OWN = f"--tables {BUNDLED_TABLE}"
BUILD = "tables build --out x.parquet --task digits"
SCORE = "score --space mixed --task digits --proxy naswot"
TRAIN = "train --task digits --model wrn-16-1"


class Ended(NamedTuple):
    status: int
    said: str


MPNAS = Callable[[str], Ended]


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that starts Ray, also where another test of this process has started it."""

    def started(*arguments: Any, **named: Any) -> None:
        pytest.fail("Ray was started")

    monkeypatch.setattr(ray, "init", started)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)


@pytest.fixture
def mpnas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> MPNAS:
    def run(line: str) -> Ended:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["mpnas", *shlex.split(line)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = " ".join(capsys.readouterr().err.replace("│", " ").split())
        return Ended(ended.value.code or 0, said)  # type: ignore[arg-type]

    return run


@pytest.mark.parametrize(
    ("line", "named"),
    [
        # Names.
        ("search --name x --predictor nope", "There is no predictor card"),
        ("search --name x --predictor cost", "knows costs alone"),
        ("search --name x --predictor mpnas4", "Did you mean 'mpnas-4'?"),
        ("search --name x --searcher predictor --predictor bananaz", "Did you mean 'bananas'?"),
        ("search --name x --searcher mpnsa", "Did you mean 'mpnas'?"),
        ("search --name x --proxy nasvot", "Did you mean 'naswot'?"),
        ("search --name x --scheduler ahsa", "There is no scheduler 'ahsa'. There are: asha, "),
        ("search --name x --preset smal", "Did you mean 'small'?"),
        ("search --name x --task darsy", "Did you mean 'darcy'?"),
        ("search --name x --space nasbench-201", "Did you mean 'nasbench201'?"),
        ("search --name x --epoch 3", "--epochs"),
        ("search --name x --optimizer adam-w", "Did you mean 'adamw'?"),
        ("search --name x --schedule onecycle", "Did you mean 'one-cycle'?"),
        ("serch", "Did you mean 'search'?"),
        (f"{TRAIN}x", "Did you mean 'wrn-16-1'?"),
        ("train --model nasbench201:x", "three parts"),
        (f"{TRAIN} --preset papr", "Did you mean 'paper'?"),
        (f"{SCORE}x", "There is no proxy 'naswotx'"),
        (f"{SCORE} --proxy nothing", "There is no proxy 'nothing'"),
        (f"{SCORE} --preset smal", "Did you mean 'small'?"),
        (f"{BUILD} --task digitz", "Did you mean 'digits'?"),
        (f"{BUILD} --space mixd", "Did you mean 'mixed'?"),
        (f"{BUILD} --preset smal", "Did you mean 'small'?"),
        (f"compare {OWN} --preset regert", "Did you mean 'regret'?"),
        (f"compare {OWN} --searcher mpnass", "Did you mean 'mpnas'?"),
        (f"compare {OWN} --task mixed/digitz", "Did you mean 'mixed/digits'?"),
        (f"reproduce tabel2 {OWN}", "Did you mean 'table2'?"),
        (f"reproduce table7 {OWN} --task digitz", "Did you mean 'digits'?"),
        (f"meta-train {OWN} --out o --algorithm mixtur", "Did you mean 'mixture'?"),
        (f"meta-train {OWN} --out o --hold-out mixed/digitz", "Did you mean 'mixed/digits'?"),
        ("pretrain-scheduler --out o --hold-out digitz", "Did you mean 'digits'?"),
        (f"predict '{ARCH}' --predictor defualt", "Did you mean 'default'?"),
        # Numbers.
        ("search --name x --seed -1", "seed must be from 0"),
        ("search --name x --seed 4294967296", "seed must be from 0"),
        ("search --name x --epochs 1.5", "--epochs"),
        ("search --name x --epochs -1", "epochs must be at least 1"),
        ("search --name x --num-samples nan", "--num-samples"),
        ("search --name x --ema 1", "ema must be above 0 and below 1"),
        ("search --name x --patience 0", "patience must be at least 1"),
        ("search --name x --time-budget-s nan", "time_budget_s is in seconds"),
        ("search --name x --time-budget-s inf", "time_budget_s is in seconds"),
        ("search --name x --trial-time-limit-s -1", "trial_time_limit_s is in seconds"),
        ("search --name x --gpu-memory-gb nan", "gpu_memory_gb is in GB"),
        ("search --name x --max-params 0", "max_params must be at least 1"),
        ("search --name x --max-flops -5", "max_flops must be at least 1"),
        ("search --name x --space mixed-macro --widths 8,x", "--widths takes whole numbers with commas between"),
        ("search --name x --space mixed-macro --widths 8,12", "Each of widths is one of 8, 16, 32, 64, not 12"),
        ("search --name x --space mixed-macro --depths 0,1", "Each of depths must be at least 1"),
        ("search --name x --widths 8", "take the space mixed-macro for widths"),
        ("extend x --num-samples 0", "num_samples must be at least 1"),
        (f"{TRAIN} --epochs 0", "epochs must be at least 1"),
        (f"{TRAIN} --batch-size -1", "batch_size must be at least 1"),
        (f"{TRAIN} --learning-rate nan", "learning_rate must be above 0"),
        (f"{TRAIN} --weight-decay inf", "weight_decay must be at least 0"),
        (f"{TRAIN} --seed -1", "seed must be from 0"),
        (f"{SCORE} --seed -1", "seed must be from 0"),
        (f"{SCORE} --batch-size 100000", "larger than the training part"),
        (f"{BUILD} --seed -1", "seed must be from 0"),
        (f"{BUILD} --num-archs 0", "num_archs must be at least 1"),
        (f"{BUILD} --num-repeated 301", "no more repeats than architectures"),
        (f"compare {OWN} --budget 0", "budget must be at least 1"),
        (f"reproduce predictors {OWN} --seeds 1", "seeds must be at least 2"),
        (f"meta-train {OWN} --out o --seed -1", "seed must be from 0"),
        (f"meta-train {OWN} --out o --iterations 0", "iterations must be at least 1"),
        ("pretrain-scheduler --out o --seed -1", "seed must be from 0"),
        (f"predict '{ARCH}' --seed -1", "seed must be from 0"),
        # Resources.
        ("search --name x --cpus-per-trial nan", "cpus_per_trial must be"),
        ("search --name x --cpus-per-trial inf", "cpus_per_trial must be"),
        ("search --name x --cpus-per-trial 0", "cpus_per_trial must be"),
        ("search --name x --gpus-per-trial nan", "gpus_per_trial must be"),
        ("search --name x --gpus-per-trial 1.5", "whole number of GPUs"),
        ("search --name x --workers-per-trial 0", "workers_per_trial must be at least 1"),
        ("search --name x --resource slots=nan", "not slots=nan"),
        ("search --name x --resource slots=inf", "not slots=inf"),
        ("search --name x --resource slots=-1", "not slots=-1.0"),
        ("search --name x --resource slots=many", "NAME=AMOUNT"),
        ("search --name x --resource =1", "A resource has a name"),
        ("search --name x --resource slots=1 --resource slots=2", "names 'slots' twice"),
        ("search --name x --resource GPU=1", "not GPU: CPUs, GPUs"),
        ("search --name x --accelerator-type ''", "accelerator_type is a kind of GPU"),
        (f"{TRAIN} --cpus-per-trial nan", "cpus_per_trial must be"),
        (f"{TRAIN} --gpus-per-trial 1.5", "whole number of GPUs"),
        (f"{SCORE} --gpus 1.5", "whole number of GPUs"),
        (f"{BUILD} --gpus-per-training 1.5", "whole number of GPUs"),
        (f"reproduce table7 {OWN} --gpus-per-trial 1.5", "whole number of GPUs"),
        (f"meta-train {OWN} --out o --device gpu", "device 'gpu' cannot compute here"),
        # Folders, files and names of runs.
        ("search --name ''", "cannot be the name of a run"),
        ("search --name ' '", "cannot be the name of a run"),
        (f"{TRAIN} --name ''", "cannot be the name of a run"),
        ("search --name x --storage ''", "not an empty text"),
        ("search --name x --data-dir nowhere", "There is no folder"),
        (f"{TRAIN} --data-dir nowhere", "There is no folder"),
        (f"{SCORE} --data-dir nowhere", "There is no folder"),
        (f"{BUILD} --data-dir nowhere", "There is no folder"),
        (f"{SCORE} --out /dev/null/x", "Cannot write results"),
        (f"reproduce table7 {OWN} --data-dir nowhere", "There is no folder"),
        (f"compare {OWN} --task mixed/digits --searcher random --out /dev/null/x", "Cannot write results"),
        (f"meta-train {OWN} --out /dev/null/o", "Cannot write results"),
        ("pretrain-scheduler --out /dev/null/o", "Cannot write results"),
        ("pretrain-scheduler --out o --table nowhere", "There is no file nowhere"),
        ("tables build --out x.txt --task digits", ".parquet"),
        ("compare --tables nowhere", "nowhere is not there"),
        ("reproduce table2 --tables nowhere", "nowhere is not there"),
        ("reproduce table2 --out nowhere", "nowhere/table2.json (it is not there)"),
        ("reproduce table7 --task digits", "needs --tables"),
        ("reproduce predictors", "compute them: name the folder of NAS tables with --tables"),
        ("reproduce table7 --task digits --tables nowhere", "nowhere is not there"),
        ("meta-train --tables nowhere --out o", "nowhere is not there"),
        ("resume runs/x", "holds no run"),
        ("extend runs/x --num-samples 3", "holds no run"),
        ("export runs/x --format onnx", "not the folder of a complete run"),
        # Jobs of a cluster: what is known to be wrong is not sent.
        ("submit -- serch", "Did you mean 'search'?"),
        ("submit -- search --epoch 3", "--epochs"),
        ("submit -- search --epochs 0", "epochs must be at least 1"),
        ("submit -- search --searcher mpnsa", "Did you mean 'mpnas'?"),
        ("submit -- search --name ''", "cannot be the name of a run"),
        ("submit -- search --resource slots=nan", "not slots=nan"),
        ("submit -- tables biuld", "Did you mean 'build'?"),
        ("submit --working-dir nowhere -- tasks", "is no folder"),
        ("submit --submission-id '' -- tasks", "not an empty text"),
    ],
)
def test_a_wrong_command_costs_nothing(mpnas: MPNAS, tmp_path: Path, line: str, named: str) -> None:
    ended = mpnas(line)
    assert ended.status in (1, 2)
    assert named in ended.said
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_run_with_a_similar_name_is_suggested(mpnas: MPNAS, tmp_path: Path) -> None:
    RunFolder(str(tmp_path / "runs"), "digits").write("run.json", "{}")
    assert "Did you mean 'digits'?" in mpnas("resume runs/digit").said


def test_a_folder_that_was_there_stays(mpnas: MPNAS, tmp_path: Path) -> None:
    (tmp_path / "runs" / "x").mkdir(parents=True)
    assert mpnas("search --name x --task digits --max-params 1").status == 1
    assert (tmp_path / "runs" / "x").is_dir()
    assert mpnas("search --name y --task digits --max-params 1").status == 1
    assert not (tmp_path / "runs" / "y").exists()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"epochs": np.float64(3)}, "epochs must be a whole number"),
        ({"epochs": "3"}, "epochs must be a whole number"),
        ({"num_samples": True}, "num_samples must be a whole number"),
        ({"num_samples": np.bool_(True)}, "num_samples must be a whole number"),
        ({"num_samples": None}, "num_samples must be a whole number"),
        ({"num_samples": float("nan")}, "num_samples must be a whole number"),
        ({"max_concurrent": 2.5}, "max_concurrent must be a whole number"),
        ({"workers_per_trial": 1.0}, "workers_per_trial must be a whole number"),
        ({"max_params": 1e5}, "max_params must be a whole number"),
        ({"space": "mixed-macro", "widths": 8}, "widths is a list of whole numbers"),
        ({"space": "mixed-macro", "widths": "8"}, "widths is a list of whole numbers"),
        ({"space": "mixed-macro", "depths": (1.5,)}, "Each of depths must be a whole number"),
        ({"space": "mixed-macro", "depths": (2, 1, 2)}, "depths names 2 twice"),
        ({"seed": -1}, "seed must be from 0"),
        ({"seed": None}, "seed must be a whole number"),
        ({"seed": "0"}, "seed must be a whole number"),
        ({"time_budget_s": "60"}, "a finite number"),
        ({"time_budget_s": True}, "a finite number"),
        ({"cpus_per_trial": None}, "a finite number"),
        ({"cpus_per_trial": 1e-9}, "at least 0.0001"),
        ({"gpus_per_trial": -0.5}, "at least 0"),
        ({"resources_per_trial": {"slots": "1"}}, "not slots=1"),
        ({"resources_per_trial": {"": 1}}, "A resource has a name"),
        ({"resources_per_trial": {1: 1}}, "A resource has a name"),
        ({"task": 5}, "A task is a Task or its name, not 5"),
        ({"space": ["mixed"]}, "There is no search space"),
        ({"searcher": []}, "There is no searcher"),
        ({"preset": None}, "There is no preset None"),
        ({"scheduler": ["asha"]}, "There is no scheduler"),
        ({"predictor": None}, "predictor is a name or the path of a checkpoint, not None"),
        ({"proxy": 5}, "There is no proxy 5"),
        ({"name": 5}, "cannot be the name of a run"),
        ({"name": ""}, "cannot be the name of a run"),
        ({"data_dir": "/nowhere"}, "There is no folder /nowhere"),
    ],
)
def test_wrong_settings_from_python(tmp_path: Path, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(MPNASError, match=named):
        run_search(**{"task": "digits", "storage": tmp_path, "name": "x", **wrong})
    assert not list(tmp_path.iterdir())


def train(**fields: Any) -> TrainingReport:
    return train_network(TrainingConfig(task="digits", model="wrn-16-1", **fields))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda out: train(epochs=1.5, storage=out), "epochs must be a whole number"),
        (lambda out: train(batch_size=True, storage=out), "batch_size must be"),
        (lambda out: train(name="", storage=out), "cannot be the name of a run"),
        (lambda out: ScoringConfig(space="mixed", task="digits", proxies=("naswot",), num_archs=1.5), "num_archs must"),  # type: ignore[arg-type]
        (lambda out: TableConfig(out="x.parquet", tasks=("digits",), epochs=0), "epochs must be at least 1"),
        (
            lambda out: TableConfig(out="x.parquet", tasks=("digits",), num_archs=2.0),
            "num_archs must be a whole number",
        ),  # type: ignore[arg-type]
        (lambda out: TableConfig(out="x.parquet", tasks=("digits",), gpus_per_training=np.nan), "gpus_per_training"),
        (lambda out: extend_search(out / "x", 2.5), "num_samples must be a whole number"),
        (lambda out: ComparisonConfig(PRESETS["regret"], BUNDLED_TABLE, out, out, out, seeds=1.5), "seeds must be"),  # type: ignore[arg-type]
        (lambda out: config_of("boil", seed=1.5), "seed must be a whole number"),  # type: ignore[arg-type]
    ],
)
def test_wrong_numbers_from_python(tmp_path: Path, call: Callable[[Path], Any], named: str) -> None:
    with pytest.raises(MPNASError, match=named):
        call(tmp_path)
    assert not list(tmp_path.iterdir())


CONFIG = SearchConfig(task="digits", epochs=1, searcher="random")
RECORD = RunRecord(CONFIG, "digits")


def test_numbers_of_numpy_become_plain_ones() -> None:
    given = replace(
        CONFIG, num_samples=np.int64(3), epochs=np.array(2), seed=np.uint8(1), cpus_per_trial=np.float32(0.5),
        resources_per_trial={"slots": np.int32(2)},
    )  # fmt: skip
    assert [type(value) for value in (given.num_samples, given.epochs, given.seed, given.cpus_per_trial)] == [
        int,
        int,
        int,
        float,
    ]
    assert given.resources_per_trial == {"slots": 2.0}
    check_config(given)


def test_more_samples_under_the_same_name_point_to_extend(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "x")
    RECORD.write(folder)
    with pytest.raises(RunError, match=rf"num_samples 20: .* mpnas extend {folder} --num-samples 40$"):
        run_search(task="digits", num_samples=40, epochs=1, searcher="random", storage=tmp_path, name="x")
    with pytest.raises(RunError, match=r"use the same to continue it, or another --name\.$"):
        replace(RECORD, config=replace(CONFIG, num_samples=5)).check_same(RECORD, folder)


def test_a_driver_that_was_killed_before_it_began_does_not_spoil_the_name(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "x")
    folder.write(DRIVER_FILE, "{}")
    assert RunRecord.read(folder) is None
    folder.write("thesis.tex", "mine")
    with pytest.raises(RunError, match="something else"):
        RunRecord.read(folder)


def test_damaged_numbers_in_run_json_name_the_file(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "x")
    folder.write("run.json", RECORD.to_json().replace('"num_samples": 20', '"num_samples": "many"'))
    with pytest.raises(RunError, match=r"x/run\.json is damaged: config: num_samples is .many., not whole number"):
        RunRecord.read(folder)


def test_help_of_a_search_says_what_each_field_is() -> None:
    texts = field_texts(SearchConfig)
    assert texts.keys() == {field.name for field in fields(SearchConfig)}


def test_a_run_of_version_0_1_is_one_clear_line(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "x")
    folder.write(
        "run.json", '{"task": "digits", "space": "mixed", "num_samples": 4, "epochs": 1, "searcher": "random"}'
    )
    with pytest.raises(RunError, match=r"x was started with mpnas-ray 0\.1, whose runs this version does not continue"):
        RunRecord.read(folder)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "x")
    record = replace(RECORD, config=replace(CONFIG, resources_per_trial={"slots": 2.0}, max_params=10), extends="y")
    record.write(folder)
    again = RunRecord.read(folder)
    assert again == replace(record, config=replace(record.config, storage=str(tmp_path), name="x"))


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        ({"CPU": 1.0, "GPU": 8.0}, "1 CPU, 8 GPU"),
        ({"GPU": 0.25, "memory": 7.19686e8}, "0.25 GPU, 0.72 GB of memory"),
        ({"memory": 64e9, "object_store_memory": 2e9}, "64.00 GB of memory, 2.00 GB of memory for objects"),
        ({"memory": 2_500_000.0}, "2.5 MB of memory"),
        ({"accelerator_type:A100": 0.001, "slots": 2.0}, "a GPU of the kind A100, 2 slots"),
        ({"accelerator_type:A100": 0.0, "slots": 0.0}, "no GPU of the kind A100, 0 slots"),
    ],
)
def test_resources_in_words(amounts: dict[str, float], words: str) -> None:
    assert in_words(amounts) == words


def test_what_fits_on_no_node_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [{"CPU": 4.0, "memory": 5e8, "accelerator_type:A10G": 1.0, "slots": 1.0}]
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": node} for node in nodes])
    with pytest.raises(RunError, match=r"needs 1 CPU, 0\.72 GB of memory on one node; .* 4 CPU, 0 GPU, 0\.50 GB"):
        most_concurrent({"CPU": 1.0, "GPU": 0.0, "memory": 7.19686e8})
    with pytest.raises(RunError, match=r"a GPU of the kind A10 .* no GPU of the kind A10\. Did you mean 'A10G'\?"):
        most_concurrent({"CPU": 1.0, "accelerator_type:A10": 0.001})
    with pytest.raises(RunError, match=r"0 slot\. Did you mean 'slots'\?"):
        most_concurrent({"CPU": 1.0, "slot": 1.0})
