"""Starting points of a search: architectures to try first, and results that are there already."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray.tune import ResultGrid
from ray.tune.result import AUTO_RESULT_KEYS, DEBUG_METRICS

from mpnas_ray.errors import SearchSpaceError, SettingError
from mpnas_ray.metric_values import find_metric, metric_value, numbers_in
from mpnas_ray.spaces import Architecture, SearchSpace
from mpnas_ray.tables import TableTask
from searchers.core.json_values import from_plain, is_plain, to_plain
from searchers.core.state import value_of
from searchers.core.trials.observations import TrialRecord
from searchers.core.trials.tune_results import config_of, iteration_of

__all__ = ["Evaluated", "Measured", "StartingPoints", "plain_config"]

Evaluated = (
    ResultGrid | TableTask | Mapping[str, Any] | Iterable[tuple[str | Mapping[str, Any], float | Mapping[str, Any]]]
)
"""Results of an earlier experiment (its ``ResultGrid``, or the ``DataFrame`` that this gives), of a NAS table (the same
metric), a mapping of architectures to values, or pairs of an architecture, or a config, and its metric or metrics."""

logger = logging.getLogger(__name__)

_BOOKKEEPING = {*AUTO_RESULT_KEYS, *DEBUG_METRICS}
"""Numbers that Tune adds to every result."""


@dataclass(frozen=True)
class Measured:
    """A result that is there already.

    Attributes:
        config: Plain values by name, with ``arch``.
        value: Value of the metric, or a score if ``is_score``; or metrics by name, which may be nested.
        is_score: Whether the number is higher-is-better whatever the mode.
        failed: Whether the trial failed, so that there is no value.
        iteration: Training iteration of the value; None for a full training.
        stopped_early: Whether it is known to be of less than a full training.
    """

    config: dict[str, Any]
    value: float | dict[str, Any]
    is_score: bool = False
    failed: bool = False
    iteration: int | None = None
    stopped_early: bool = False

    def score(self, metric: str, mode: str) -> float:
        """Return the score, higher is better; NaN if there is none."""
        found = find_metric(self.value, metric) if isinstance(self.value, dict) else self.value
        number = metric_value(found)
        return -number if mode == "min" and not self.is_score else number

    def record(self, metric: str, mode: str) -> TrialRecord:
        """Return the result as a trial that is still pending; its config is the point's without the architecture."""
        return TrialRecord(
            self.config["arch"],
            score=self.score(metric, mode),
            iteration=self.iteration,
            stopped_early=self.stopped_early,
            config={name: value for name, value in self.config.items() if name != "arch"},
        )


