"""Methods of searching a front, each a function from a problem to the architectures that it asks for, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from cluster.experiments.fronts import asha
from cluster.experiments.fronts.problems import PARAMETERS, Ground, Problem, parameters_of
from mpnas_ray.errors import PredictorError
from mpnas_ray.predictors import CostPredictor
from mpnas_ray.pretrained import find_checkpoint, load_checkpoint, refuse_if_seen
from mpnas_ray.spaces import Architecture, Architectures, SearchSpace, get_space
from mpnas_ray.tables import TableTask
from searchers import MPNASSearch
from searchers.model_based.objectives.front import non_dominated

__all__ = ["METHODS", "Search", "mpnas"]


@dataclass(frozen=True, eq=False)
class Search:
    """Everything that a method is told.

    Attributes:
        problem: The problem.
        tasks: Name -> task of the problem.
        ground: Answers to its questions.
        num_queries: Number of questions.
        seed: Seed of all that it draws.
        checkpoint: Predictor that was meta-learned without the problem's data; only for `mpnas`.
    """

    problem: Problem
    tasks: Mapping[str, TableTask]
    ground: Ground
    num_queries: int
    seed: int
    checkpoint: Path | None = None

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return get_space("nasbench201")

    def value(self, arch: str) -> tuple[float, float]:
        """Return quality and minus the cost; the reference point for a cell that is left out."""
        lowest, dearest = self.ground.reference.tolist()
        return self.ground.objectives.get(arch, (lowest, dearest))


def mpnas(search: Search) -> list[str]:
    """Search by `MPNASSearch`; its predictors know neither the data set nor the devices of the problem.

    Raises:
        PredictorError: If the checkpoint has seen the quality, or the bundled predictor of costs is none.
    """
    arguments: dict[str, Any] = {"predictor": None}
    if search.checkpoint is not None:
        predictor, card = load_checkpoint(search.checkpoint)
        refuse_if_seen(card, search.tasks[search.problem.quality])
        arguments["predictor"] = predictor
    costs, _ = load_checkpoint(find_checkpoint("cost"))
    if not isinstance(costs, CostPredictor):
        raise PredictorError("The bundled predictor of costs is of another kind.")
    if search.problem.cost == PARAMETERS:
        arguments["costs"] = {PARAMETERS: parameters_of}
    else:
        arguments["costs"] = ["cost"]
        arguments["cost_predictor"] = costs.leaving_out(search.tasks[search.problem.cost].devices)
    searcher = MPNASSearch(
        search.space,
        "quality",
        "max",
        refit_every=1,
        seed=search.seed,
        measures="quality",
        allow_isomorphic=True,
        **arguments,
    )
    asked: list[str] = []
    while len(asked) < search.num_queries:
        asked.append(searcher.suggest(str(len(asked)))["arch"])
        quality, negative = search.value(asked[-1])
        result = {"quality": quality, "cost": -negative}
        failed = asked[-1] not in search.ground.objectives
        searcher.on_trial_complete(str(len(asked) - 1), None if failed else result, error=failed)
    return asked


def random(search: Search) -> list[str]:
    """Draw cells at random, none twice."""
    drawn = search.space.enumerate()[np.random.default_rng(search.seed).permutation(search.space.num_architectures)]
    return [str(arch) for arch in drawn[: search.num_queries]]


def _optuna(search: Search, sampler: optuna.samplers.BaseSampler) -> list[str]:
    """Let a sampler of Optuna's choose each code; what it asks for again is answered and not counted."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["maximize", "maximize"], sampler=sampler)
    codes = search.space.enumerate().codes
    choices = [np.unique(column).tolist() for column in codes.T]
    asked: dict[str, None] = {}
    for _ in range(20 * search.num_queries):
        trial = study.ask()
        drawn = [trial.suggest_categorical(f"code{place}", values) for place, values in enumerate(choices)]
        arch = str(Architectures(search.space, np.array([drawn], dtype=np.int8))[0])
        asked.setdefault(arch)
        study.tell(trial, search.value(arch))
        if len(asked) == search.num_queries:
            break
    return list(asked)


def nsga2(search: Search) -> list[str]:
    """Search by Optuna's NSGA-II (Deb et al. 2002), populations of 20."""
    return _optuna(search, optuna.samplers.NSGAIISampler(population_size=20, seed=search.seed))


def tpe(search: Search) -> list[str]:
    """Search by Optuna's multi-objective TPE (Ozaki et al. 2022)."""
    return _optuna(search, optuna.samplers.TPESampler(seed=search.seed, multivariate=True))


_POPULATION, _SAMPLE = 20, 10


def mo_rea(search: Search) -> list[str]:
    """Search by regularised evolution whose tournaments are won by the best non-dominated rank (MO-REA).

    Populations of 20 and tournaments of 10: larger ones would leave little of 100 queries for mutations.
    """
    rng = np.random.default_rng(search.seed)
    asked = random(search)[: min(_POPULATION, search.num_queries)]
    while len(asked) < search.num_queries:
        alive = asked[-_POPULATION:]
        sample = [alive[row] for row in rng.choice(len(alive), min(_SAMPLE, len(alive)), replace=False)]
        front = np.flatnonzero(non_dominated([search.value(arch) for arch in sample]))
        parent = search.space.parse(sample[int(rng.choice(front))])
        asked.append(_child(search.space, parent, set(asked), rng))
    return asked


def mo_asha(search: Search) -> list[str]:
    """Search by MO-ASHA; a query is a whole training, or as many epochs of short ones, where it finds nothing."""
    short = search.tasks[search.problem.short]
    texts = [str(arch) for arch in short.archs]
    scores = dict(zip(texts, short.scores.tolist(), strict=True))
    _, dearest = search.ground.reference.tolist()
    objectives = [
        (scores[text], search.value(text)[1]) if text in search.ground.objectives else (0.0, dearest) for text in texts
    ]
    order = np.random.default_rng(search.seed).permutation(len(texts))
    return ["" if row is None else texts[row] for row in asha.mo_asha(np.array(objectives), order, search.num_queries)]


def _child(space: SearchSpace, parent: Architecture, seen: set[str], rng: np.random.Generator) -> str:
    """Mutate until the child is new."""
    child = parent
    while str(child) in seen:
        child = space.mutate(child, rng)
    return str(child)


METHODS: dict[str, Callable[[Search], list[str]]] = {
    "mpnas": mpnas,
    "random": random,
    "nsga2": nsga2,
    "tpe": tpe,
    "mo-rea": mo_rea,
    "mo-asha": mo_asha,
}
"""Name -> method."""
