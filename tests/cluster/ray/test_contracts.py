"""Contracts with Ray: the behaviour beyond its documented interface that mpnas-ray relies on.

Each test is a contract: its name and docstring say which behaviour of Ray is needed, and by which module. If one fails
after an update of Ray, that module is where to look; until then `mpnas_ray.ray_versions.TESTED_RAY` keeps that Ray out.
The contracts hold without a running Ray, so that they are checked within seconds for any version.
"""

from __future__ import annotations

import ast
import inspect
import json
import logging
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from pyarrow.fs import LocalFileSystem
from ray import cloudpickle, tune
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.experiment import Trial

from cluster.ray import addresses, connection, snapshot_files
from cluster.ray.memory_deaths import memory_deaths_survived
from mpnas_ray import ray_versions
from mpnas_ray.errors import MPNASError, UntestedRayError
from mpnas_ray.ray_versions import TESTED_RAY, check_ray_version, relying_on_ray
from searchers.core.tune_run import show_in_table
from trainables.tune import trial_storage

ROOT = Path(__file__).parents[3]

REACH_INTO_RAY = {
    "cluster/ray/addresses.py",
    "cluster/ray/jobs.py",
    "cluster/ray/memory_deaths.py",
    "cluster/ray/snapshot_files.py",
    "benchmarks/ray_inside.py",
}
"""The files outside of tests that may import from Ray's inside; trial_storage.py and tune_run.py import nothing."""


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.long
def test_few_modules_import_rays_inside() -> None:
    inside = re.compile(r"ray(\.\w+)*\.(_\w+|execution|serialization)(\.|$)|ray\.dashboard\.")
    for folder in ("mpnas_ray", "searchers", "trainables", "cluster", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            reaching = {module for module in imports_of(path) if inside.match(module)}
            assert not reaching or name in REACH_INTO_RAY, f"{name} imports {reaching}"


# Versions


def test_pyproject_asks_for_the_tested_versions() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r'"ray\[[^]]*\]([^"]*)"', project) == [TESTED_RAY, TESTED_RAY]
    check_ray_version()


@pytest.mark.parametrize("version", ["2.56.1", "2.61.0", "3.0.0.dev0"])
def test_a_run_on_another_ray_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(ray_versions, "version", lambda name: version)
    with pytest.raises(UntestedRayError) as caught, connection.connected():
        pass
    assert not ray.is_initialized()
    assert f"Ray {version} is installed" in str(caught.value)
    assert TESTED_RAY in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_ray_lacks_is_an_error_that_names_the_tested_versions() -> None:
    for reach in (
        lambda: import_module("ray._private.gone"),
        lambda: tune.gone,  # type: ignore[attr-defined]
        lambda: addresses.services.canonicalize_bootstrap_address(gone=1),
    ):
        with pytest.raises(MPNASError, match=re.escape(TESTED_RAY)), relying_on_ray():
            reach()


# cluster/ray/addresses.py


def test_ray_finds_the_address_of_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """`services` turns what the user wrote into host:port, or None where a Ray is to be started."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert addresses.services.canonicalize_bootstrap_address("local") is None
    assert addresses.services.canonicalize_bootstrap_address("192.0.2.1:6379") == "192.0.2.1:6379"
    monkeypatch.setattr(addresses.services, "find_gcs_addresses", lambda: frozenset())
    with pytest.raises(ConnectionError, match="Could not find any running Ray instance"):
        addresses.services.canonicalize_bootstrap_address_or_die("auto")


def test_a_channel_takes_options_of_grpc() -> None:
    """`init_grpc_channel` adds Ray's TLS and token to a channel of gRPC."""
    channel = addresses.init_grpc_channel("127.0.0.1:9", [("grpc.enable_http_proxy", 0)])
    assert callable(channel.unary_unary)
    channel.close()


