"""How a study's page reads: tables and sentences, all of them from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.markdown import markdown_table, wrapped
from cluster.studies.published import MEAN, Published, published
from cluster.studies.results import Estimate, Row, Rows, mean_of

__all__ = [
    "PAPER",
    "POINTS",
    "PROTOCOL",
    "READING",
    "TUNED",
    "TargetTable",
    "curve_table",
    "markdown_table",
    "number",
    "other_points",
    "seconds_table",
    "shown",
    "verdict",
    "wrapped",
]

POINTS = (0, 5, 10, 25, 50)
"""Numbers of fine-tuning models that tables show."""

PAPER = "paper: MP-NAS"

_SET_AGAINST_THE_PAPER = ("mixture", "mixture, kind not told", "boil")
"""What stands for the paper's method here; the others are baselines."""

READING = """\
The paper's text is not at hand. The page shows what we take this table of MP-NAS (NeurIPS 2023) to show; the paper's
numbers are those we know, and a dash stands for a number that is not known to us.\
"""

PROTOCOL = """\
Numbers are Spearman correlations between predicted and measured scores (higher is better, so latencies and errors are
turned around), as mean ± standard error over 10 draws of fine-tuning models; without fine-tuning models there is one
number. Each of seven folds holds out one task of NAS-Bench-201 and one of TransNAS-Bench-101, with every column of
their data sets or devices in all tables: that leaves fewer sources than leaving out one task alone, and takes half
the meta-trainings. The sources are all other tasks, NAS-Bench-101's CIFAR-10 too unless CIFAR-10 is held out. Half of
the architectures of a space (7,812 of NAS-Bench-201, 2,048 of TransNAS-Bench-101) are for meta-training, the same for
all tasks. Fine-tuning models are drawn from the other half, the same ones for all methods, and all the rest of that
half is judged. In the random split, the paper's, twins (other texts of one network) may lie on both sides; in the
class split, run for the default and for what costs nothing, they never do, nor is a twin of a fine-tuning model
judged. The two spaces are split apart from each other, and have cells in common: a cell that is judged may be known
from the other space, on other tasks.\
"""


TUNED = """\
**Tuned on target**, in the sense that whoever chose the constants had seen results on these tasks: the mixture's
starting prior and operation prices, kept since they helped in both spaces, and BOIL's step size on a new task, chosen
on TransNAS-Bench-101 after one look at Darcy. Everything learned (networks, priors, initialisations) has seen nothing
of a fold's targets; one configuration serves all folds.\
"""


@dataclass(frozen=True)
class TargetTable:
    """A table of one line a target and one column a method, at one number of fine-tuning models.

    Attributes:
        rows: Where to look.
        study: Whose published numbers to show.
        targets: The lines; a last one has their mean.
        methods: Labels of the columns.
        points: Number of fine-tuning models.
        split: Of the architectures. The paper's numbers belong to ``random``.
        with_paper: Whether to show the paper's numbers, and for each whether ours wins or loses.
        with_mean: Whether the targets are of a kind, so that their mean says something.
    """

    rows: Rows
    study: str
    targets: tuple[str, ...]
    methods: tuple[str, ...]
    points: int
    split: str = "random"
    with_paper: bool = True
    with_mean: bool = True

    def __str__(self) -> str:
        """As Markdown; the best of a line is bold, and the first method is the one set against the paper."""
        header = ["target", *self.methods]
        lines = [
            [target, *self._cells([self._row(method, target) for method in self.methods])] for target in self.targets
        ]
        if self.with_mean:
            means = [self._mean(method) for method in self.methods]
            lines.append([f"mean of the {_word(len(self.targets))}", *self._marked(means)])
        if self.with_paper:
            header += [PAPER, f"{self.methods[0]} against it"]
            for line, task in zip(lines, (*self.targets, MEAN), strict=False):
                line += self._against_paper(task)
        return markdown_table(header, lines)

    def wins_and_losses(self) -> str:
        """Ours against the paper's numbers, where we know any, then the first method against each of the others."""
        first, *others = self.methods
        set_against = [method for method in self.methods if method in _SET_AGAINST_THE_PAPER and self.with_paper]
        sentences = [self._paper_sentence(method) for method in set_against]
        sentences += [self._pair_sentence(first, other) for other in others]
        return "\n".join(f"- {sentence}" for sentence in sentences if sentence)

    def _row(self, method: str, target: str) -> Row | None:
        return self.rows.find(method, target, self.points, split=self.split)

    def _mean(self, method: str) -> Estimate | None:
        found = [self._row(method, target) for target in self.targets]
        complete = [row for row in found if row is not None]
        return mean_of(complete) if len(complete) == len(found) else None

    def _cells(self, rows: Sequence[Row | None]) -> list[str]:
        return self._marked([None if row is None else row.estimate for row in rows])

    @staticmethod
    def _marked(estimates: Sequence[Estimate | None]) -> list[str]:
        best = max((round(item.mean, 2) for item in estimates if item is not None), default=0.0)
        return [
            f"**{shown(item)}**"
            if item is not None and len(estimates) > 1 and round(item.mean, 2) == best
            else shown(item)
            for item in estimates
        ]

    def _estimate(self, method: str, task: str) -> Estimate | None:
        if task == MEAN:
            return self._mean(method)
        row = self._row(method, task)
        return None if row is None else row.estimate

    def _against_paper(self, task: str) -> list[str]:
        known = published(self.study, task, self.points)
        ours = self._estimate(self.methods[0], task)
        if known is None or ours is None:
            return ["—" if known is None else number(known.spearman), "—"]
        return [number(known.spearman), "in kind only" if known.caveat else verdict(ours.mean, known.spearman)]

    def _paper_sentence(self, method: str) -> str:
        tasks = (*self.targets, MEAN) if self.with_mean else self.targets
        compared: dict[str, list[str]] = {"win": [], "loss": [], "even": []}
        apart: list[Published] = []
        for task in tasks:
            known, ours = published(self.study, task, self.points), self._estimate(method, task)
            if known is None or ours is None:
                continue
            if known.caveat:
                apart.append(known)
            else:
                compared[verdict(ours.mean, known.spearman)].append(
                    f"{task} {number(ours.mean)} to {number(known.spearman)}"
                )
        if not any(compared.values()):
            return ""
        parts = [
            f"{_count(len(items), kind)}" + (f" ({', '.join(items)})" if items else "")
            for kind, items in compared.items()
        ]
        notes = "".join(f" {item.task} is not counted: {item.caveat}." for item in apart)
        return f"Against the paper's MP-NAS at {self.points} models, {method} has {', '.join(parts)}.{notes}"

    def _pair_sentence(self, first: str, other: str) -> str:
        better: list[str] = []
        worse: list[str] = []
        compared = 0
        for target in self.targets:
            ours, theirs = self._estimate(first, target), self._estimate(other, target)
            if ours is None or theirs is None:
                continue
            compared += 1
            if verdict(ours.mean, theirs.mean) != "even":
                (better if ours.mean > theirs.mean else worse).append(target)
        if not compared:
            return ""
        losses = f" (worse: {', '.join(worse)})" if worse else ""
        return (
            f"{first} against {other} at {self.points} models: better on {len(better)}, worse on {len(worse)} of "
            f"{compared}{losses}."
        )


