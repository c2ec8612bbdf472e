"""Methods of the predictor study, with what each is given of a draw and what it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cluster.experiments.studies.predictors.judging import Measurement, Ranking, judged, measured
from cluster.experiments.studies.predictors.targets import Draw, sizes_of
from mpnas_ray.catalogue import PREDICTORS, load_predictor
from mpnas_ray.curves import CURVE_METHODS, CurveMethod, LCRankNet, LCRankNetMethod, PartialCurves, pretrain_without
from mpnas_ray.meta_learning.mixture import MixturePredictor
from mpnas_ray.predictors import Predictor
from mpnas_ray.pretrained import load_checkpoint, refuse_if_seen
from mpnas_ray.tables import LearningCurves, read_curves
from trainables.proxies import get_proxy, proxy_names
from trainables.proxies.scoring import Probe, ProxySettings, random_probe, score_archs, task_probe
from trainables.tasks.core.task import get_task
from trainables.training.data import PreparedData

__all__ = ["META_LEARNED", "METHODS", "SCORED", "SHARES", "SLOW", "Knowledge", "Method"]

META_LEARNED = "mp-nas"
"""The method that knows other tasks."""

SHARES = (1 / 9, 1 / 3, 2 / 3)
"""Shares of a training's epochs after which curve methods are asked."""

_CURVE_SIZES = (10, 50, 200)
SLOW = ("ngboost", "gcn", "brp-nas", "seminas", "omni")
"""Methods of which a unit takes ten seconds or more; they are judged with fewer seeds."""

SCORED = 50
"""Architectures of a draw that zero-cost proxies are computed of: the first that are judged. Ten draws are 500."""

_RANDOM_INPUTS, _RANDOM_CLASSES = (3, 16, 16), 10
"""In place of the images of official tables, which are not at hand."""

_MOST_POINTS = {"gcn": 250, "brp-nas": 250, "seminas": 250, "mp-nas": 500}
"""Largest training sets of methods that take half a minute or more beyond; a search gives `mp-nas` no more than 500."""


@dataclass(frozen=True)
class Knowledge:
    """Files that units may read beside their draw.

    Attributes:
        own_table: A file of `mpnas tables build`.
        predictor: The checkpoint that was learned without the target's data set; None where no method asks for it.
    """

    own_table: Path
    predictor: Path | None


@dataclass(frozen=True)
class Method:
    """A method that ranks architectures.

    Attributes:
        kind: Source of its knowledge: measured architectures, nothing, or the beginnings of trainings.
        description: Short description, with its source.
        judge: Function of a draw that returns the measurements of the method.
        needs_classes: True if it is not defined for fields.
    """

    kind: Literal["predictor", "zero-cost", "curve"]
    description: str
    judge: Callable[[Draw, Knowledge], list[Measurement]]
    needs_classes: bool = False

    def fits(self, target: str) -> bool:
        """Say whether a target has what the method needs."""
        space, _, task = target.partition("/")
        if space != "mixed":
            return self.kind != "curve"
        return not (self.needs_classes and get_task(task).dense)


def _judge_predictor(name: str, draw: Draw, knowledge: Knowledge) -> list[Measurement]:
    family = PREDICTORS[name]

    def setup(size: int) -> Ranking:
        rows = draw.training(size)
        if name == META_LEARNED:
            assert knowledge.predictor is not None
            known, card = load_checkpoint(knowledge.predictor)
            refuse_if_seen(card, draw.target)
            assert isinstance(known, MixturePredictor)
            adapted = known.measuring(draw.target.kind).adapt(draw.target.archs[rows], draw.target.scores[rows])
            return lambda asked: adapted.predict(draw.target.archs[asked])
        predictor = family.make(draw.seed)
        predictor.fit(draw.target.archs[rows], draw.target.scores[rows])
        return lambda asked: predictor.predict(draw.target.archs[asked])

    most = _MOST_POINTS.get(name)
    sizes = [size for size in sizes_of(draw.target) if size >= family.fewest and size <= (most or size)]
    return [measured(draw, size, partial(setup, size)) for size in sizes]


def _judge_proxy(name: str, draw: Draw, knowledge: Knowledge) -> list[Measurement]:
    settings = ProxySettings(seed=draw.seed)
    probe = _probe(draw.target.name, settings)

    def ranking(asked: NDArray[np.int64]) -> NDArray[np.float64]:
        return score_archs(get_proxy(name), draw.target.archs[asked], probe, settings)

    fewer = Draw(draw.target, draw.test[:SCORED], draw.pool, draw.seed)
    return [measured(fewer, 0, lambda: ranking)]