def test_the_methods_that_are_called_are_rays() -> None:
    """Servers know the two methods by which a Ray is told from another server."""
    from ray.core.generated import gcs_service_pb2, ray_client_pb2

    gcs = gcs_service_pb2.DESCRIPTOR.services_by_name["NodeInfoGcsService"]
    client = ray_client_pb2.DESCRIPTOR.services_by_name["RayletDriver"]
    for service, method in ((gcs, addresses._GCS), (client, addresses._CLIENT_SERVER)):
        assert method in {f"/{service.full_name}/{name}" for name in service.methods_by_name}


def test_rays_job_client_prefers_its_variables_to_the_address_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """So `named_by_address_alone` takes them away; a URL is given back as it is."""
    for name in addresses._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert addresses.get_address_for_submission_client("http://given:1") == "http://given:1"
    for name in addresses._VARIABLES:
        monkeypatch.setenv(name, "http://variable:1")
        assert addresses.get_address_for_submission_client("http://given:1") == "http://variable:1"
        with addresses.named_by_address_alone():
            assert addresses.get_address_for_submission_client("http://given:1") == "http://given:1"
        monkeypatch.delenv(name)


# cluster/ray/connection.py, jobs.py


def test_the_variable_with_a_jobs_runtime_environment() -> None:
    from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR

    assert connection._JOB_CONFIG == RAY_JOB_CONFIG_JSON_ENV_VAR


def test_a_worker_that_names_its_ray_is_not_left_to_guess_among_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray Train's placement group cleaner asks the address of `get_actor`, which without the variable is a guess."""
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.setenv(name, "so that it is unset in the end")
        monkeypatch.delenv(name)
    monkeypatch.setattr(addresses.services, "find_gcs_addresses", lambda: {"192.0.2.1:1", "192.0.2.1:2"})
    with pytest.raises(ConnectionError, match="multiple active Ray instances"):
        addresses.get_address_for_submission_client(None)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="http://192.0.2.1:2"))
    connection._name_ray()
    assert addresses.get_address_for_submission_client(None) == "http://192.0.2.1:2"


def test_a_cluster_without_an_agent_yet_says_so() -> None:
    """`submit_job` tries again while a new cluster's dashboard answers with these words."""
    from ray.dashboard.modules.job import job_head

    assert "No available agent" in inspect.getsource(job_head)


def test_the_loggers_of_the_job_client_are_named_after_its_modules() -> None:
    """`mpnas submit` silences them by name."""
    from cluster.commands import submit

    for name in submit._LOGS:
        import_module(f"ray.{name}")
        assert f"ray.{name}" in logging.Logger.manager.loggerDict


# cluster/ray/memory_deaths.py


def test_tunes_manager_of_actors_knows_no_death_by_memory() -> None:
    """It raises for an `OutOfMemoryError`, and handles a `RayActorError`; if it does both, memory_deaths.py can go."""
    seen: list[BaseException] = []
    actor = SimpleNamespace(actor_id=1, _on_error=None)
    task: Any = SimpleNamespace(_tracked_actor=actor, _on_error=lambda actor, error: seen.append(error))
    manager: Any = SimpleNamespace(_failed_actor_ids=set(), _cleanup_actor=lambda tracked_actor: None)
    from ray.air.execution._internal import RayActorManager

    with pytest.raises(RuntimeError):
        RayActorManager._actor_task_failed(manager, task, OutOfMemoryError("full"))
    with memory_deaths_survived():
        RayActorManager._actor_task_failed(manager, task, OutOfMemoryError("full"))
    assert [type(error) for error in seen] == [RayActorError]
    with pytest.raises(RuntimeError):
        RayActorManager._actor_task_failed(manager, task, OutOfMemoryError("full"))


# cluster/ray/snapshot_files.py, cluster/storage/trial_files.py


def storage_context(tmp_path: Path) -> Any:
    from ray.train._internal.storage import StorageContext

    return StorageContext(str(tmp_path), "one", trial_dir_name="trial")


