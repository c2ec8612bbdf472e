"""Read a run from its files, whatever state these are in, for its report, the terminal and exports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.observe.events import read_events
from cluster.report.view import Best, Epoch, Proposal, RankingMade, RunView, TrialView, as_score
from cluster.run.config import COSTS
from cluster.run.record import RunRecord
from cluster.run.report import REPORT_FILE, SearchReport
from cluster.storage.lock import has_driver
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import TrialFiles, read_results, read_trials
from mpnas_ray.errors import MPNASError, RunError
from mpnas_ray.explaining import Explanation
from mpnas_ray.files.json_records import from_plain
from mpnas_ray.spaces import Architectures, get_space
from trainables import get_task
from trainables.networks.limits import NetworkSizes
from trainables.user_code import failure_in_text

__all__ = ["EXPLANATION_FILE", "network_sizes", "read_run"]

EXPLANATION_FILE = "explanation.json"
"""In the folder of a complete run: why the predictor ranks its best architecture where it does."""

_VALIDATION = "validation_"
_HIDDEN = (
    "task",
    "preset",
    "epochs",
    "seed",
    "data_dir",
    "data_in",
    "weights",
    "time_limit_s",
    "arch",
    "model",
    "measure_latency",
    "latency_batch",
)
"""Entries of a trial's config that are no hyperparameters of a search."""


@dataclass
class _Told:
    """The lines of ``telemetry.jsonl``, sorted by what they tell."""

    sessions: list[dict[str, Any]] = field(default_factory=list)
    rankings: list[RankingMade] = field(default_factory=list)
    proposals: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)


def read_run(folder: RunFolder) -> RunView:
    """Read a run that is complete, under way, stopped or damaged; what cannot be read is named in it.

    Raises:
        RunError, OSError: If storage cannot be read.
    """
    problems: list[str] = []
    record = _record(folder, problems)
    report = _report(folder, problems)
    told = _sorted_by_kind(read_events(folder))
    files = read_trials(folder)
    last = told.sessions[-1] if told.sessions else {}
    metric, mode = _objective(report, last, record, files)
    if mode is None and files:
        problems.append(f"No file tells whether lower or higher values of {metric} are better: no trial is ranked.")
    trials = _trials(folder, files, told, record, f"{_VALIDATION}{metric}")
    trials = _with_flops(trials, last, record)
    best = _best(trials, report, mode)
    return RunView(
        name=folder.name,
        place=folder.shown,
        state="complete" if report is not None else "running" if has_driver(folder) else "stopped",
        facts=_facts(record, report),
        metric=metric,
        mode=mode,
        num_samples=None if record is None else record.num_trials,
        num_epochs=None if record is None else record.epochs,
        slots=_whole(last.get("slots")) or (report.max_concurrent if report else None),
        trials=trials,
        rankings=tuple(sorted(told.rankings, key=lambda ranking: ranking.time)),
        sessions=_sessions(told, trials),
        best=best,
        explanation=_explanation(folder, best, problems),
        problems=tuple(problems),
        costs=() if record is None else record.config.minimize,
        limits={} if record is None else record.config.max_costs or {},
    )


def _record(folder: RunFolder, problems: list[str]) -> RunRecord | None:
    try:
        return RunRecord.read(folder)
    except RunError as error:
        problems.append(str(error))
        return None


def _report(folder: RunFolder, problems: list[str]) -> SearchReport | None:
    """Read the report without putting a damaged one aside, as continuing the run does."""
    try:
        content = folder.read_json(REPORT_FILE)
        return None if content is None else replace(from_plain(SearchReport, content), folder=folder.shown)
    except (RunError, ValueError) as error:
        problems.append(f"{REPORT_FILE} is damaged: {error}")
        return None


def _sorted_by_kind(events: Iterable[dict[str, Any]]) -> _Told:
    told = _Told()
    for event in events:
        time = _finite(event.get("time"))
        if time is None:
            continue
        told.times.append(time)
        kind, trial_id = event.get("event"), event.get("trial_id")
        if kind == "session":
            told.sessions.append({**event, "time": time})
        elif kind in ("refit", "zero_shot"):
            told.rankings.append(_ranking(event, time))
        elif kind == "proposal" and isinstance(trial_id, str):
            told.proposals.setdefault(trial_id, event)
        elif kind == "result" and isinstance(trial_id, str):
            told.ended[trial_id] = event
    return told


