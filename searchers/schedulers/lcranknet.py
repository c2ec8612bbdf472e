"""A Tune scheduler that stops trainings by what other trainings have taught it: LCRankNet (Wistuba and Pedapati, 2020).

A pairwise ranking network gives the probability that one trial ends better than another. It reads the curves of
validation metric and train loss, the architectures, and what it has learned on other tasks. A trial is stopped

    after ``grace_period``   if the probability to end better than the most promising of all trials at the same epoch,
                             whatever became of them, is below ``delta``
    from two thirds on       if the probability to end better than the best completed trial is below a quarter of it

The second is the paper's rule. The first and the pause between are ours, from our own table: where the learning rate
falls only at the end, more epochs of the middle hardly say more of the last one, and a completed trial that began
badly is no measure for a beginning (benchmarks/results/early_stopping.md).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray.tune.experiment import Trial
from ray.tune.result import DEFAULT_METRIC
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.utils import flatten_dict

from mpnas_ray.catalogue import load_predictor
from mpnas_ray.checks import require_count, require_number, require_one_of, require_seed, require_text
from mpnas_ray.curves import LCRankNetMethod, PartialCurves, load_network
from mpnas_ray.errors import SearcherStateError
from mpnas_ray.metric_values import find_metric, metric_value
from searchers.background import BackgroundWorker
from searchers.core.state import Arrays, read_state, value_of, write_state
from searchers.schedulers.curve_records import CurveRecords

__all__ = ["LCRankNetScheduler"]

logger = logging.getLogger(__name__)

_FEWEST_COMPLETED = 8
"""Number of completed trials from which a network that was not pre-trained learns."""

_MOST_PEERS = 200
"""Most trials that one is compared with, the newest that reached its epoch: a decision takes 30 ms at most."""

_LATE = 2 / 3
"""Part of a training after which a trial is compared with the best completed one."""

_LATE_DELTA = 0.25
"""Part of ``delta`` that counts from there on. Ours: the scale of late epochs is known from the survivors alone, and a
half stopped many of the best in replays of our own table."""


class LCRankNetScheduler(FIFOScheduler):
    """Stops trials that are not likely to end better than the most promising one; see the module.

    Trials with ``config["arch"]`` are judged by their architecture too, others by their curves alone. Results without
    the metric, or in which it is not a number, stop no trial. Whatever goes wrong inside is logged, counted in
    ``num_failures`` and answered by going on.

    Tune does not save schedulers: after ``Tuner.restore`` this one learns of earlier trials from what Tune kept of
    them, the last ten results of each. `save` and `restore` keep everything.
    """

    def __init__(
        self,
        max_t: int,
        metric: str | None = None,
        mode: str | None = None,
        *,
        network: str | Path | None = None,
        grace_period: int = 1,
        delta: float = 0.45,
        time_attr: str = "training_iteration",
        train_loss: str = "train_loss",
        refit_every: int = 4,
        seed: int = 0,
    ) -> None:
        """Read the network; nothing else is done yet.

        Args:
            max_t: Epochs of a full training, in units of ``time_attr``; a trial that has reached them is stopped.
            metric: Metric of the trials' results; may be left to ``TuneConfig``.
            mode: ``min`` or ``max``; may be left to ``TuneConfig``.
            network: Path of a network pre-trained on other tasks: one that ``mpnas pretrain-scheduler`` wrote, or
                `mpnas_ray.curves.BUNDLED_NETWORK`. None for one that learns from this run's completed trials alone, and
                stops none before eight are.
            grace_period: Epochs after which a trial is first judged.
            delta: Stop below this probability to win, between 0 and 1; 0.45 is the paper's.
            time_attr: Name of the number of epochs in the results: 1, 2, ...
            train_loss: Name of the train loss in the results; a run that does not report it is judged without.
            refit_every: Number of newly completed trials that call for a refit of the network.
            seed: Seed of refits.

        Raises:
            PredictorError: If there is no such network.
            SettingError: If another argument is out of its range.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        require_count("max_t", max_t)
        require_count("grace_period", grace_period, 1, max_t)
        require_number("delta", delta, above=0, below=1)
        require_count("refit_every", refit_every)
        require_text("time_attr", time_attr)
        require_text("train_loss", train_loss)
        require_seed("seed", seed)
        if metric is not None:
            require_text("metric", metric)
        _check_mode(mode)
        self._metric, self._mode = metric, mode
        self._max_t, self._delta = int(max_t), float(delta)
        self._time_attr, self._train_loss = time_attr, train_loss
        self._grace_period = int(grace_period)
        self._refit_every = int(refit_every)
        self._records = CurveRecords(self._max_t)
        pretrained, card = (None, None) if network is None else load_network(network)
        predictor = load_predictor(card["predictor"]) if card is not None and card["predictor"] else None
        self._method = LCRankNetMethod(pretrained, predictor=predictor, seed=seed)
        self._worker: BackgroundWorker[_RefitRequest, _Weights] = BackgroundWorker(_Refit(self._method))
        self._num_fitted = 0  # number of completed trials behind the newest refit, finished or failed
        self.num_stopped = 0
        self.num_refits = 0
        self.num_failures = 0

    # Called by Tune.

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take metric and mode from ``TuneConfig``; False if they were given here as well, as for Tune's own."""
        if (self._metric and metric) or (self._mode and mode):
            return False
        _check_mode(mode)
        self._metric, self._mode = metric or self._metric, mode or self._mode
        if self._metric is None and self._mode:
            self._metric = DEFAULT_METRIC
        self._worker.start_actor()  # here rather than in Tune's control loop
        return True

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Learn what a trial reported before the experiment was restored.

        Raises:
            ValueError: If metric or mode were given neither here nor in ``TuneConfig``.
        """
        if not self._metric or not self._mode:
            raise ValueError(
                f"{type(self).__name__} knows no metric ({self._metric}) or mode ({self._mode}): give them to it, or "
                f"to tune.TuneConfig."
            )
        try:
            self._recall(trial)
        except Exception:
            self._count_failure("could not read what a restored trial had reported")

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Note the result, and decide: STOP or CONTINUE. Waits for nothing."""
        try:
            epoch = self._note(trial, result)
            if epoch is None:
                return str(TrialScheduler.CONTINUE)
            if epoch >= self._max_t:
                return str(TrialScheduler.STOP)
            stop = self._is_hopeless(trial.trial_id, epoch)
        except Exception:
            self._count_failure("could not judge a trial, which goes on")
            return str(TrialScheduler.CONTINUE)
        self.num_stopped += stop
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Note the last result; refit the network if enough trials were completed since."""
        try:
            self._note(trial, result)
            self._update_network()
        except Exception:
            self._count_failure("could not take in a completed trial")

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Forget a trial that failed: it is no measure for others."""
        self._records.forget(trial.trial_id)

    def debug_string(self) -> str:
        """Return one line for the console."""
        counts = f"{self.num_stopped} trials stopped, {self.num_refits} refits, {self.num_failures} failures"
        return f"Using LCRankNet: {counts}."

    def save(self, checkpoint_path: str) -> None:
        """Write everything that the scheduler knows to a file; a refit under way is not part of it."""
        archs, arrays = self._records.to_plain()
        network = {f"network/{name}": tensor.numpy() for name, tensor in self._method.state_dict().items()}
        plain = {name: getattr(self, f"_{name}") for name in _PLAIN} | {name: getattr(self, name) for name in _COUNTS}
        write_state(checkpoint_path, {"scheduler": type(self).__name__, **plain, "archs": archs}, {**arrays, **network})

    def restore(self, checkpoint_path: str) -> None:
        """Take over what `save` wrote; the networks' configurations must agree.

        Raises:
            SearcherStateError: If the file is missing, damaged, or of something else.
            PredictorError: If its network does not fit this scheduler's.
        """
        plain, arrays = read_state(checkpoint_path, scheduler=type(self).__name__, max_t=self._max_t)
        try:
            records = CurveRecords.from_plain(self._max_t, value_of(plain, "archs", dict), arrays)
            counts = {name: value_of(plain, name, int, least=0) for name in ("num_fitted", *_COUNTS)}
            metric, mode = value_of(plain, "metric", str), value_of(plain, "mode", str)
            _check_mode(mode)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SearcherStateError(f"{checkpoint_path} is damaged: {error}") from error
        named = {name.removeprefix("network/"): array for name, array in arrays.items() if name.startswith("network/")}
        self._method.load({name: torch.from_numpy(array.copy()) for name, array in named.items()})
        self._records, self._metric, self._mode = records, metric, mode
        self._num_fitted = counts.pop("num_fitted")
        for name, count in counts.items():
            setattr(self, name, count)
        self._worker.release()

    # Decisions.

    def _note(self, trial: Any, result: Mapping[str, Any]) -> int | None:
        """Record a result, and return its epoch; None if it says nothing."""
        epoch = metric_value(find_metric(result, self._time_attr))
        score = metric_value(find_metric(result, str(self._metric)))
        if not math.isfinite(epoch) or epoch < 1:
            return None
        if math.isfinite(score):
            self._report(trial, min(int(epoch), self._max_t), score, metric_value(result.get(self._train_loss)))
        return int(epoch) if math.isfinite(score) or epoch >= self._max_t else None

    def _report(self, trial: Any, epoch: int, value: float, loss: float) -> None:
        score = -value if self._mode == "min" else value
        self._records.report(trial.trial_id, (trial.config or {}).get("arch"), epoch, score, loss)

    def _recall(self, trial: Any) -> None:
        """Read what Tune keeps of a trial: its last result, and the last ten values of each metric."""
        last = flatten_dict(trial.last_result or {})
        epoch = self._note(trial, last)
        if epoch is None or trial.status == Trial.ERROR:
            return
        values, losses = (
            [metric_value(value) for value in trial.metric_n_steps.get(name, {}).get("10", ())][::-1]
            for name in (str(self._metric), self._train_loss)
        )
        losses += [math.nan] * (len(values) - len(losses))
        for age, (value, loss) in enumerate(zip(values, losses, strict=False)):
            if math.isfinite(value) and 1 <= epoch - age <= self._max_t:
                self._report(trial, epoch - age, value, loss)

    def _is_hopeless(self, trial_id: str, epoch: int) -> bool:
        first, late = epoch == self._grace_period, epoch >= max(_LATE * self._max_t, self._grace_period + 1)
        if not first and not late:
            return False
        self._update_network()
        if self._method.network is None:
            return False
        if late:
            best = self._records.best(self._max_t)
            return best is not None and self._probability([trial_id, best], self._max_t) < _LATE_DELTA * self._delta
        peers = [other for other in self._records.reached(epoch) if other != trial_id][-_MOST_PEERS:]
        return bool(peers) and self._probability([trial_id, *peers], epoch) < self._delta

    def _probability(self, trial_ids: list[str], epoch: int) -> float:
        """Return the probability that the first trial ends better than the best other one, as seen at an epoch."""
        values = self._method.predict(self._records.curves(trial_ids).cut(epoch), self._everything())
        return float(1 / (1 + np.exp(values[1:].max() - values[0])))

    def _everything(self) -> PartialCurves:
        """Return the curves by which all are scaled."""
        return self._records.curves(list(self._records.archs)[-2 * _MOST_PEERS :], with_archs=False)

    def _update_network(self) -> None:
        """Take over a refitted network that is ready; start the next refit if it is due. Waits for nothing."""
        if self._worker.under_way is not None:
            self._attempt(self._worker.poll)
        completed = self._records.reached(self._max_t)
        due = self._num_fitted + self._refit_every
        if self._method.network is None:
            due = max(due, _FEWEST_COMPLETED)
        if self._worker.under_way is None and len(completed) >= max(due, 2):
            self._num_fitted = len(completed)
            request = _RefitRequest(self._records.curves(completed), self._everything())
            self._attempt(lambda: self._worker.start(request))

    def _attempt(self, step: Callable[[], _Weights | None]) -> None:
        try:
            weights = step()
            if weights is not None:
                self._method.load({name: torch.from_numpy(array) for name, array in weights.items()})
                self.num_refits += 1
        except Exception:
            self._count_failure("could not refit its network, so the one before stays in use")

    def _count_failure(self, what: str) -> None:
        self.num_failures += 1
        logger.exception("%s %s.", type(self).__name__, what)


# Attributes that `save` writes beside the records and the network.
_PLAIN = ("metric", "mode", "max_t", "num_fitted")
_COUNTS = ("num_stopped", "num_refits", "num_failures")

_Weights = Arrays


@dataclass(frozen=True, eq=False)
class _RefitRequest:
    """Holds completed trials, and all trials for the scale of their curves."""

    completed: PartialCurves
    known: PartialCurves


@dataclass(frozen=True, eq=False)
class _Refit:
    """Fits the network to completed trials, in a background worker."""

    method: LCRankNetMethod

    def __call__(self, request: _RefitRequest) -> _Weights:
        """Return the weights of the fitted network."""
        method = copy(self.method)  # the network that was given stays
        method.fit(request.completed, request.completed.scores[:, -1], request.known)
        return {name: tensor.numpy() for name, tensor in method.state_dict().items()}


def _check_mode(mode: str | None) -> None:
    if mode is not None:
        require_one_of("mode", mode, ("min", "max"))