def test_the_names_of_a_snapshots_files() -> None:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.search import Searcher
    from ray.tune.search.search_generator import SearchGenerator

    written = (TuneController.CKPT_FILE_TMPL, SearchGenerator.CKPT_FILE_TMPL, Searcher.CKPT_FILE_TMPL)
    assert tuple(template.format("now") for template in written) == tuple(map("now".join, snapshot_files._FILES))


def test_the_state_of_a_trial_in_a_snapshot(tmp_path: Path) -> None:
    """Two texts of JSON: id, config and status in the first, the last result in the second; Tune reads both again."""
    trial = Trial("none", stub=True, config={"arch": "a"}, storage=storage_context(tmp_path))
    trial.placement_group_factory = tune.PlacementGroupFactory([{"CPU": 1}])
    trial.run_metadata.last_result = {"epoch": 3}
    texts = trial.get_json_state()
    state, progress = map(json.loads, texts)
    assert (state["trial_id"], state["config"], state["status"]) == (trial.trial_id, {"arch": "a"}, "PENDING")
    assert progress["last_result"] == {"epoch": 3}
    again = Trial.from_json_state(texts[0], stub=True)
    again.restore_run_metadata(texts[1])
    assert (again.trial_id, again.last_result["epoch"]) == (trial.trial_id, 3)
    assert again.storage.trial_fs_path == f"{tmp_path}/one/trial"


def test_the_record_of_the_trials_that_were_created(tmp_path: Path) -> None:
    """`SearchGenerator` pickles its number of trials, whether it is finished, and the experiment with its storage."""
    from ray.tune.experiment import Experiment
    from ray.tune.search.search_generator import SearchGenerator

    from searchers import RandomSearch

    generator = SearchGenerator(RandomSearch("nasbench201", "score", "max", seed=0))
    generator.add_configurations(Experiment("one", run=tune.Trainable, storage_path=str(tmp_path), num_samples=2))
    state = generator.get_state()
    assert state["counter"] == 0
    assert state["finished"] is False
    generator.save_to_dir(str(tmp_path), "now")
    (file,) = tmp_path.glob("search_gen_state-*.json")
    count = cloudpickle.loads(file.read_bytes())
    assert {"counter", "finished", "experiment"} <= count.keys()
    for storage in snapshot_files._storages(count):
        assert storage.storage_fs_path == str(tmp_path)
        assert storage.experiment_dir_name.startswith("one")


def test_a_storage_context_can_be_moved(tmp_path: Path) -> None:
    """The paths of a context follow from the three attributes that `write_count` sets."""
    context = storage_context(tmp_path)
    context.storage_filesystem, context.storage_fs_path, context.experiment_dir_name = LocalFileSystem(), "/x", "two"
    assert (context.experiment_fs_path, context.trial_fs_path) == ("/x/two", "/x/two/trial")


def test_the_files_of_a_trial() -> None:
    """test_trial_files.py checks Tune's line for a failure."""
    from ray.train._internal.storage import StorageContext
    from ray.tune.result import EXPR_ERROR_FILE, EXPR_PARAM_FILE, EXPR_RESULT_FILE

    from cluster.storage import trial_files

    names = (trial_files._RESULTS, trial_files._CONFIG, trial_files._ERROR)
    assert names == (EXPR_RESULT_FILE, EXPR_PARAM_FILE, EXPR_ERROR_FILE)
    assert StorageContext._make_checkpoint_dir_name(3) == f"{trial_files._CHECKPOINT}000003"


# trainables/tune/trial_storage.py


