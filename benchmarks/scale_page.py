"""The page and the figure of benchmarks/scale.py: what was measured, lines through it, and where they lead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scale_fits import Busy, Growth, Line, blocks

OURS, OTHER = "MPNASSearch", "OptunaSearch"
LEAST_BUSY, BUSY_AIM, MOST_RESUME_SECONDS = 0.95, 0.98, 30.0
"""Ours."""

GPUS, TRIAL_SECONDS, RESULTS_OF_TRIAL, NUM_TRIALS = 1_000, 600.0, (1, 50), (2_000, 10_000, 50_000)
"""Numbers to extrapolate to."""

MOST_TRIALS = 1_000_000

DRIVER_BYTES = 16e9
"""Memory that a driver may have, an assumption."""


def of_kind(content: dict[str, Any], kind: str) -> dict[str, list[dict[str, Any]]]:
    """Experiments by searcher."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in content["runs"]:
        if row["case"]["name"].startswith(f"{kind}-"):
            rows.setdefault(row["case"]["searcher"], []).append(row)
    return rows


def per_trial(row: dict[str, Any], key: str, start: int = 0, end: int = -1) -> float:
    """Compute what a trial takes of a quantity that adds up, from one mark to another."""
    first, last = row["marks"][start], row["marks"][end]
    return float((last[key] - first[key]) / (last["trials"] - first["trials"]))


def searcher_cpu(row: dict[str, Any]) -> float:
    """Seconds of a trial in the searcher's own calls."""
    seconds = sum(call["cpu"] for mark in row["marks"] for call in mark["calls"].values())
    return float(seconds / row["marks"][-1]["trials"])


def result_seconds(content: dict[str, Any], growth: Growth) -> float:
    """Compute the seconds of the control thread for each further result of a trial."""
    [row] = of_kind(content, "reports")[OURS]
    further = [control - growth.control.at(middle) for middle, control, _ in blocks(row)[1:]]
    return max(0.0, fmean(further)) / (row["case"]["reports"] - 1)


def met(condition: bool) -> str:
    return "met" if condition else "missed"


def page(content: dict[str, Any]) -> list[str]:
    cost, busy = of_kind(content, "cost"), of_kind(content, "busy")
    [paced] = of_kind(content, "pace")[OURS]
    pace = cost[OURS][0]["case"]["pace"]
    growth = {name: Growth.of(rows) for name, rows in cost.items()}
    return [
        "# Scale, simulated",
        "",
        f"`{content['command']}`, {content['machine']}; "
        f"{', '.join(f'{name} {number}' for name, number in content['versions'].items())}.",
        "",
        f"{content['nodes']} raylets and their workers, the driver and the refits on this one machine; GPUs are but",
        "numbers. Trials look up a made-up table of NAS-Bench-201 and sleep; each slot is a process of its own, which",
        "takes one trial after another (`reuse_actors`) and imports no torch. The run folder is on the local disk,",
        f"snapshots {in_words(pace)} as `mpnas search` has it where nothing else is said. Ours also write a run's",
        "telemetry. CPU times are those of the driver process with all its threads; refits run in a process beside it.",
        *busy_part(busy),
        *cost_part(cost, paced),
        *resume_part(cost, paced),
        *growth_part({**growth, with_pace(paced): Growth.of([paced])}),
        *limits_part(content, growth[OURS], cost[OURS]),
    ]


