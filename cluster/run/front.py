"""The front of a run: the networks of which no other is better in the metric and as low in all costs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from cluster.report.view import RunView, TrialView, as_score
from cluster.storage.run_folder import RunFolder
from mpnas_ray.errors import RunError
from mpnas_ray.files.json_records import from_plain
from searchers.model_based.objectives.front import front_rows

__all__ = ["FRONT_FILE", "Front", "FrontNetwork", "front_of_run", "keeps", "preferred", "read_front", "with_tests"]

FRONT_FILE = "pareto.json"
"""File with the front in the folder of a run; a complete run with costs has it, with test scores."""


@dataclass(frozen=True)
class FrontNetwork:
    """One network of a front.

    Attributes:
        arch: Architecture string.
        trial_id: Name of its trial's folder.
        validation: Validation score.
        costs: Name -> cost.
        test: Test score, computed once, at the end of the run; None before.
        network: Folder of the trained network in that of the run; None before the end.
    """

    arch: str
    trial_id: str
    validation: float
    costs: dict[str, float]
    test: float | None = None
    network: str | None = None


@dataclass(frozen=True)
class Front:
    """The front of a run.

    Attributes:
        metric: Name of the metric, without ``validation_``.
        mode: ``min`` or ``max``.
        costs: Names of the costs, which are low on the front.
        limits: Name -> highest cost, which all networks keep if any does.
        networks: Networks, the best of the metric first.
    """

    metric: str
    mode: str
    costs: tuple[str, ...]
    limits: dict[str, float]
    networks: tuple[FrontNetwork, ...]

    @classmethod
    def of(
        cls,
        networks: Sequence[FrontNetwork],
        metric: str,
        mode: str,
        costs: Sequence[str],
        limits: Mapping[str, float] | None = None,
    ) -> Front:
        """Choose the networks of the front; those without a value of a cost are left out.

        Networks that exceed a limit count only if all do.

        Raises:
            RunError: If no network has a value of a cost; the message says which there are.
        """
        for name in (*costs, *(limits or {})):
            if not any(name in network.costs for network in networks):
                known = ", ".join(sorted({each for network in networks for each in network.costs})) or "none"
                raise RunError(f"No trial has a value of the cost {name}. There are: {known}.")
        within = [network for network in networks if keeps(network.costs, limits or {})]
        counted = within or list(networks)
        rows = front_rows(
            [
                [as_score(network.validation, mode), *(-network.costs.get(name, math.nan) for name in costs)]
                for network in counted
            ]
        )
        return cls(metric, mode, tuple(costs), dict(limits or {}), tuple(counted[row] for row in rows))

    def to_json(self) -> str:
        """Write all fields as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"


def keeps(costs: Mapping[str, float], limits: Mapping[str, float]) -> bool:
    """Say whether costs are there and within all limits."""
    return all(costs.get(name, math.inf) <= most for name, most in limits.items())


def front_of_run(run: RunView, costs: Sequence[str], limits: Mapping[str, float] | None = None) -> Front:
    """Find the front of a run, whatever its state, by validation.

    Trials that were stopped early count only where no training is complete.

    Raises:
        RunError: If no trial has a finite value yet, or none has a value of a cost.
    """
    ended = [trial for trial in run.ranked if trial.state == "complete"] or run.ranked
    if not ended or run.mode is None:
        raise RunError(f"No trial of {run.place} has ended with a finite {run.metric} yet: there is no front.")
    return Front.of([_network_of(trial) for trial in ended], run.metric, run.mode, costs, limits)


def _network_of(trial: TrialView) -> FrontNetwork:
    return FrontNetwork(trial.arch, trial.trial_id, trial.value, dict(trial.costs))


def read_front(folder: RunFolder) -> Front | None:
    """Read the front that the end of a run has written; None if there is none.

    Raises:
        RunError: If the file is damaged.
    """
    content = folder.read_json(FRONT_FILE)
    try:
        return None if content is None else from_plain(Front, content)
    except ValueError as error:
        raise RunError(
            f"{folder}/{FRONT_FILE} is damaged: {error}. Without the file, the front is shown without test scores."
        ) from error


_CONDITION = re.compile(r"\s*([\w/]+)\s*(<=|>=|<|>)\s*([-+.\w]+)\s*")
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


def preferred(front: Front, conditions: Sequence[str]) -> FrontNetwork:
    """Choose the network of the best metric that meets all conditions.

    Args:
        front: The front.
        conditions: Texts such as ``latency_ms<5`` or ``accuracy>=0.9``, of costs and of the metric.

    Raises:
        RunError: If a text is no condition, or no network meets all; the message says what there is.
    """
    left = list(front.networks)
    for text in conditions:
        found = _CONDITION.fullmatch(text)
        bound = _number(found[3]) if found else None
        if found is None or bound is None:
            raise RunError(f"--prefer takes a condition, such as 'latency_ms<5', not {text!r}.")
        name = found[1].removeprefix("validation_")
        if name not in (front.metric, *front.costs):
            raise RunError(f"--prefer knows {', '.join((front.metric, *front.costs))}, not {found[1]}.")
        values = [network.validation if name == front.metric else network.costs[name] for network in left]
        left = [network for network, value in zip(left, values, strict=True) if _COMPARISONS[found[2]](value, bound)]
        if not left:
            raise RunError(
                f"No network of the front meets {text}: the values of those that meet what stands before it go from "
                f"{min(values):.6g} to {max(values):.6g}."
            )
    return left[0]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def with_tests(front: Front, found: Mapping[str, tuple[float, str]]) -> Front:
    """Add the test score and the folder of each network that was found, by trial."""
    networks = []
    for network in front.networks:
        test, place = found.get(network.trial_id, (None, None))
        networks.append(replace(network, test=test, network=place))
    return replace(front, networks=tuple(networks))