def test_tune_gives_a_trainable_its_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage is the attribute ``_storage``, set in the constructor."""
    monkeypatch.setattr(tune.Trainable, "_setup_logdir", lambda self: None)  # asks Ray for its folder
    trainable = tune.Trainable({}, storage=storage_context(tmp_path))
    storage = trial_storage.storage_of(trainable)
    assert storage is not None
    trial_storage.write_into_trial(storage, "note", b"x")
    assert (tmp_path / "one" / "trial" / "note").read_bytes() == b"x"
    assert trial_storage.train_into(storage) == {
        "name": "trial",
        "storage_path": f"{tmp_path}/one",
        "storage_filesystem": storage.storage_filesystem,
    }


def test_tune_numbers_checkpoints_after_the_last(tmp_path: Path) -> None:
    """The next checkpoint's folder follows from ``current_checkpoint_index``."""
    storage = storage_context(tmp_path)
    trial_storage.number_checkpoints_after(storage, f"{tmp_path}/one/trial/checkpoint_000004")
    storage._update_checkpoint_index({})
    assert storage.checkpoint_dir_name == "checkpoint_000005"


def test_tune_restores_a_training_result(tmp_path: Path) -> None:
    """Tune hands the metrics of a checkpoint to `Trainable.restore`; `save` gives one back."""
    from ray.train._internal.session import _TrainingResult

    result = _TrainingResult(tune.Checkpoint.from_directory(tmp_path), {"epoch": 4})
    assert trial_storage.remembered_epoch(result) == 4
    # Where an actor was made of it in this process, Ray has added an argument of its own.
    for method, named in ((tune.Trainable.save, "checkpoint_dir"), (tune.Trainable.restore, "checkpoint_path")):
        assert [name for name in inspect.signature(method).parameters if not name.startswith("_")] == ["self", named]


# searchers/core/tune_run.py, hyperparameters


def test_tune_asks_a_searcher_from_within_a_function_named_run() -> None:
    """`ray.tune.tune.run` has metric, mode and num_samples among its arguments (test_in_tune.py runs it)."""
    from ray.tune.tune import run

    assert (run.__name__, run.__globals__["__name__"]) == ("run", "ray.tune.tune")
    assert {"metric", "mode", "num_samples"} <= {*inspect.signature(run).parameters}


def test_the_table_of_trials_has_the_columns_of_its_reporter(tmp_path: Path) -> None:
    """The reporter of Tune's output is one of the ``callbacks`` of `run`, and holds the names of columns in a list."""
    from ray.air._internal.usage import AirEntrypoint
    from ray.tune.experimental.output import AirVerbosity, _detect_reporter
    from ray.tune.tune import run

    assert "callbacks" in run.__code__.co_varnames
    space = {"lr": tune.uniform(0, 1)}
    reporter: Any = _detect_reporter(AirVerbosity.DEFAULT, 1, AirEntrypoint.TUNER, config=space)
    module: dict[str, Any] = {"__name__": "ray.tune.tune", "show_in_table": show_in_table}
    exec("def run(callbacks): [show_in_table('arch') for _ in range(2)]", module)
    module["run"]([None, reporter])
    config = {"arch": "nasbench201:|nor_conv_3x3~0|", "lr": 0.5}
    trial = Trial("none", stub=True, config=config, storage=storage_context(tmp_path))
    table = reporter._get_heartbeat([trial])[1]
    assert table.header[2:4] == ["arch", "lr"]
    assert table.data[0].trial_infos[0][2:4] == ["...:|nor_conv_3x3~0|", 0.5]


def test_the_samplers_of_domains() -> None:
    """Hyperparameters are drawn by the kind of a domain's sampler and its step."""
    from ray.tune.search.sample import LogUniform, Normal, Quantized, Uniform

    quantized = tune.quniform(0, 1, 0.25).get_sampler()
    assert isinstance(quantized, Quantized)
    assert (type(quantized.sampler).__name__, quantized.q) == ("_Uniform", 0.25)
    assert isinstance(quantized.sampler, Uniform)
    assert isinstance(tune.loguniform(1, 2).get_sampler(), LogUniform)
    normal = tune.randn(1.0, 2.0).get_sampler()
    assert isinstance(normal, Normal)
    assert (normal.mean, normal.sd) == (1.0, 2.0)