def other_points(rows: Rows, targets: tuple[str, ...], methods: tuple[str, ...]) -> str:
    """A `TargetTable` under a heading of its own for each number of fine-tuning models but 5, random split."""
    tables = {
        points: TargetTable(rows, "", targets, methods, points, with_paper=False) for points in POINTS if points != 5
    }
    return "\n\n".join(f"### {points} fine-tuning models\n\n{table}" for points, table in tables.items())


def curve_table(
    rows: Rows, targets: Sequence[str], methods: Sequence[str], *, study: str | None = None, split: str = "random"
) -> str:
    """Means over the targets at each number of fine-tuning models, one line a method; the paper's if asked for."""
    lines = []
    for method in methods:
        cells = [method]
        for points in POINTS:
            found = [rows.find(method, target, points, split=split) for target in targets]
            complete = [row for row in found if row is not None]
            cells.append(shown(mean_of(complete)) if len(complete) == len(found) else "—")
        lines.append(cells)
    if study is not None:
        known = [published(study, MEAN, points) for points in POINTS]
        lines.append([PAPER, *("—" if item is None else number(item.spearman) for item in known)])
    return markdown_table(["fine-tuning models", *map(str, POINTS)], lines)


def seconds_table(rows: Rows, methods: Sequence[str]) -> str:
    """Mean seconds of learning, of fine-tuning by number of models, and of ranking all that is judged."""
    lines = []
    for method in methods:
        of_method = [row for row in rows if row.method == method]
        if not of_method:
            continue
        units = {(row.fold, row.split, row.seed): row.learn_seconds for row in of_method}
        adapting = [[row.adapt_seconds for row in of_method if row.points == points] for points in POINTS[1:]]
        cells = [_seconds(list(units.values())), *map(_seconds, adapting)]
        lines.append([method, *cells, _seconds([row.predict_seconds for row in of_method])])
    header = ["seconds, one core", "learning", *(f"{points} models" for points in POINTS[1:]), "ranking"]
    return markdown_table(header, lines)


def shown(estimate: Estimate | None) -> str:
    """``.93 ± .01``; a dash for None."""
    if estimate is None:
        return "—"
    error = estimate.standard_error
    return number(estimate.mean) + ("" if error is None else f" ± {number(error)}")


def number(value: float) -> str:
    """Two decimals without a leading zero: ``.93``, ``-.12``, ``1.00``."""
    text = f"{value:.2f}"
    if text == "-0.00":
        text = "0.00"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def verdict(ours: float, theirs: float) -> str:
    """``win``, ``loss`` or ``even``, by the two decimals that are shown."""
    difference = round(ours, 2) - round(theirs, 2)
    return "even" if abs(difference) < 1e-9 else "win" if difference > 0 else "loss"


def _count(count: int, kind: str) -> str:
    if kind == "even":
        return f"{count} even"
    return f"{count} {kind}" if count == 1 else f"{count} {kind}{'es' if kind == 'loss' else 's'}"


def _seconds(values: Sequence[float]) -> str:
    if not values:
        return "—"
    mean = sum(values) / len(values)
    if mean < 0.01:
        return "0" if mean == 0 else "<.01"
    return f"{mean:.0f}" if mean >= 10 else f"{mean:.2g}"


def _word(count: int) -> str:
    return {2: "two", 5: "five", 7: "seven"}.get(count, str(count))
