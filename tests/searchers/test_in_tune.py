"""The searchers inside real Tune experiments, with a trainable that knows nothing of ours but ``config["arch"]``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from numpy.typing import ArrayLike
from ray import tune
from ray.tune.schedulers import TrialScheduler

from mpnas_ray.predictors import GCNPredictor, Predictor
from mpnas_ray.spaces import Architecture, get_space
from searchers import ArchitectureSearcher, MPNASSearch
from searchers.candidates import Candidates
from searchers.ranking import Ranker, Ranking, RankingRequest
from searchers.refitting import Refitting

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def quality(arch: str) -> float:
    return arch.count("conv_3x3") - 0.5 * arch.count("none")


class Trainable(tune.Trainable):
    def setup(self, config: dict[str, Any]) -> None:
        self.arch, self.pause = config["arch"], config["pause"]

    def step(self) -> dict[str, Any]:
        time.sleep(self.pause)
        if self.arch.count("skip") >= 4:
            raise RuntimeError("injected")
        value = float("nan") if self.arch.count("avg") >= 4 else quality(self.arch) - 1 / self.iteration_number
        return {"score": value, "done": self.iteration_number >= 9}

    @property
    def iteration_number(self) -> int:
        return int(self.training_iteration) + 1

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "arch").write_text(self.arch)

    def load_checkpoint(self, checkpoint: Any) -> None:
        self.arch = Path(checkpoint, "arch").read_text()


def tuner(
    searcher: ArchitectureSearcher,
    folder: Path,
    num_samples: int,
    scheduler: TrialScheduler | None = None,
    pause: float = 0.0,
    callbacks: Sequence[tune.Callback] = (),
) -> tune.Tuner:
    return tune.Tuner(
        Trainable,
        param_space={"constant": 3, "pause": pause},
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            metric="score",
            mode="max",
            num_samples=num_samples,
            max_concurrent_trials=2,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(name="run", storage_path=str(folder), callbacks=[*callbacks], verbose=0),
    )


def test_a_killed_experiment_is_restored_without_its_unfinished_trials(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from test_in_tune import tuner
from searchers import MPNASSearch
tuner(MPNASSearch("nasbench201", seed=0), Path({str(tmp_path)!r}), 8, pause=0.3).fit()
"""
    environment = {**os.environ, "TUNE_GLOBAL_CHECKPOINT_S": "0.5", "PYTHONPATH": str(Path(__file__).parent)}
    first = subprocess.Popen([sys.executable, "-c", script], env=environment)
    deadline = time.monotonic() + 90
    while not any('"done": true' in path.read_text() for path in tmp_path.glob("run/*/result.json")):
        assert first.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1.5)  # the next two trials are under way, and in a snapshot
    first.kill()
    first.wait()
    restored = tune.Tuner.restore(str(tmp_path / "run"), Trainable, resume_unfinished=False)
    results = restored.fit()  # with Tune's own concurrency limit this would wait for ever
    assert len(results) == 8
    iterations = [(results[number].metrics or {}).get("training_iteration", 0) for number in range(8)]
    assert min(iterations) < 9, "what was under way is given up"
    assert max(iterations) == 9, "the rest is run"


class KillRefits(tune.Callback):
    """Kills the process of the refits each time a trial ends."""

    def __init__(self, searcher: MPNASSearch) -> None:
        self.searcher, self.killed = searcher, 0

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        refitting = self.searcher._refitting
        if refitting is not None and refitting._actor is not None:
            ray.kill(refitting._actor)
            self.killed += 1


def test_killed_refits_cost_no_trial_and_their_actor_ends_with_the_experiment(tmp_path: Path) -> None:
    searcher = MPNASSearch("nasbench201", seed=0, refit_every=2)
    callback = KillRefits(searcher)
    results = tuner(searcher, tmp_path, 10, pause=0.1, callbacks=[callback]).fit()
    assert len({results[number].config["arch"] for number in range(10)}) == 10
    assert callback.killed >= 2
    assert searcher._refitting is not None
    assert searcher._refitting._actor is None


ARCHS = [str(arch) for arch in get_space("nasbench201").sample_many(6, np.random.default_rng(0))]
LABELS = np.array([quality(arch) for arch in ARCHS])
NOTHING_SEEN = np.empty(0, dtype=np.uint64)


def refitting(space: str = "nasbench201", predictor: Predictor | None = None) -> Refitting:
    return Refitting(Ranker(Candidates(space), predictor, "mean", num_candidates=100))


def wait(at_work: Refitting) -> Ranking:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        started = time.monotonic()
        ranking = at_work.poll()
        assert time.monotonic() - started < 0.5, "polling waits for nothing"
        if ranking is not None:
            return ranking
        time.sleep(0.05)
    raise AssertionError("the ranking never came")


def test_a_refit_runs_beside_trials_that_hold_every_cpu() -> None:
    @ray.remote(num_cpus=2)
    class Hog:
        def ready(self) -> bool:
            return True

    hog = Hog.remote()
    assert ray.get(hog.ready.remote())
    at_work = refitting()
    assert at_work.start(RankingRequest(ARCHS, LABELS, NOTHING_SEEN, seed=1)) is None, "beside Tune's control loop"
    ranking = wait(at_work)
    assert at_work.under_way is None
    assert len(ranking) == len(get_space("nasbench201").distinct())
    assert (np.diff(ranking.predicted) <= 0).all()
    ray.kill(hog)


MIXED = [str(arch) for arch in get_space("mixed").sample_many(5, np.random.default_rng(0))]


def test_one_actor_makes_one_ranking_after_the_other_and_samples_large_spaces_afresh() -> None:
    at_work = refitting("mixed")
    rankings, processes = [], set()
    for seed in (1, 2):
        at_work.start(RankingRequest(MIXED, np.arange(5.0), NOTHING_SEEN, seed))
        processes.add(at_work._actor)
        rankings.append(wait(at_work))
    assert len(processes) == 1
    first, second = rankings
    assert 50 < len(first) <= 100
    assert len(np.unique(first.keys)) == len(first)
    assert len(np.intersect1d(first.keys, second.keys)) < len(first) / 2


class Fragile(GCNPredictor):
    """Kills its process once, or fails."""

    def __init__(self, marker: str) -> None:
        super().__init__()
        self.marker = marker

    def fit(self, archs: Sequence[Architecture], scores: ArrayLike) -> None:
        if not self.marker:
            raise RuntimeError("injected")
        if not Path(self.marker).exists():
            Path(self.marker).touch()
            os._exit(1)
        super().fit(archs, scores)


def test_an_actor_that_dies_is_started_again(tmp_path: Path) -> None:
    at_work = refitting(predictor=Fragile(str(tmp_path / "died")))
    at_work.start(RankingRequest(ARCHS, LABELS, NOTHING_SEEN, seed=1))
    assert len(wait(at_work))
    assert (tmp_path / "died").exists()


def test_a_failing_refit_raises_where_it_is_polled_and_the_next_one_works() -> None:
    at_work = refitting(predictor=Fragile(""))
    at_work.start(RankingRequest(ARCHS, LABELS, NOTHING_SEEN, seed=1))
    with pytest.raises(RuntimeError, match="injected"):
        wait(at_work)
    assert at_work.under_way is None