def _ranking(event: Mapping[str, Any], time: float) -> RankingMade:
    verdict, transfer = event.get("transfer_verdict"), event.get("transfer")
    return RankingMade(
        time=time,
        points=_whole(event.get("points")) or 0,
        seconds=_finite(event.get("seconds")) or 0.0,
        spearman=_finite(event.get("spearman_of_proposals")),
        verdict=verdict if isinstance(verdict, str) else None,
        log_odds=_finite(event.get("transfer_log_odds")),
        transfer=transfer if isinstance(transfer, str) else "",
    )


def _objective(
    report: SearchReport | None, session: Mapping[str, Any], record: RunRecord | None, files: Sequence[TrialFiles]
) -> tuple[str, str | None]:
    """Find the name of the metric and its mode: in the report, the telemetry, or by the task's name."""
    if report is not None:
        return report.metric, report.mode
    metric, mode = session.get("metric"), session.get("mode")
    if isinstance(metric, str) and mode in ("min", "max"):
        return metric, mode
    reported = [key for trial in files for key in trial.result or {} if key.startswith(_VALIDATION)]
    metric = reported[0].removeprefix(_VALIDATION) if reported else "metric"
    if record is None:
        return metric, None
    try:
        found = get_task(record.task_name).metric
    except MPNASError:
        return metric, None
    return found.name, found.mode


