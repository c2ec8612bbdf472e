"""Tests that a searcher behaves as Ray Tune needs it to, to be inherited for searchers of ours and of yours.

    class TestMySearch(SearcherConformance):
        @pytest.fixture
        def make_searcher(self):
            return lambda **arguments: MySearch("nasbench201", **arguments)

The searcher is called as Tune's controller calls it, in one process and without Ray; experiments in real Tune, with
schedulers, are in `SearcherInTuneConformance`, which starts no Ray of its own. What is asked for is what Ray 2.60 does
to a searcher, and what Ray's own searcher tests assert: an exception in ``suggest`` or ``on_trial_result`` ends the
experiment, trials may end without a result, twice, or under unknown ids, a state is restored into a bare instance, and
a searcher may be pickled at any moment.

Needs pytest.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import pickle
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from ray import tune
from ray.tune.schedulers import ASHAScheduler, HyperBandScheduler, TrialScheduler
from ray.tune.search import ConcurrencyLimiter, Repeater, Searcher

__all__ = ["MakeSearcher", "SearcherConformance", "SearcherInTuneConformance", "ask", "run_trials"]

MakeSearcher = Callable[..., Searcher]
"""Makes a searcher from keyword arguments: ``metric``, ``mode``, ``seed``, ``points_to_evaluate``,
``evaluated_rewards``."""

METRIC = "score"
_PATIENCE_S = 300.0
_PAUSE_S = 0.01


def ask(searcher: Searcher, trial_id: str) -> dict[str, Any]:
    """Ask for a proposal, again and again for five minutes while the searcher says "later"."""
    end = time.monotonic() + _PATIENCE_S
    while (config := _suggest(searcher, trial_id)) is None:
        assert time.monotonic() < end, f"suggest gave None for {_PATIENCE_S:.0f} seconds"
        time.sleep(_PAUSE_S)  # a searcher may compute in a thread or process of its own
    return config


def _suggest(searcher: Searcher, trial_id: str) -> dict[str, Any] | None:
    config: Any = searcher.suggest(trial_id)
    assert config is None or isinstance(config, dict), f"a proposal is a dict, None or FINISHED, not {config!r}"
    return config


def run_trials(
    searcher: Searcher, trial_ids: Sequence[str], score: Callable[[dict[str, Any]], float]
) -> list[dict[str, Any]]:
    """Run one trial after another, each with one result, and return the proposals."""
    configs = []
    for trial_id in trial_ids:
        config = ask(searcher, trial_id)
        configs.append(config)
        result = {METRIC: score(config), "training_iteration": 1, "config": config}
        searcher.on_trial_result(trial_id, result)
        searcher.on_trial_complete(trial_id, result={**result, "done": True})
    return configs


def _ids(first: int, last: int) -> list[str]:
    return [f"trial-{number}" for number in range(first, last)]


def _fresh_processes() -> multiprocessing.context.BaseContext:
    """Return a context whose processes are copies of one that has imported this module and torch alone."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torch"])
    return context


def _proposals(pickled: bytes) -> list[str]:
    """Return the first nine proposals of a pickled searcher, which is told what a pickled function says of each."""
    searcher, score = pickle.loads(pickled)
    return [config["arch"] for config in run_trials(searcher, _ids(0, 9), lambda config: score(None, config))]


class _Subject:
    """Holds the searcher that is tested.

    Override `key` if equal architectures may have different texts, and `score` for another quality to search for.
    """

    @pytest.fixture
    def make_searcher(self) -> MakeSearcher:
        """Return what makes the searcher; to be overridden."""
        raise NotImplementedError("Give a fixture make_searcher.")

    def key(self, config: dict[str, Any]) -> Hashable:
        """Return a key that is equal for proposals that must not come twice."""
        key: Hashable = config["arch"]
        return key

    def score(self, config: dict[str, Any]) -> float:
        """Return the score of a trial: any number that differs between most configs."""
        return float(sum(map(ord, config["arch"])) % 97)

    def new(self, make: MakeSearcher, **arguments: Any) -> Searcher:
        """Make a searcher that maximises."""
        return make(**{"metric": METRIC, "mode": "max", "seed": 3, **arguments})


