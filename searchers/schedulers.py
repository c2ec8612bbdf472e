"""A Tune scheduler that stops trainings by what other trainings have taught it: LCRankNet (Wistuba and Pedapati, 2020).

After each epoch of a trial a network judges the probability that the trial will end better than the best completed one,
from both curves, both architectures and what it has learned on other tasks. Where it is below ``delta``, the trial is
stopped.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from mpnas_ray.curves import LCRankNet, LCRankNetMethod, PartialCurves
from searchers.curve_records import CurveRecords
from searchers.refitting import Refitting
from searchers.state import read_state, write_state

__all__ = ["LCRankNetScheduler"]

logger = logging.getLogger(__name__)


class LCRankNetScheduler(FIFOScheduler):
    def __init__(
        self,
        max_t: int,
        metric: str | None = None,
        mode: str | None = None,
        *,
        network: LCRankNet | None = None,
        grace_period: int = 1,
        delta: float = 0.45,
        time_attr: str = "training_iteration",
        train_loss: str = "train_loss",
        refit_every: int = 2,
        min_completed: int = 1,
        seed: int = 0,
        equal=False,
    ) -> None:
        super().__init__()
        self._metric, self._mode = metric, mode
        self._max_t = max_t
        self._grace_period = grace_period
        self._delta = delta
        self._time_attr, self._train_loss = time_attr, train_loss
        self._refit_every = refit_every
        self._min_completed = min_completed
        self._records = CurveRecords(max_t)
        self._method = LCRankNetMethod(network, seed=seed)
        self._fitted = 0
        self.equal=equal
        self.num_stopped=0
        self.num_failures=0
        self.num_refits=0

    def set_search_properties(self, metric, mode, **spec):
        self._metric, self._mode = metric, mode
        return True

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        try:
            return self._decide(trial, result)
        except Exception:
            self.num_failures += 1
            logger.exception("LCRankNetScheduler could not judge a trial, which goes on.")
            return TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        self._note(trial, result)

    def _note(self, trial, result) -> int:
        epoch = int(result[self._time_attr])
        score = float(result[self._metric])
        score = score if self._mode == "max" else -score
        self._records.report(trial.trial_id, trial.config.get("arch"), epoch, score, float(result.get(self._train_loss, math.nan)))
        n=len(self._records.completed)
        if self._refit_every and n>=max(2, self._fitted+self._refit_every):
            done=self._records.completed
            c=self._records.curves(done)
            known=self._records.curves(list(self._records.archs),False)
            self._method.fit(c,c.scores[:,-1],known)
            self._fitted=n; self.num_refits+=1
        return epoch

    def _decide(self, trial, result):
        epoch=self._note(trial,result)
        if epoch>=self._max_t: return "STOP"
        best=self._records.best
        if epoch<self._grace_period or len(self._records.completed)<self._min_completed or best is None: return "CONTINUE"
        if self._method.network is None: return "CONTINUE"
        p=self._p(trial.trial_id,best,epoch)
        if p<self._delta:
            self.num_stopped+=1
            return "STOP"
        return "CONTINUE"
    def _p(self,cand,best,epoch):
        c=self._records.curves([cand,best])
        if self.equal: c=c.cut(epoch)
        f=self._method.predict(c,self._records.curves(list(self._records.archs),False))
        return 1/(1+math.exp(f[1]-f[0]))
