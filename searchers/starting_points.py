"""What a search begins with: architectures to try first, and results that are there already."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray.tune import ResultGrid

from mpnas_ray.errors import SearchSpaceError
from mpnas_ray.spaces import SearchSpace
from mpnas_ray.tables import TableTask

__all__ = ["Evaluated", "Measured", "StartingPoints"]

Evaluated = ResultGrid | TableTask | Iterable[tuple[str | Mapping[str, Any], float]]
"""Results of an earlier experiment, of a NAS table (the same metric), or pairs of an architecture, or a config, and its
metric."""


@dataclass(frozen=True)
class Measured:
    """A result that is there already.

    Attributes:
        config: With ``arch``; plain values.
        values: Metrics by name, or one number: the metric, or a score if ``is_score``.
        is_score: Whether the number is higher-is-better whatever the mode.
        failed: Whether there is none.
    """

    config: dict[str, Any]
    values: dict[str, float] | float
    is_score: bool = False
    failed: bool = False

    def value(self, metric: str, mode: str) -> float:
        """Of the metric; NaN if there is none."""
        if isinstance(self.values, dict):
            return self.values.get(metric, math.nan)
        return -self.values if self.is_score and mode == "min" else self.values


@dataclass
class StartingPoints:
    """Configs that are proposed before all others, in their order, and results that are not yet taken in.

    Attributes:
        queue: Configs with ``arch``, plain values.
        measured: Results; they wait here until the metric is known.
    """

    queue: list[dict[str, Any]] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        space: SearchSpace,
        points: Sequence[str | Mapping[str, Any]],
        rewards: Sequence[float],
        evaluated: Evaluated | None,
    ) -> StartingPoints:
        """From the arguments of a searcher.

        Raises:
            SearchSpaceError: If an architecture is none of the space, or a config holds what JSON cannot.
            ValueError: If there are more rewards than points.
        """
        if len(rewards) > len(points):
            raise ValueError(f"{len(rewards)} evaluated_rewards, but only {len(points)} points_to_evaluate.")
        configs = [plain_config(space, point) for point in points]
        measured = [Measured(config, float(reward)) for config, reward in zip(configs, rewards, strict=False)]
        return cls(configs[len(rewards) :], [*measured, *_measured(space, evaluated)])

    def to_plain(self) -> dict[str, Any]:
        """Plain values for a state file."""
        return {"queue": self.queue, "measured": [vars(measured) for measured in self.measured]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> StartingPoints:
        """Inverse of `to_plain`."""
        return cls(list(plain["queue"]), [Measured(**values) for values in plain["measured"]])


def plain_config(space: SearchSpace, point: str | Mapping[str, Any]) -> dict[str, Any]:
    """A point to evaluate as a config of plain values, its architecture's text as the space writes it.

    Raises:
        SearchSpaceError: If its architecture is none of the space, or it holds what JSON cannot.
    """
    given = dict(point) if isinstance(point, Mapping) else {"arch": point}
    if not isinstance(given.get("arch"), str):
        raise SearchSpaceError(f"A point to evaluate is an architecture string or {{'arch': ...}}, not {point!r}.")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(given))
    except (TypeError, ValueError) as error:
        raise SearchSpaceError(f"A point to evaluate holds plain values only, not {given!r}: {error}.") from error
    return {**plain, "arch": str(space.parse(plain["arch"]))}


def _measured(space: SearchSpace, evaluated: Evaluated | None) -> list[Measured]:
    if evaluated is None:
        return []
    if isinstance(evaluated, ResultGrid):
        return [_of_result(space, evaluated[number]) for number in range(len(evaluated))]
    if isinstance(evaluated, TableTask):
        pairs = zip(evaluated.archs, evaluated.scores.tolist(), strict=True)
        return [Measured({"arch": str(arch)}, score, is_score=True) for arch, score in pairs]
    return [Measured(plain_config(space, point), float(value)) for point, value in evaluated]


def _of_result(space: SearchSpace, result: Any) -> Measured:
    """A result of an earlier experiment, whose config may hold anything beside what a searcher needs."""
    config = {name: value for name, value in (result.config or {}).items() if _is_plain(value)}
    values = {
        name: float(value)
        for name, value in (result.metrics or {}).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return Measured(plain_config(space, config), values, failed=result.error is not None)


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