def _facts(record: RunRecord | None, report: SearchReport | None) -> dict[str, str]:
    if record is None:
        return {} if report is None else {"task": report.task, "space": report.space, "searcher": report.searcher}
    config = record.config
    facts = {
        "task": record.task_name,
        "space": config.space,
        "searcher": config.searcher,
        "predictor": None if config.predictor == "default" else str(config.predictor),
        "proxy": config.proxy,
        "weights": config.weights,
        "scheduler": config.scheduler,
        "preset": config.preset,
        **{name.replace("_", " "): str(value) for name, value in config.recipe.items()},
        "seed": str(config.seed),
        "extends": record.extends,
        "data": "read from disk" if report is not None and report.data_in == "disk" else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _trials(
    folder: RunFolder, files: Sequence[TrialFiles], told: _Told, record: RunRecord | None, key: str
) -> tuple[TrialView, ...]:
    constants = () if record is None else record.constants().keys()
    order = {trial_id: place for place, trial_id in enumerate(told.proposals)}
    found: list[tuple[tuple[float, float], TrialView]] = []
    for trial in files:
        epochs = _epochs(read_results(folder, trial.trial_id), key) or _epochs([trial.result or {}], key)
        begin = epochs[0].end - epochs[0].seconds if epochs else math.inf
        parameters = _whole((trial.result or {}).get("parameters"))
        others = {k: v for k, v in trial.config.items() if k not in constants and k not in _HIDDEN}
        ended = told.ended.get(trial.trial_id)
        failed = trial.failed or bool(ended and ended.get("failed"))
        view = TrialView(
            number=0,
            trial_id=trial.trial_id,
            arch=trial.arch,
            state=_state(epochs, trial, failed, None if record is None else record.epochs, ended),
            epochs=epochs,
            parameters=parameters,
            costs=_costs(trial.result or {}),
            hyperparameters=others,
            proposal=_proposal(told.proposals.get(trial.trial_id, {})),
            error=_error(folder, trial.trial_id) if failed else "",
        )
        found.append(((order.get(trial.trial_id, math.inf), begin), view))
    found.sort(key=lambda each: (each[0], each[1].trial_id))
    return tuple(replace(view, number=number) for number, (_, view) in enumerate(found, 1))


def _costs(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the costs that a trial reported, of those that a search may look at."""
    found = {name: _finite(result.get(name)) for name in COSTS}
    return {name: value for name, value in found.items() if value is not None and value >= 0}


def _epochs(results: Iterable[Mapping[str, Any]], key: str) -> tuple[Epoch, ...]:
    """Take the newest report of each epoch: a trial that was tried again reports some twice."""
    found: dict[int, Epoch] = {}
    for result in results:
        number, end = _whole(result.get("epoch")), _finite(result.get("timestamp"))
        value = result.get(key)
        if number is None or end is None or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        found[number] = Epoch(number, float(value), end, max(0.0, _finite(result.get("seconds")) or 0.0))
    return tuple(found[number] for number in sorted(found))


def _state(
    epochs: tuple[Epoch, ...], trial: TrialFiles, failed: bool, num_epochs: int | None, ended: Mapping[str, Any] | None
) -> Any:
    if failed:
        return "failed"
    if epochs and not math.isfinite(epochs[-1].value):
        return "nan"
    reached = _whole((trial.result or {}).get("training_iteration")) or 0  # all epochs, where patience ended it
    if epochs and num_epochs is not None and max(epochs[-1].number, reached) >= num_epochs:
        return "complete"
    if epochs and (ended is not None or (trial.result or {}).get("done") is True):
        return "complete" if num_epochs is None else "stopped"
    return "unfinished"


def _proposal(event: Mapping[str, Any]) -> Proposal:
    return Proposal(_finite(event.get("predicted")), _whole(event.get("rank")), _whole(event.get("ranking_age")))


def _error(folder: RunFolder, trial_id: str) -> str:
    text = folder.read(f"{trial_id}/error.txt")
    return "" if not text else failure_in_text(text)


def network_sizes(session: Mapping[str, Any], record: RunRecord | None) -> NetworkSizes | None:
    """Return what counts the sizes of a run's networks; None where the telemetry does not tell the shape of the data.

    Args:
        session: Event of a session.
        record: Record of the run.
    """
    shape, outputs, dense = session.get("input_shape"), session.get("num_outputs"), session.get("dense")
    if record is None or not isinstance(shape, list) or not isinstance(outputs, int) or not isinstance(dense, bool):
        return None
    try:
        return NetworkSizes(tuple(shape), outputs, dense, record.config.preset)
    except MPNASError:  # a damaged shape
        return None


def _with_flops(
    trials: tuple[TrialView, ...], session: Mapping[str, Any], record: RunRecord | None
) -> tuple[TrialView, ...]:
    """Add what the telemetry's shape of the data tells of all networks: multiply-adds, and bytes of a training."""
    sizes = network_sizes(session, record)
    if sizes is None or record is None:
        return trials
    try:
        archs = Architectures.of([trial.arch for trial in trials], get_space(record.config.space))
        flops = sizes.flops(archs).tolist()
        batch_size = record.config.batch_size
        kept = None if batch_size is None else sizes.training_bytes(archs, batch_size).tolist()
    except MPNASError:  # an architecture of another space
        return trials
    found = []
    for row, (trial, count) in enumerate(zip(trials, flops, strict=True)):
        more = {"flops": float(count)} | ({} if kept is None else {"memory_bytes": float(kept[row])})
        found.append(replace(trial, flops=count, costs={**trial.costs, **more}))
    return tuple(found)


def _explanation(folder: RunFolder, best: Best | None, problems: list[str]) -> Explanation | None:
    """Read the explanation of the best architecture; one of another is out of date."""
    try:
        content = folder.read_json(EXPLANATION_FILE)
        found = None if content is None else Explanation.of_plain(content)
    except (RunError, ValueError) as error:
        problems.append(f"{EXPLANATION_FILE} is damaged: {error}")
        return None
    return found if found is not None and best is not None and found.arch == best.arch else None


def _best(trials: tuple[TrialView, ...], report: SearchReport | None, mode: str | None) -> Best | None:
    """Choose the best trial as the end of the run does, or find the one that was chosen there."""
    if report is not None:
        same = [trial for trial in trials if trial.arch == report.best_arch and trial.counts]
        chosen = max(same, key=lambda trial: (trial.state == "complete", len(trial.epochs)), default=None)
        network = report.network if report.has_network else None
        flops = None if chosen is None else chosen.flops
        return Best(chosen, report.best_arch, report.validation, report.test, report.parameters, flops, network)
    ended = [trial for trial in trials if trial.counts]
    if not ended or mode is None:
        return None
    best = max(ended, key=lambda trial: (trial.state == "complete", as_score(trial.value, mode)))
    return Best(best, best.arch, best.value, None, best.parameters, best.flops)


def _sessions(told: _Told, trials: tuple[TrialView, ...]) -> tuple[tuple[float, float], ...]:
    """Find when each session began and ended: at the last that was heard of it before the next."""
    heard = [
        *told.times,
        *(time for trial in trials for epoch in trial.epochs for time in (epoch.end - epoch.seconds, epoch.end)),
    ]
    if not heard:
        return ()
    begins = sorted(session["time"] for session in told.sessions)
    first = min(heard)
    if not begins or first < begins[0]:
        begins.insert(0, first)
    limits = [*begins[1:], math.inf]
    found = []
    for begin, limit in zip(begins, limits, strict=True):
        within = [time for time in heard if begin <= time < limit]
        found.append((begin, max(within, default=begin)))
    return tuple((begin, end) for begin, end in found if end > begin)


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if abs(value) < 1e300 else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None
