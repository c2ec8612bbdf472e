"""The page of the predictor study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cluster.experiments.studies.estimates import Estimate
from cluster.experiments.studies.predictors.methods import META_LEARNED, METHODS, SCORED, SHARES, SLOW
from cluster.experiments.studies.predictors.results import Measure, Results, TestSet
from cluster.experiments.studies.predictors.targets import OFFICIAL
from cluster.pages.markdown import markdown_table

__all__ = ["Group", "body_of", "groups_of"]

_COMPARED_AT = (5, 10, 25, 50, 100, 250)
"""Numbers of training architectures; up to 50 of them MP-NAS is meant to lead."""


@dataclass(frozen=True)
class Group:
    """Targets that are shown together.

    Attributes:
        title: Title of their section.
        targets: Names.
        sizes: Numbers of training architectures, ascending.
        epochs: Target -> epochs that curve methods saw at each of `SHARES`; empty where there are no curves.
        has_mutants: True if mutants are judged.
    """

    title: str
    targets: tuple[str, ...]
    sizes: tuple[int, ...]
    epochs: Mapping[str, tuple[int, ...]]
    has_mutants: bool

    @classmethod
    def of(cls, title: str, targets: Sequence[str], results: Results) -> Group:
        """Look up in the measurements of some targets what there is to show."""
        sizes, epochs = [], {}
        has_mutants = False
        for target in targets:
            fitted = set()
            for unit, measurements in results.measured.items():
                if unit.target != target:
                    continue
                if METHODS[unit.method].kind == "curve":
                    epochs[target] = tuple(one.epochs for one in measurements[: len(SHARES)])
                if METHODS[unit.method].kind == "predictor":
                    fitted |= {one.size for one in measurements}
                    has_mutants |= any(one.mutants is not None for one in measurements)
            sizes.append(fitted)
        return cls(title, tuple(targets), tuple(sorted(set.intersection(*sizes))), epochs, has_mutants)

    def seen(self, position: int) -> list[int]:
        """Return the epochs that are a share, by its position in `SHARES`, of each target's training."""
        return [self.epochs[target][position] for target in self.targets]


def groups_of(results: Results) -> list[Group]:
    """Show each official task by itself, and the tasks of our own table together."""
    own = [name for name in results.targets if name not in OFFICIAL]
    groups = [Group.of(name, [name], results) for name in OFFICIAL if name in results.targets]
    return [*groups, Group.of("Our own table, mixed space", own, results)] if own else groups


def body_of(content: Mapping[str, Any], results: Results) -> str:
    """Write the page below its head, in Markdown.

    Args:
        content: The JSON file's, for the numbers of seeds.
        results: All measurements.
    """
    groups = groups_of(results)
    sections = "\n\n".join(_section(results, group) for group in groups)
    seeds = str(content["seeds"])
    if content["slow_seeds"] < content["seeds"]:
        seeds += f" ({content['slow_seeds']} for {', '.join(f'`{name}`' for name in SLOW)})"
    measured = results.methods(results.targets)
    about = "\n".join(f"- `{name}`: {method.description}" for name, method in METHODS.items() if name in measured)
    return f"""\
After White et al. 2021. A method is fitted to some architectures of a task, drawn at random, and ranks others;
numbers are Kendall's tau with their measured scores, means ± standard errors over seeds: {seeds}. Each seed has
its own draw, the same for all methods. The smaller training sets are the beginnings of the larger. On tables of whole
spaces 500 other architectures are judged, and apart from them 100 mutants of the best fifth of the training set, which
is what a search would look at next; of our own table, 100. In each draw {SCORED} of these are judged by zero-cost
proxies, which need no training set and take long. `{META_LEARNED}` was meta-learned without the data set that is
judged, in any table. Curve methods see the first epochs of the judged architectures. NAS-Bench-101's trainings of 4,
12, 36 and 108 epochs are separate annealed ones, a fidelity ladder and no curves.

{_verdict(results, groups)}

![Kendall's tau against the number of training architectures, and against time](predictors.png)

{sections}

## The methods

{about}
"""


def _verdict(results: Results, groups: Sequence[Group]) -> str:
    """Show where the meta-learned predictor leads those that are fitted to as many points, and where not."""
    lines = []
    for group in groups:
        for target in group.targets:
            cells = [target]
            for size in _COMPARED_AT:
                leads = _leads(results, target, size)
                if not leads:
                    cells.append("-")
                    continue
                best = min(leads, key=lambda name: leads[name])
                shown = f"{leads[best]:+.2f}"
                cells.append(f"{shown if leads[best] >= 0 else f'**{shown}**'} ({best})")
            lines.append(cells)
    header = ["target", *(f"{size} points" for size in _COMPARED_AT)]
    return f"""## Where `{META_LEARNED}` leads

Its tau minus that of the best method that is fitted to the same points alone, which is named, over the seeds that both
have; bold where it loses.
The best of many is chosen by the numbers shown, which flatters the rivals.

{markdown_table(header, lines)}"""