@lru_cache(maxsize=4)
def _probe(target: str, settings: ProxySettings) -> Probe:
    space, _, name = target.partition("/")
    if space != "mixed":
        return random_probe(_RANDOM_INPUTS, _RANDOM_CLASSES, settings)
    task = get_task(name)
    return task_probe(task, PreparedData(task, None, torch.device("cpu")), settings)


def _judge_curves(name: str, draw: Draw, knowledge: Knowledge) -> list[Measurement]:
    about = CURVE_METHODS[name]
    features = _jacob_cov(_task_of(draw), knowledge.own_table) if "jacob_cov" in about.needs else None
    return _judge_at_shares(about.make, _CURVE_SIZES if about.learns else (0,), draw, knowledge, features)


def _judge_pretrained(draw: Draw, knowledge: Knowledge) -> list[Measurement]:
    network, predictor = _pretrained(_task_of(draw), knowledge.own_table)
    return _judge_at_shares(
        lambda seed: LCRankNetMethod(network, predictor=predictor, seed=seed), (0, *_CURVE_SIZES), draw, knowledge
    )


def _judge_at_shares(
    make: Callable[[int], CurveMethod],
    sizes: Sequence[int],
    draw: Draw,
    knowledge: Knowledge,
    features: NDArray[np.float64] | None = None,
) -> list[Measurement]:
    """Judge a method of curves after each of `SHARES`, fitted to ``sizes`` whole trainings; 0 is not fitted at all."""
    curves = _curves(_task_of(draw), knowledge.own_table)
    whole = replace(PartialCurves.of(curves), features=features)
    rows = _first_trainings(curves, draw)
    found = []
    for size in [size for size in sizes if size <= len(draw.pool)]:
        method, training = make(draw.seed), draw.training(size)
        start = time.process_time()
        if size:
            method.fit(whole[rows[training]], draw.target.scores[training])
        fitted = time.process_time() - start
        for share in SHARES:
            epochs = max(1, round(share * whole.num_epochs))
            found.append(judged(draw, size, epochs, _ranking(method, whole.cut(epochs), rows), fitted))
    return found


def _task_of(draw: Draw) -> str:
    return draw.target.name.partition("/")[2]


@lru_cache(maxsize=8)
def _pretrained(task: str, table: Path) -> tuple[LCRankNet, Predictor | None]:
    """Return a network that has learned from the curves of all other data sets, and its predictor."""
    made = pretrain_without([task], read_curves(table))
    return made.network, None if made.predictor is None else load_predictor(made.predictor)


def _ranking(method: CurveMethod, curves: PartialCurves, rows: NDArray[np.int64]) -> Ranking:
    """Return the ranking by a method, for a target whose trainings are ``rows`` of the curves."""
    return lambda asked: method.predict(curves[rows[asked]])


@lru_cache(maxsize=8)
def _jacob_cov(task: str, table: Path) -> NDArray[np.float64]:
    """Score the architecture of each training, ``[N, 1]``."""
    settings = ProxySettings()
    archs = _curves(task, table).archs
    return score_archs(get_proxy("jacob_cov"), archs, _probe(f"mixed/{task}", settings), settings)[:, None]


@lru_cache(maxsize=8)
def _curves(task: str, table: Path) -> LearningCurves:
    return read_curves(table)[task]


def _first_trainings(curves: LearningCurves, draw: Draw) -> NDArray[np.int64]:
    """Find the first training of each architecture of the target, as a row of the curves, ``[N]``."""
    row_of: dict[bytes, int] = {}
    for row, codes in enumerate(curves.archs.codes):
        row_of.setdefault(codes.tobytes(), row)
    return np.array([row_of[codes.tobytes()] for codes in draw.target.archs.codes], dtype=np.int64)


def _all() -> Mapping[str, Method]:
    methods = {
        name: Method("predictor", family.description, partial(_judge_predictor, name))
        for name, family in PREDICTORS.items()
        if not family.costs_only  # benchmarks/cost_predictor.py
    }
    methods |= {
        name: Method("zero-cost", proxy.description, partial(_judge_proxy, name), proxy.needs == "classes")
        for name, proxy in ((name, get_proxy(name)) for name in proxy_names())
    }
    methods |= {
        name: Method("curve", about.source, partial(_judge_curves, name)) for name, about in CURVE_METHODS.items()
    }
    pretrained = "LCRankNet that has learned from the curves of the other data sets of our own table before"
    return methods | {"lcranknet-pretrained": Method("curve", pretrained, _judge_pretrained)}


METHODS: Mapping[str, Method] = _all()
"""All by name: predictors, then zero-cost proxies, then curve methods."""
