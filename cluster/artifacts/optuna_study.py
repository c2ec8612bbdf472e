"""Export the trials of a run as a study of Optuna, for optuna-dashboard and `optuna.visualization`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cluster.report.view import RunView, TrialView
from mpnas_ray.errors import RunError, SearchSpaceError
from mpnas_ray.files.atomic import atomic_path
from mpnas_ray.spaces import parse_architecture
from mpnas_ray.spaces.drawing import vertex_name
from mpnas_ray.spaces.mixed import Mixed
from mpnas_ray.spaces.mixed_macro import MixedMacro
from mpnas_ray.spaces.operation_graph import ABSENT, OperationGraphs

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

__all__ = ["architecture_parameters", "write_study"]


def architecture_parameters(arch: str) -> dict[str, str]:
    """Describe an architecture by named choices.

    Args:
        arch: Architecture string.

    Returns:
        ``slot n`` -> operation of the n-th inner vertex of its graph, with its width, stride and repeats where spaces
        vary them, or ``absent``. In NAS-Bench-101, where cells also
        differ in their edges, ``edge i-j`` -> ``yes`` or ``no``. A cell of the mixed space has its ``family`` beside,
        and the family's name stands before each of the others, since other families have other slots. An architecture
        with sizes of its own has its ``width``, ``depth`` and ``strides``, too.

    Raises:
        SearchSpaceError: If no space reads it.
    """
    space = parse_architecture(arch).space
    if isinstance(space, MixedMacro):
        cell, _, sizes = arch.removeprefix(f"{space.name}:").partition("@")
        names = ("width", "depth", "strides")
        return {
            **architecture_parameters(f"{space.cells.name}:{cell}"),
            **dict(zip(names, sizes.split("-"), strict=True)),
        }
    graph, family = _graph(arch)
    kinds, edges = graph.kinds[0], graph.edges[0]
    found = {
        f"slot {n}": "absent" if kind == ABSENT else vertex_name(graph, n)
        for n, kind in enumerate(kinds[1:-1].tolist(), start=1)
    }
    if family == "nasbench101":
        pairs = combinations(range(len(kinds)), 2)
        found |= {f"edge {i}-{j}": "yes" if edges[i, j] else "no" for i, j in pairs}
    if not isinstance(space, Mixed):
        return found
    return {"family": family, **{f"{family} {name}": value for name, value in found.items()}}


def _graph(arch: str) -> tuple[OperationGraphs, str]:
    """Return the graph of an architecture and its topology family; a mixed cell's without room for other families."""
    parsed = parse_architecture(arch)
    if not isinstance(parsed.space, Mixed):
        return parsed.graph, parsed.space.name
    cell = str(parsed).removeprefix(f"{parsed.space.name}:")
    family = next(family for family in parsed.space.families if cell.startswith(f"{family.name}:"))
    codes = np.asarray([family.parse(cell).codes], dtype=np.int8)
    return family.operation_graphs(codes), family.name


def write_study(run: RunView, path: Path) -> None:
    """Write a file with one study, named as the run, whole and then renamed.

    Complete trials are ``COMPLETE``, those that a scheduler or limit ended are ``PRUNED``, failed ones and those
    without a finite value are ``FAIL``, unfinished ones are ``RUNNING``. Epochs are intermediate values. Architecture
    string, trial id, parameters, FLOPs, prediction and error are user attributes.

    Args:
        run: The run; its ``mode`` must be known.
        path: ``*.db`` for an SQLite database, ``*.log`` or ``*.journal`` for Optuna's journal.

    Raises:
        RunError: If the mode of the run's metric is not known, or if the file's ending names no storage of Optuna.
    """
    import optuna
    from optuna.study import StudyDirection

    if run.mode is None:
        raise RunError(f"{run.place} does not tell whether its metric is minimised: its task cannot be found.")
    direction = StudyDirection.MAXIMIZE if run.mode == "max" else StudyDirection.MINIMIZE
    distributions = _distributions(run)
    with atomic_path(path) as part, _quiet():
        storage = _storage(part, path.suffix)
        study = optuna.create_study(storage=storage, study_name=run.name, direction=direction)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([run.metric])
        for name, value in run.facts.items():
            study.set_user_attr(name, value)
        study.add_trials([_frozen(trial, distributions) for trial in run.trials])
        storage.remove_session()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from saying that it made a study."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _storage(part: Path, suffix: str) -> BaseStorage:
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    if suffix == ".db":
        return RDBStorage(f"sqlite:///{part}")
    if suffix in (".log", ".journal"):
        return JournalStorage(JournalFileBackend(str(part)))
    raise RunError(f"Optuna keeps studies in files that end in .db (SQLite) or .log (journal), not in {suffix or '-'}.")


def _parameters(trial: TrialView) -> dict[str, Any]:
    """Return all named choices of a trial: of its architecture, and its hyperparameters."""
    try:
        choices: dict[str, Any] = dict(architecture_parameters(trial.arch))
    except SearchSpaceError:
        choices = {}
    for name, value in trial.hyperparameters.items():
        choices[name] = value if isinstance(value, int | float | str | bool | None) else str(value)
    return choices


def _distributions(run: RunView) -> dict[str, BaseDistribution]:
    """Find for each choice the values that it has in this run, which are all that the files tell."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values: dict[str, list[Any]] = {}
    for trial in run.trials:
        for name, value in _parameters(trial).items():
            values.setdefault(name, []).append(value)
    found: dict[str, BaseDistribution] = {}
    for name, given in values.items():
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in given)
        if numbers and all(isinstance(value, int) for value in given):
            found[name] = IntDistribution(min(given), max(given))
        elif numbers and all(math.isfinite(value) for value in given):
            low, high = float(min(given)), float(max(given))
            found[name] = FloatDistribution(low, high, log=low > 0 and high / low >= 100)
        else:
            found[name] = CategoricalDistribution(sorted(set(given), key=str))
    return found


def _frozen(trial: TrialView, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """Make Optuna's trial of ours."""
    from optuna.trial import TrialState, create_trial

    state = {
        "complete": TrialState.COMPLETE,
        "stopped": TrialState.PRUNED,
        "unfinished": TrialState.RUNNING,
    }.get(trial.state, TrialState.FAIL)
    parameters = _parameters(trial)
    made = create_trial(
        state=state,
        value=trial.value if state in (TrialState.COMPLETE, TrialState.PRUNED) and trial.counts else None,
        params=parameters,
        distributions={name: distributions[name] for name in parameters},
        intermediate_values={epoch.number: epoch.value for epoch in trial.epochs if math.isfinite(epoch.value)},
        user_attrs=dict(_attributes(trial)),
    )
    if trial.epochs:
        made.datetime_start = datetime.fromtimestamp(trial.epochs[0].end - trial.epochs[0].seconds)
        if state.is_finished():
            made.datetime_complete = datetime.fromtimestamp(trial.end)
    return made


def _attributes(trial: TrialView) -> Iterator[tuple[str, Any]]:
    yield "arch", trial.arch
    yield "trial_id", trial.trial_id
    for name, value in (
        ("parameters", trial.parameters),
        ("flops", trial.flops),
        ("predicted", trial.proposal.predicted),
        ("rank", trial.proposal.rank),
        ("error", trial.error or None),
    ):
        if value is not None:
            yield name, value
