"""Explain why a predictor ranks an architecture where it does.

Scores are in units of the standard deviation of the predicted scores over random architectures of the space, and 0 is
their mean. Everything here is about the predictor: where it is wrong about networks, so are its explanations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mpnas_ray.errors import PredictorError
from mpnas_ray.explaining.completions import completed, predicted_by
from mpnas_ray.explaining.motifs import Motif, motifs
from mpnas_ray.explaining.shapley import shapley_values
from mpnas_ray.explaining.swaps import Costs, Swap, swaps
from mpnas_ray.files.json_records import from_plain, parse_json
from mpnas_ray.predictors.base import KnowsSources, Predictor, SourceWeight
from mpnas_ray.spaces import Architecture, Architectures, parse_architecture

__all__ = ["Effect", "Explanation", "SlotValue", "explain"]

_NUM_OTHERS = 2_048
"""Number of random architectures that say what is usual in a space."""

_ABSURD = 1e300
"""Size of a number that only a damaged file has; the sum of two is finite below it."""


@dataclass(frozen=True)
class SlotValue:
    """Share of one slot in a predicted score.

    Attributes:
        slot: Name of the slot.
        holds: Operation that it holds.
        value: Shapley value of the slot.
    """

    slot: str
    holds: str
    value: float


@dataclass(frozen=True)
class Effect:
    """Partial dependence of the predicted score on a slot.

    Attributes:
        slot: Name of the slot.
        operation: Operation that it would hold.
        effect: Mean predicted score with that in the slot and everything else random, minus the mean over all that the
            slot can hold.
    """

    slot: str
    operation: str
    effect: float


@dataclass(frozen=True)
class Explanation:
    """The reasons of one prediction.

    Attributes:
        arch: Architecture string.
        score: Predicted score, in standard deviations above the mean of the space; higher is better.
        better_than: Share of random architectures with a lower predicted score, 0 to 1.
        base: Mean score of the cells of its topology with random operations. With the values of all slots, it sums to
            ``score``.
        exact: True if means are over all such cells, False if over 64 random ones.
        slots: Shapley value of each slot.
        swaps: Architectures one swap away, the best first.
        effects: Partial dependence of every slot on everything that it can hold.
        sources: Weights of the known tasks, the most probable first; empty if the predictor knows none.
        motifs: Graph features that go with the predictions, the largest effect first.
        costs: Name of each cost -> what the architecture costs.
    """

    arch: str
    score: float
    better_than: float
    base: float
    exact: bool
    slots: tuple[SlotValue, ...]
    swaps: tuple[Swap, ...]
    effects: tuple[Effect, ...]
    sources: tuple[SourceWeight, ...]
    motifs: tuple[Motif, ...]
    costs: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Write it as JSON; `of_json` is its inverse."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def of_json(cls, text: str | bytes) -> Explanation:
        """Read what `to_json` wrote.

        Raises:
            PredictorError: If it is something else.
        """
        try:
            return cls.of_plain(parse_json(text))
        except ValueError as error:
            raise PredictorError(f"This is not an explanation: {error}.") from error

    @classmethod
    def of_plain(cls, values: Any) -> Explanation:
        """Build it from a JSON object.

        Raises:
            ValueError: Naming a field that is missing, unknown or of another type, or if a number is not finite.
        """
        found = from_plain(cls, values)
        if not all(abs(number) < _ABSURD for number in _numbers(asdict(found))):
            raise ValueError("it has a number that is not finite")
        if any(swap.costs.keys() != found.costs.keys() for swap in found.swaps):
            raise ValueError("a swap has other costs than the architecture")
        return found


def _numbers(value: Any) -> Iterator[float]:
    """Yield all numbers in plain values."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _numbers(inner)


def explain(predictor: Predictor, arch: Architecture | str, *, costs: Costs | None = None) -> Explanation:
    """Explain why a predictor ranks an architecture where it does.

    Args:
        predictor: Predictor that ranks already, before or after it has seen scores.
        arch: An architecture, or its string.
        costs: Name -> function from N architectures to what each costs ``[N]``, such as their numbers of parameters;
            swaps then name the changes.

    Raises:
        SearchSpaceError: If the string is no architecture.
        PredictorError: If the predictor cannot rank the architecture, or predicts the same for all.
    """
    asked = parse_architecture(arch) if isinstance(arch, str) else arch
    predict, given = predicted_by(predictor.predict), costs or {}
    others = asked.space.sample_many(_NUM_OTHERS, np.random.default_rng(0))
    usual = predict(others)
    location, unit = float(usual.mean()), float(usual.std())
    if not unit > 0:
        raise PredictorError(f"The predictor predicts the same for all of {asked.space.name}: there is no reason.")
    cells = completed(predict, asked)
    score = float(cells.game.flat[-1] - location) / unit
    named = [(slot.name, slot.values[value]) for slot, value in zip(cells.slots, cells.held, strict=True)]
    values = (shapley_values(cells.game) / unit).tolist()
    sources = predictor.source_weights(asked, others) if isinstance(predictor, KnowsSources) else []
    own = Architectures.of([asked])
    return Explanation(
        arch=str(asked),
        score=score,
        better_than=float((usual < location + unit * score).mean()),
        base=float(cells.game.flat[0] - location) / unit,
        exact=cells.exact,
        slots=tuple(SlotValue(*names, value) for names, value in zip(named, values, strict=True)),
        swaps=tuple(swaps(predictor, asked, others, unit, given)),
        effects=tuple(
            Effect(slot.name, operation, float(effect) / unit)
            for slot, effects in zip(cells.slots, cells.effects, strict=True)
            for operation, effect in zip(slot.values, effects, strict=True)
        ),
        sources=tuple(source.in_unit(unit) for source in sources),
        motifs=tuple(motifs(asked, others, (usual - location) / unit)),
        costs={name: float(np.asarray(cost(own))[0]) for name, cost in given.items()},
    )