def _leads(results: Results, target: str, size: int) -> dict[str, float]:
    """Return rival -> by how much the meta-learned predictor is better, over the seeds that both have."""
    ours = [one.uniform.kendall for one in results.of(META_LEARNED, target, size)]
    found = {}
    for name in _fitted(results, [target]):
        theirs = [one.uniform.kendall for one in results.of(name, target, size)]
        both = min(len(ours), len(theirs))
        if name != META_LEARNED and both:
            found[name] = float(np.mean(ours[:both]) - np.mean(theirs[:both]))
    return found


def _fitted(results: Results, targets: Sequence[str]) -> list[str]:
    """Methods that learn from architectures alone."""
    return [name for name in results.methods(targets) if METHODS[name].kind == "predictor"]


def _section(results: Results, group: Group) -> str:
    parts = [f"## {group.title}"]
    if len(group.targets) > 1:
        parts.append(f"Means over {', '.join(target.partition('/')[2] for target in group.targets)}.")
    if group.sizes:
        parts.append("Kendall's tau on uniformly drawn architectures, by number of training architectures:")
        parts.append(_by_size(results, group, "kendall", "uniform"))
        if group.has_mutants:
            parts.append("The same on mutants of the best of the training set:")
            parts.append(_by_size(results, group, "kendall", "mutants"))
        parts.append("Spearman correlation on uniformly drawn architectures:")
        parts.append(_by_size(results, group, "spearman", "uniform"))
    free = _free(results, group)
    if free:
        parts.append("Without any training:")
        parts.append(free)
    if group.epochs.keys() == set(group.targets):
        parts.append("Curve methods, by the share of the epochs that they saw of each judged architecture:")
        parts.append(_by_share(results, group))
    if group.sizes:
        parts.append(
            "CPU seconds to fit, and milliseconds a query (medians; the training of architectures is not counted):"
        )
        parts.append(_times(results, group))
    return "\n\n".join(parts)


def _by_size(results: Results, group: Group, measure: Measure, tested: TestSet) -> str:
    lines = []
    for name in _fitted(results, group.targets):
        found = [results.estimate(name, group.targets, size, measure=measure, tested=tested) for size in group.sizes]
        lines.append([name, *map(_shown, found)])
    return markdown_table(["method", *map(str, group.sizes)], lines)


def _free(results: Results, group: Group) -> str:
    lines = []
    for name in results.methods(group.targets):
        if METHODS[name].kind != "zero-cost":
            continue
        both = [results.estimate(name, group.targets, 0, measure=measure) for measure in ("kendall", "spearman")]
        seconds = results.seconds(name, group.targets, 0)
        lines.append([name, *map(_shown, both), "-" if seconds is None else f"{1e3 * seconds[1]:.3g}"])
    return markdown_table(["proxy", "Kendall", "Spearman", "ms a network"], lines) if lines else ""


def _by_share(results: Results, group: Group) -> str:
    lines = []
    for name in results.methods(group.targets):
        if METHODS[name].kind != "curve":
            continue
        sizes = sorted({size for target in group.targets for size, _ in results.settings(name, target)})
        for size in sizes:
            found = [results.estimate(name, group.targets, size, group.seen(place)) for place in range(len(SHARES))]
            lines.append([name, str(size) if size else "-", *map(_shown, found)])
    return markdown_table(["method", "trained on", *(f"{share:.0%}" for share in SHARES)], lines)


def _times(results: Results, group: Group) -> str:
    sizes = [group.sizes[0], *(size for size in (50,) if size in group.sizes), group.sizes[-1]]
    lines = []
    for name in _fitted(results, group.targets):
        found = [results.seconds(name, group.targets, size) for size in sizes]
        query = found[-1] or found[0]
        lines.append(
            [
                name,
                *("-" if one is None else f"{one[0]:.3g}" for one in found),
                "-" if query is None else f"{1e3 * query[1]:.3g}",
            ]
        )
    return markdown_table(["method", *(f"fit, {size} points" for size in sizes), "ms a query"], lines)


def _shown(estimate: Estimate | None) -> str:
    return "-" if estimate is None else estimate.shown(2)