@dataclass
class StartingPoints:
    """Configs that are proposed before all others, in their order, and results that are not yet taken in.

    Attributes:
        queue: Configs of plain values, with ``arch``.
        measured: Results; they wait here until metric and mode are known.
    """

    queue: list[dict[str, Any]] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)

    @classmethod
    def from_arguments(
        cls,
        space: SearchSpace,
        points_to_evaluate: Sequence[str | Mapping[str, Any]] | None,
        evaluated_rewards: Sequence[float] | None,
        evaluated: Evaluated | None,
    ) -> StartingPoints:
        """Read the arguments of a searcher.

        Raises:
            SettingError: If points or rewards are no list.
            SearchSpaceError: If an architecture is none of the space, or a config holds something else than plain
                values, or ``evaluated`` is none of the kinds that are known.
            ValueError: If there are more rewards than points.
        """
        for name, given in (("points_to_evaluate", points_to_evaluate), ("evaluated_rewards", evaluated_rewards)):
            if isinstance(given, str | Mapping):
                raise SettingError(f"{name} must be a list, not {given!r}.")
        points = [] if points_to_evaluate is None else points_to_evaluate
        rewards = [] if evaluated_rewards is None else evaluated_rewards
        if len(rewards) > len(points):
            raise ValueError(f"{len(rewards)} evaluated_rewards, but only {len(points)} points_to_evaluate.")
        configs = [plain_config(space, point) for point in points]
        rewarded = [Measured(config, metric_value(reward)) for config, reward in zip(configs, rewards, strict=False)]
        measured = [*rewarded, *_measured(space, evaluated)]
        failed = sum(isinstance(each.value, float) and not math.isfinite(each.value) for each in measured)
        if failed:
            logger.warning(
                "%d of %d evaluated points have no finite value: they count as failed.", failed, len(measured)
            )
        return cls(configs[len(rewards) :], measured)

    def check_metric(self, metric: str | None) -> None:
        """Refuse results of an earlier experiment none of which has the metric; None, one that is not known yet, fits.

        Raises:
            SearchSpaceError: Naming the metrics that there are.
        """
        given = [measured.value for measured in self.measured if isinstance(measured.value, dict) and measured.value]
        if metric is not None and given and all(find_metric(values, metric) is None for values in given):
            names = dict.fromkeys(name for values in given for name in values if name not in _BOOKKEEPING)
            raise SearchSpaceError(
                f"None of the {len(given)} results in evaluated= has the metric {metric!r}. "
                f"They have: {', '.join(names) or 'no number at all'}."
            )

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for a state file."""
        return {
            "queue": [to_plain(config) for config in self.queue],
            "measured": [{**vars(measured), "config": to_plain(measured.config)} for measured in self.measured],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> StartingPoints:
        """Return what `to_plain` was called on.

        Raises:
            SearcherStateError, TypeError: If it is nothing that `to_plain` returns.
        """
        queue = [from_plain(config) for config in value_of(plain, "queue", list)]
        measured = [
            Measured(**{**_known(values), "config": from_plain(values["config"])})
            for values in value_of(plain, "measured", list)
        ]
        for config in [*queue, *(each.config for each in measured)]:
            value_of(config, "arch", str)
        return cls(queue, measured)


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in Measured.__dataclass_fields__}


def plain_config(space: SearchSpace, point: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a point to evaluate as a config of plain values, its architecture's text as the space writes it.

    Raises:
        SearchSpaceError: If its architecture is none of the space, or it holds an object.
    """
    given = dict(point) if isinstance(point, Mapping) else {"arch": point}
    arch = given.get("arch")
    if not isinstance(arch, str):
        if not isinstance(arch, Architecture):
            raise SearchSpaceError(f"A point to evaluate is an architecture string or {{'arch': ...}}, not {point!r}.")
        arch = str(arch)
    try:
        to_plain(given | {"arch": arch})
    except TypeError as error:
        raise SearchSpaceError(f"A point to evaluate holds plain values only, not {given!r}: {error}.") from error
    return {**given, "arch": str(space.parse(arch))}


def _measured(space: SearchSpace, evaluated: Any) -> list[Measured]:
    """Return the results in whatever the argument ``evaluated`` is."""
    if evaluated is None:
        return []
    if isinstance(evaluated, ResultGrid):
        results = [evaluated[number] for number in range(len(evaluated))]
        return [_of_result(space, each.config or {}, each.metrics or {}, each.error is not None) for each in results]
    if isinstance(evaluated, TableTask):
        pairs = zip(evaluated.archs, evaluated.scores.tolist(), strict=True)
        return [Measured({"arch": str(arch)}, score, is_score=True) for arch, score in pairs]
    if hasattr(evaluated, "columns") and hasattr(evaluated, "to_dict"):
        return [_of_row(space, row) for row in evaluated.to_dict("records")]
    if isinstance(evaluated, Mapping):
        evaluated = evaluated.items()
    found = []
    for pair in evaluated:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise SearchSpaceError(
                f"evaluated= is a ResultGrid or its DataFrame, a table of a task, a mapping of architectures to "
                f"values, or pairs of an architecture and its value; not {type(evaluated).__name__} with {pair!r}."
            )
        point, value = pair
        if isinstance(value, Mapping):
            found.append(_of_result(space, plain_config(space, point), value, False))
        else:
            found.append(Measured(plain_config(space, point), metric_value(value)))
    return found


def _of_row(space: SearchSpace, row: Mapping[str, Any]) -> Measured:
    """Return a row of a ``DataFrame``, as ``ResultGrid.get_dataframe`` makes it or with a column ``arch``."""
    config = config_of(row) or ({"arch": row["arch"]} if "arch" in row else {})
    if "arch" not in config:
        raise SearchSpaceError(
            f"The DataFrame in evaluated= has neither a column 'arch' nor 'config/arch': {', '.join(map(str, row))}."
        )
    metrics = {name: value for name, value in row.items() if name != "arch" and not str(name).startswith("config/")}
    return _of_result(space, config, metrics, False)


def _of_result(space: SearchSpace, config: Mapping[str, Any], metrics: Mapping[str, Any], failed: bool) -> Measured:
    """Return a result of an earlier experiment, whose config may hold anything beside what a searcher needs."""
    plain = {name: value for name, value in config.items() if is_plain(value)}
    values = dict(numbers_in(metrics))
    # The iteration that it reached tells a trial that was stopped early from a complete one.
    return Measured(plain_config(space, plain), values, failed=failed, iteration=iteration_of(metrics))