class SearcherConformance(_Subject):
    """Tests of a searcher that proposes architectures, called as Tune calls it; see the module."""

    # Proposals.

    def test_proposals_are_plain_values_and_never_repeated(self, make_searcher: MakeSearcher) -> None:
        """Forty trials under way at once."""
        searcher = self.new(make_searcher)
        configs = [ask(searcher, trial_id) for trial_id in _ids(0, 40)]
        assert all(type(value) in (str, int, float, bool) for config in configs for value in config.values())
        assert len({self.key(config) for config in configs}) == 40

    def test_the_same_seed_proposes_the_same(self, make_searcher: MakeSearcher) -> None:
        """Run one trial after another."""
        first, again = (run_trials(self.new(make_searcher), _ids(0, 9), self.score) for _ in range(2))
        assert first == again

    def test_it_proposes_the_same_in_a_fresh_process(self, make_searcher: MakeSearcher) -> None:
        """Nothing depends on hash seeds or on what was imported before."""
        searcher = self.new(make_searcher)
        pickled = cloudpickle.dumps((searcher, type(self).score))
        with ProcessPoolExecutor(1, _fresh_processes()) as fresh:
            proposed = fresh.submit(_proposals, pickled).result()
        assert proposed == [config["arch"] for config in run_trials(searcher, _ids(0, 9), self.score)]

    def test_points_to_evaluate_come_first_and_evaluated_ones_never(self, make_searcher: MakeSearcher) -> None:
        """Points as Tune's users write them: configs."""
        points = run_trials(self.new(make_searcher, seed=9), _ids(0, 3), self.score)
        searcher = self.new(make_searcher, points_to_evaluate=points, evaluated_rewards=[0.9])
        assert [self.key(ask(searcher, trial_id)) for trial_id in "ab"] == [self.key(point) for point in points[1:]]
        rest = {self.key(config) for config in run_trials(searcher, _ids(0, 20), self.score)}
        assert not rest & {self.key(point) for point in points}

    def test_points_measured_elsewhere_are_not_proposed(self, make_searcher: MakeSearcher) -> None:
        """``add_evaluated_point`` and ``add_evaluated_trials``' way of calling it."""
        known = run_trials(self.new(make_searcher), _ids(0, 4), self.score)
        searcher = self.new(make_searcher)
        for number, config in enumerate(known):
            searcher.add_evaluated_point(config, float(number), error=number == 3, intermediate_values=None)
        later = run_trials(searcher, _ids(0, 12), self.score)
        assert not {self.key(config) for config in later} & {self.key(config) for config in known}

    # Calls that a searcher must bear.

    def test_metric_and_mode_come_from_either_side(self, make_searcher: MakeSearcher) -> None:
        """A searcher that has neither raises an error that names what is missing."""
        searcher = make_searcher(seed=1)
        with pytest.raises(RuntimeError, match="metric"):
            searcher.suggest("a")
        constants = {"lr": 0.1, "nested": {"epochs": 3}}
        assert searcher.set_search_properties(METRIC, "max", constants, num_samples=3)
        assert constants == {"lr": 0.1, "nested": {"epochs": 3}}, "constants reach the trials by themselves"
        assert ask(searcher, "a")
        assert (searcher.metric, searcher.mode) == (METRIC, "max")
        with pytest.raises(ValueError, match="mode"):
            make_searcher(metric=METRIC, mode="maximum")

    @pytest.mark.parametrize("domain", [tune.grid_search([1, 2]), tune.sample_from(lambda _: 1)])
    def test_domains_that_nobody_would_resolve_are_refused_by_name(
        self, make_searcher: MakeSearcher, domain: Any
    ) -> None:
        """Trials would receive them as they are."""
        with pytest.raises(Exception, match="optimizer/lr"):
            make_searcher().set_search_properties(METRIC, "max", {"optimizer": {"lr": domain}, "task": "digits"})

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "broken"])
    def test_values_that_are_not_numbers_do_no_harm(self, make_searcher: MakeSearcher, value: Any) -> None:
        """The trial counts as failed: it is not proposed again, and later ones are."""
        searcher = self.new(make_searcher)
        bad = ask(searcher, "bad")
        searcher.on_trial_result("bad", {METRIC: value, "training_iteration": 1})
        searcher.on_trial_complete("bad", result={METRIC: value, "training_iteration": 1})
        later = run_trials(searcher, _ids(0, 10), self.score)
        assert self.key(bad) not in {self.key(config) for config in later}

    def test_strange_calls_do_not_raise(self, make_searcher: MakeSearcher) -> None:
        """Unknown ids, no result, no metric in it, completions twice, an error after the end."""
        searcher = self.new(make_searcher)
        result = {METRIC: 1.0, "training_iteration": 1}
        searcher.on_trial_result("unknown", result)
        searcher.on_trial_complete("unknown", result=result)
        searcher.on_trial_complete("unknown", error=True)
        for trial_id in "abcd":
            ask(searcher, trial_id)
        searcher.on_trial_result("a", {"other": 1.0, "training_iteration": 1})
        searcher.on_trial_complete("a", result=None)
        searcher.on_trial_complete("a", result=result)
        searcher.on_trial_result("b", result)
        searcher.on_trial_complete("b", result=None)
        searcher.on_trial_complete("c", result=result)
        searcher.on_trial_complete("c", error=True)
        searcher.on_trial_complete("d", error=True)
        searcher.on_trial_complete("d", error=True)
        assert len(run_trials(searcher, _ids(0, 10), self.score)) == 10

    def test_every_trial_failing_does_not_end_it(self, make_searcher: MakeSearcher) -> None:
        """The searcher goes on proposing when it has nothing to learn from."""
        searcher = self.new(make_searcher)
        keys = set()
        for trial_id in _ids(0, 30):
            keys.add(self.key(ask(searcher, trial_id)))
            searcher.on_trial_complete(trial_id, error=True)
        assert len(keys) == 30

    def test_under_a_concurrency_limiter(self, make_searcher: MakeSearcher) -> None:
        """Tune's own limiter, around the searcher."""
        limited = ConcurrencyLimiter(self.new(make_searcher), max_concurrent=2)
        ask(limited, "a")
        ask(limited, "b")
        assert limited.suggest("c") is None
        limited.on_trial_complete("a", result={METRIC: 1.0, "training_iteration": 1})
        assert ask(limited, "c")
        assert limited.suggest("d") is None

    def test_under_a_repeater(self, make_searcher: MakeSearcher) -> None:
        """Each proposal is evaluated three times, and the searcher told the mean."""
        repeated = Repeater(self.new(make_searcher), repeat=3)
        keys = []
        for number in range(9):
            trial_id = f"trial-{number}"
            config = {k: v for k, v in ask(repeated, trial_id).items() if k == "arch"}
            keys.append(self.key(config))
            repeated.on_trial_complete(trial_id, result={METRIC: float(number), "training_iteration": 1})
        assert [keys[i] == keys[i - 1] for i in range(1, 9)] == [True, True, False, True, True, False, True, True]

    # Saved state.

    @pytest.mark.parametrize("way", ["save", "save_to_dir"])
    def test_five_trials_restore_five_more_are_ten(self, make_searcher: MakeSearcher, tmp_path: Path, way: str) -> None:
        """Restored into a bare instance, it goes on as if nothing had happened."""
        whole = run_trials(self.new(make_searcher), _ids(0, 10), self.score)
        first, bare = self.new(make_searcher), make_searcher()
        begun = run_trials(first, _ids(0, 5), self.score)
        if way == "save":
            first.save(str(tmp_path / "state"))
            bare.restore(str(tmp_path / "state"))
        else:
            first.save_to_dir(str(tmp_path), "session")
            bare.restore_from_dir(str(tmp_path))
        assert begun + run_trials(bare, _ids(5, 10), self.score) == whole

    def test_pending_trials_survive_a_restore(self, make_searcher: MakeSearcher, tmp_path: Path) -> None:
        """Pending trials are not proposed again, and their results are taken."""
        searcher = self.new(make_searcher)
        done = run_trials(searcher, _ids(0, 3), self.score)
        pending = ask(searcher, "pending")
        searcher.save(str(tmp_path / "state"))
        restored = make_searcher()
        restored.restore(str(tmp_path / "state"))
        later = run_trials(restored, _ids(3, 15), self.score)
        assert not {self.key(config) for config in later} & {self.key(config) for config in [*done, pending]}
        restored.on_trial_result("pending", {METRIC: 1.0, "training_iteration": 1})
        restored.on_trial_complete("pending", result={METRIC: 1.0, "training_iteration": 1})
        ask(restored, "one more")

    def test_a_damaged_state_is_refused_and_left_alone(self, make_searcher: MakeSearcher, tmp_path: Path) -> None:
        """A damaged state raises an error rather than being restored in part."""
        searcher = self.new(make_searcher)
        run_trials(searcher, _ids(0, 5), self.score)
        path = tmp_path / "state"
        searcher.save(str(path))
        half = path.read_bytes()[: path.stat().st_size // 2]
        path.write_bytes(half)
        with pytest.raises(Exception, match=r"damaged|corrupt|truncated|invalid"):
            make_searcher().restore(str(path))
        assert path.read_bytes() == half

    def test_it_can_be_pickled_and_copied_at_any_moment(self, make_searcher: MakeSearcher) -> None:
        """Tune does so when a Tuner is made, and with each snapshot of the experiment."""
        searcher = self.new(make_searcher)
        for step in range(6):
            copies = [pickle.loads(cloudpickle.dumps(searcher)), deepcopy(searcher)]
            assert ask(copies[0], "x") == ask(copies[1], "x")
            run_trials(searcher, [f"trial-{step}"], self.score)


class _Curve(tune.Trainable):
    """Nine steps towards a value that the text of ``config["arch"]`` gives; some fail, some become NaN.

    The process of one trial dies before it has a result, as it may on a machine that is busy or short of memory.
    """

    def setup(self, config: dict[str, Any]) -> None:
        with suppress(FileExistsError):
            os.close(os.open(config["lost"], os.O_CREAT | os.O_EXCL))
            os._exit(1)
        self._arch: str = config["arch"]
        self._constant = config["constant"]

    def step(self) -> dict[str, Any]:
        kind = sum(map(ord, self._arch)) % 7
        if kind == 0:
            raise RuntimeError("injected")
        iteration = int(self.training_iteration) + 1
        value = math.nan if kind == 1 else kind - 1 / iteration
        return {METRIC: value, "constant": self._constant, "done": iteration >= 9}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        (Path(checkpoint_dir) / "arch").write_text(self._arch, encoding="utf-8")

    def load_checkpoint(self, checkpoint: Any) -> None:
        self._arch = (Path(checkpoint) / "arch").read_text(encoding="utf-8")


class _Configs(tune.Callback):
    """Notes the configs of all trials; Tune's results do not say that of a trial which was lost before its first."""

    def __init__(self) -> None:
        self.of_trials: dict[str, dict[str, Any]] = {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.of_trials = {trial.trial_id: trial.config for trial in trials}


class SearcherInTuneConformance(_Subject):
    """Whole experiments in Tune; Ray must run already."""

    @pytest.mark.parametrize(
        "make_scheduler", [partial(ASHAScheduler, max_t=9, grace_period=1), partial(HyperBandScheduler, max_t=9)]
    )
    def test_an_experiment_runs_to_its_end(
        self, make_searcher: MakeSearcher, tmp_path: Path, make_scheduler: Callable[[], TrialScheduler]
    ) -> None:
        """Failures, NaN, lost, stopped and paused trials, and reused actors do not stop the experiment."""
        configs = _Configs()
        results = tune.Tuner(
            _Curve,
            param_space={"constant": 3, "lost": str(tmp_path / "lost")},
            tune_config=tune.TuneConfig(
                search_alg=make_searcher(seed=0),
                scheduler=make_scheduler(),
                metric=METRIC,
                mode="max",
                num_samples=12,
                max_concurrent_trials=2,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(name="run", storage_path=str(tmp_path), verbose=0, callbacks=[configs]),
        ).fit()
        assert len(results) == 12
        assert len({self.key(config) for config in configs.of_trials.values()}) == 12
        assert all(config["constant"] == 3 for config in configs.of_trials.values())
