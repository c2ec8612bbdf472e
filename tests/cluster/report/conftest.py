from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cluster.report.view import Best, Epoch, Proposal, RankingMade, RunView, TrialView
from mpnas_ray.explaining import Effect, Explanation, Motif, SlotValue, Swap
from mpnas_ray.predictors import SourceWeight
from mpnas_ray.spaces import get_space

BEGIN = 1_000_000_000.0
NUM_EPOCHS = 9


def varied_run(num_trials: int = 24, *, mode: str = "min", num_epochs: int = NUM_EPOCHS, slots: int = 2) -> RunView:
    """A run with all that there is: trials of each state, absurd values, hyperparameters, two sessions."""
    rng = np.random.default_rng(0)
    archs = get_space("mixed").sample_many(num_trials, rng)
    trials, free = [], [BEGIN + 5.0] * slots
    for row in range(num_trials):
        slot = int(np.argmin(free))
        length = num_epochs if row % 3 else max(1, num_epochs // 3)
        level = rng.uniform(0.1, 0.4)
        epochs = []
        for number in range(1, length + 1):
            free[slot] += 2.0 + (1_000.0 if row == num_trials // 2 and number == 1 else 0.0)
            epochs.append(Epoch(number, level + math.exp(-number), free[slot], 2.0))
        trial = TrialView(
            number=row + 1,
            trial_id=f"t{row}",
            arch=str(archs[row]),
            state="complete" if row % 3 else "stopped",
            epochs=tuple(epochs),
            parameters=int(10 ** rng.uniform(4, 6)),
            flops=int(10 ** rng.uniform(6, 8)),
            hyperparameters={"lr": float(10 ** rng.uniform(-4, -1)), "optimizer": ["adamw", "sgd"][row % 2]},
            proposal=Proposal(float(rng.normal()), row % 5 + 1, row % 5),
        )
        if row == 5:
            trial = replace(trial, state="nan", epochs=(replace(epochs[0], value=math.nan),))
        elif row == 7:
            trial = replace(trial, state="failed", epochs=(), error="RuntimeError: <b>bad</b>")
        elif row == 8:
            trial = replace(trial, epochs=(*epochs[:-1], replace(epochs[-1], value=1e30)))
        elif row == num_trials - 1:
            trial = replace(trial, state="unfinished", epochs=tuple(epochs[:1]))
        trials.append(trial)
    rankings = [
        RankingMade(BEGIN + 4.0 + 20 * n, 4 * n, 1.5, 0.1 * n - 0.2, verdict, log_odds, f"what was learned: {verdict}")
        for n, (verdict, log_odds) in enumerate([("undecided", 0.3), ("helps", 2.0), ("hurts", -1.5)])
    ]
    run = RunView(
        name="varied",
        place="/runs/varied",
        state="complete",
        facts={"task": "digits", "space": "mixed", "searcher": "mpnas"},
        metric="relative_l2",
        mode=mode,
        num_samples=num_trials,
        num_epochs=num_epochs,
        slots=slots,
        trials=tuple(trials),
        rankings=tuple(rankings),
        sessions=((BEGIN, BEGIN + 100.0), (BEGIN + 1_000.0, max(free))),
    )
    best = run.ranked[0]
    return replace(
        run,
        best=Best(best, best.arch, best.value, 0.12, best.parameters, best.flops, network="/runs/varied/best"),
        explanation=explained(best.arch),
    )


def explained(arch: str) -> Explanation:
    """An explanation of a cell of two slots."""
    return Explanation(
        arch=arch,
        score=1.5,
        better_than=0.9,
        base=0.1,
        exact=False,
        slots=(SlotValue("1", "conv3-d1", 1.6), SlotValue("2", "skip", -0.2)),
        swaps=(
            Swap("2", "skip", "conv3-d1", "a", 0.4, 0.3, {"parameters": 1_200.0}),
            Swap("1", "conv3-d1", "skip", "b", -1.0, None, {"parameters": -1_200.0}),
        ),
        effects=tuple(
            Effect(slot, kind, 0.5 - 0.5 * n) for slot in "12" for n, kind in enumerate(("conv3-d1", "skip"))
        ),
        sources=(SourceWeight("mixed/digits", 0.7, 0.0, 1.2), SourceWeight("mixed/watch", 0.3, 0.2, -0.3)),
        motifs=(Motif("number of conv3", 2.0, 0.2, 0.7),),
        costs={"parameters": 4_000.0},
    )


@pytest.fixture(scope="session")
def make_run() -> Callable[..., RunView]:
    return varied_run


@pytest.fixture(scope="session")
def run() -> RunView:
    return varied_run()


@pytest.fixture(scope="session")
def empty() -> RunView:
    return RunView("empty", "/runs/empty")