def busy_part(busy: dict[str, list[dict[str, Any]]]) -> list[str]:
    case = next(iter(busy.values()))[0]["case"]
    lines = [
        "",
        "## Are the GPUs busy?",
        "",
        f"{case['num_samples']} trials of {case['seconds']:g} s, {case['slots']} at a time. Busy is what trials slept",
        "of all slots' time. Steady: from when as many processes as slots have begun a trial to when the last trial",
        "begins. Whole: from the first trial's begin to the last one's end, with all processes still to be started on",
        "these cores, and at last slots with nothing left to do. A wait is from one trial's end to the next one's",
        "begin in the same process.",
        "",
        "| searcher | steady | whole | all slots filled after | steady for | wait, median | wait, p95 "
        "| driver CPU a trial | peak memory of all |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, [row] in busy.items():
        used = Busy.of(row)
        half, most = np.quantile(used.waits, (0.5, 0.95))
        lines.append(
            f"| {name} | {used.steady:.1%} | {used.whole:.1%} | {used.filled_seconds:.0f} s "
            f"| {used.steady_seconds:.0f} s | {1e3 * half:.0f} ms | {1e3 * most:.0f} ms "
            f"| {1e3 * per_trial(row, 'cpu'):.1f} ms | {row['seen']['memory_bytes'] / 1e9:.1f} GB |"
        )
    ours = Busy.of(busy[OURS][0]).steady
    return [
        *lines,
        "",
        f"In the steady state, {OURS} was to reach {LEAST_BUSY:.0%}: {met(ours >= LEAST_BUSY)}. Aimed at was "
        f"{BUSY_AIM:.0%}: {met(ours >= BUSY_AIM)}.",
    ]


def cost_part(cost: dict[str, list[dict[str, Any]]], paced: dict[str, Any]) -> list[str]:
    case = cost[OURS][0]["case"]
    lines = [
        "",
        "## What does a trial cost the driver?",
        "",
        f"{case['kill_at']:,} trials of {case['seconds']:g} s, {case['slots']} at a time; medians of "
        f"{len(cost[OURS])} turn{'s' if len(cost[OURS]) > 1 else ''}. CPU milliseconds a trial; the control",
        "thread is the one that starts trials,",
        "handles results and takes snapshots, and calls the searcher; the last part is what a trial took of all.",
        "",
        f"| searcher | CPU a trial | over {OTHER}'s | control thread | searcher's calls | first quarter | last quarter "
        "| refits' process | wall a trial |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]

    def mean_ms(key: str, start: float = 0, end: float = 1) -> float:
        values = []
        for row in rows:
            last = len(row["marks"]) - 1
            values.append(1e3 * per_trial(row, key, round(start * last), round(end * last)))
        return median(values)

    for name, rows in {**cost, with_pace(paced): [paced]}.items():
        refits = median(row["seen"]["cpu"].get("refits", 0.0) / row["case"]["kill_at"] for row in rows)
        lines.append(
            f"| {name} | {mean_ms('cpu'):.1f} | {ratio(rows, cost[OTHER]):.2f} | {mean_ms('control_cpu'):.1f} "
            f"| {1e3 * median(map(searcher_cpu, rows)):.2f} | {mean_ms('cpu', 0, 0.25):.1f} "
            f"| {mean_ms('cpu', 0.75, 1):.1f} | {1e3 * refits:.1f} | {mean_ms('wall'):.0f} |"
        )
    return [
        *lines,
        "",
        f"Not more than {OTHER} in the same run was to be reached: {met(ratio(cost[OURS], cost[OTHER]) <= 1)}.",
        "The ratio is the median of those of one turn.",
    ]


def ratio(mine: list[dict[str, Any]], others: list[dict[str, Any]]) -> float:
    pairs = zip(mine, others, strict=False)
    return median(per_trial(one, "cpu") / per_trial(other, "cpu") for one, other in pairs)


def with_pace(paced: dict[str, Any]) -> str:
    return f"{OURS}, snapshots {in_words(paced['case']['pace'])}"


def in_words(pace: str) -> str:
    """Say the pace of snapshots; Tune's own is ten seconds, or 19 times what the last one took if that is more."""
    return "at Tune's pace" if pace == "auto" else f"each {'second' if float(pace) == 1 else f'{pace} s'}"


def paces_of(content: dict[str, Any]) -> list[str]:
    """List the paces of snapshots, ours first."""
    return list(dict.fromkeys(row["case"]["pace"] for row in content["runs"]))


def resume_part(cost: dict[str, list[dict[str, Any]]], paced: dict[str, Any]) -> list[str]:
    case = cost[OURS][0]["case"]
    lines = [
        "",
        "## How long does it take to go on?",
        "",
        f"The driver gets SIGKILL at {case['kill_at']:,} completed trials, on a cluster that stays. Seconds from the",
        "start of the new process; the slower of the runs. `Tuner.restore` follows once the snapshot is in line with",
        "the trials' files (`ray/snapshots.py`, ours alone). Done again: trials that ended after the last snapshot.",
        "",
        "| searcher | attached to Ray | in line | restored | first trial begins | all slots at work | done again |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    slowest = {name: max((row["resumed"] for row in rows), key=first_trial) for name, rows in cost.items()}
    slowest[with_pace(paced)] = paced["resumed"]
    for name, resumed in slowest.items():
        times = resumed["seconds"]
        keys = ("attached", "reconciled", "restored", "first trial", "all slots")
        again = resumed["trials_after"] - (case["num_samples"] - case["kill_at"])
        lines.append(f"| {name} | {' | '.join(f'{times[key]:.1f}' for key in keys)} | {max(0, again)} |")
    in_time = first_trial(slowest[OURS]) < MOST_RESUME_SECONDS
    return [*lines, "", f"Less than {MOST_RESUME_SECONDS:g} s to the first trial was to be reached: {met(in_time)}."]


def first_trial(resumed: dict[str, Any]) -> float:
    return float(resumed["seconds"]["first trial"])


def growth_part(growth: dict[str, Growth]) -> list[str]:
    lines = [
        "",
        "## How does it grow?",
        "",
        "Lines by least squares through all that was measured: a constant, and what 1,000 trials add. A snapshot is",
        "Tune's file of the trials with the searcher's; Tune then copies the folder with all trials' logs in another",
        "thread. Control thread and other threads: CPU of a trial, snapshots aside and without the first twentieth of",
        "the trials, in which processes start.",
        "",
        "| searcher | control thread, ms | other threads, ms | snapshot, s | snapshot, MB | searcher's state, kB "
        "| copying, s | driver's memory, MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in growth.items():
        cells = [
            term(line, scale, digits)
            for line, scale, digits in (
                (one.control, 1e3, 1),
                (one.others, 1e3, 1),
                (one.snapshot, 1, 3),
                (one.snapshot_bytes, 1e-6, 1),
                (one.searcher_bytes, 1e-3, 0),
                (one.copy, 1, 2),
                (one.rss, 1e-6, 0),
            )
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def term(line: Line, scale: float, digits: int) -> str:
    return f"{scale * line.at_0:.{digits}f} {scale * 1e3 * line.slope:+.{digits}f}"


def limits_part(content: dict[str, Any], growth: Growth, rows: list[dict[str, Any]]) -> list[str]:
    rate, a_result, case = GPUS / TRIAL_SECONDS, result_seconds(content, growth), rows[0]["case"]
    lines = [
        "",
        f"## {GPUS:,} GPUs, extrapolated",
        "",
        f"{OURS} and trials of {TRIAL_SECONDS / 60:g} minutes, {rate:.2f} ending in a second. By the lines above,",
        f"measured up to {case['kill_at']:,} trials and {case['slots']} slots. Each result but a trial's last costs",
        f"the control thread {1e3 * a_result:.1f} ms. Shares of that thread's time: where they add up to more than",
        "100 %, GPUs wait. Copying is how much of the time the other thread is at it. A line that",
        "falls is taken as level here.",
        "",
        "| trials so far | results of a trial | snapshots | handling trials | taking snapshots | together | copying "
        "| snapshot | driver's memory |",
        "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for trials in NUM_TRIALS:
        for results in RESULTS_OF_TRIAL:
            for pace in paces_of(content):
                handling, saving = growth.handling(trials, rate, results, a_result), growth.saving(trials, pace)
                shares = (handling, saving, handling + saving, growth.copying(trials, pace))
                lines.append(
                    f"| {trials:,} | {results} | {in_words(pace)} | {' | '.join(f'{share:.0%}' for share in shares)} "
                    f"| {growth.snapshot_bytes.at(trials) / 1e6:.0f} MB, {growth.snapshot.at(trials):.1f} s "
                    f"| {growth.rss.at(trials) / 1e9:.1f} GB |"
                )
    limits = {f"the driver has {DRIVER_BYTES / 1e9:g} GB": growth.rss.reaches(DRIVER_BYTES)}
    for pace in paces_of(content):
        words = in_words(pace)
        limits[f"the run folder is being copied all the time, snapshots {words}"] = first(
            lambda trials, pace=pace: growth.copying(trials, pace) >= 1
        )
        for results in RESULTS_OF_TRIAL:
            limits[f"the control thread is full, results of a trial: {results}, snapshots {words}"] = first(
                lambda trials, pace=pace, results=results: (
                    growth.handling(trials, rate, results, a_result) + growth.saving(trials, pace) >= 1
                )
            )
    store = max(row["seen"]["store_bytes"] for row in rows)
    gcs, refits = (
        median(row["seen"]["cpu"].get(kind, 0.0) / case["kill_at"] for row in rows) for kind in ("gcs_server", "refits")
    )
    return [
        *lines,
        "",
        "What comes first, in trials of one run:",
        "",
        "| trials | what |",
        "| ---: | --- |",
        *(
            f"| {f'over {MOST_TRIALS:,}' if trials > MOST_TRIALS else f'{round(trials, -2):,.0f}'} | {what} |"
            for what, trials in sorted(limits.items(), key=lambda limit: limit[1])
        ),
        "",
        f"Not among them: the object stores held {store / 1e6:.1f} MB at most (the ranking of a refit; results travel",
        f"in messages), however many trials. Ray's control service took {1e3 * gcs:.1f} ms of CPU a trial, its start",
        f"included, {rate * gcs:.1%} of a core at this rate. Refits took {1e3 * refits:.0f} ms a trial in a process of",
        f"their own, {rate * refits:.0%} of a core; were that more than all of one, rankings would only be older.",
        "",
        "Not measured: a network between the nodes, more than these raylets, storage that is not a local disk, and",
        "real trainings' checkpoints, which workers upload by themselves.",
    ]


def first(condition: Callable[[float], bool]) -> float:
    """Fewest trials, to the nearest hundred, at which something comes to hold; infinite above `MOST_TRIALS`."""
    return next((trials for trials in range(0, MOST_TRIALS + 1, 100) if condition(trials)), np.inf)


def plot(content: dict[str, Any], path: Path) -> None:
    cost = of_kind(content, "cost")
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    of_cpu, of_snapshots, of_share = figure.subplots(1, 3)
    for number, (name, rows) in enumerate(cost.items()):
        colour = f"C{number}"
        for row in rows:
            middle, control, others = np.array(blocks(row)).T
            label = name if row is rows[0] else None
            of_cpu.plot(middle, 1e3 * (control + others), color=colour, label=label)
            snapshots = [snapshot for mark in row["marks"] for snapshot in mark["snapshots"]]
            counts, seconds = ([snapshot[key] for snapshot in snapshots] for key in ("trials", "seconds"))
            of_snapshots.plot(counts, seconds, ".", markersize=2, color=colour)
    growth, rate = Growth.of(cost[OURS]), GPUS / TRIAL_SECONDS
    trials, measured = np.geomspace(100, NUM_TRIALS[-1], 200), cost[OURS][0]["case"]["kill_at"]
    a_result = result_seconds(content, growth)
    for colour, pace in zip(("C4", "C5"), paces_of(content), strict=True):
        for results, style in zip(RESULTS_OF_TRIAL, ("-", "--"), strict=True):
            shares = [growth.handling(each, rate, results, a_result) + growth.saving(each, pace) for each in trials]
            label = f"results: {results}, snapshots {in_words(pace)}"
            of_share.plot(trials, shares, style, color=colour, label=label)
    of_share.axvline(measured, color="grey", linewidth=0.8, label="measured up to here")
    of_share.axhline(1, color="grey", linewidth=0.8)
    of_cpu.set(xlabel="trials so far", ylabel="ms", ylim=(0, None), title="Driver CPU of a trial, snapshots aside")
    of_snapshots.set(xlabel="trials so far", ylabel="s", title="A snapshot")
    of_share.set(xlabel="trials so far", xscale="log", ylim=(0, 2), title=f"Control thread, {GPUS:,} GPUs")
    of_cpu.legend(fontsize="small")
    of_share.legend(fontsize="x-small", loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
