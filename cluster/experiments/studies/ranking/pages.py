"""Write the pages of studies: tables and sentences, all of them from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.experiments.protocol.published import (
    MEAN,
    MP_NAS,
    Published,
    caveat,
    columns_of,
    published,
    published_mean,
)
from cluster.experiments.studies.estimates import Estimate
from cluster.experiments.studies.ranking.rows import Row, Rows, mean_of
from cluster.pages.markdown import markdown_table, wrapped

__all__ = [
    "FINE_TUNED",
    "FROM_SCRATCH",
    "OTHER_FINE_TUNING",
    "OTHER_SOURCES",
    "POINTS",
    "PROTOCOL",
    "READING",
    "TIMED",
    "TUNED",
    "TargetTable",
    "curve_table",
    "markdown_table",
    "number",
    "other_points",
    "seconds_table",
    "shown",
    "shown_paper",
    "verdict",
    "wrapped",
]

POINTS = (0, 5, 10, 25, 50)
"""Numbers of fine-tuning models that tables show."""

_LABELS = {
    MP_NAS: "paper: MP-NAS",
    "Naive Tran.": "paper: naive transfer",
    "Rand. Init.": "paper: random initialisation",
    "Meta-D2A": "paper: MetaD2A",
}
"""Column of the paper -> what a page calls it."""

_COUNTERPARTS = {
    "mixture": MP_NAS,
    "mixture, kind not told": MP_NAS,
    "boil": MP_NAS,
    "transfer": "Naive Tran.",
    "random": "Rand. Init.",
}
"""Method -> the column of the paper that it is set against; the other methods have none."""

_NOT_GIVEN = "not given"
"""Text in place of a number that the paper does not give."""

READING = """\
MP-NAS is Loya et al., NeurIPS 2023; its numbers stand under `paper`, with its standard errors, and `not given` is what
its table has no number for. A dash stands for what was not measured here.\
"""

OTHER_SOURCES = """\
**In kind only.** The paper learns from the six other tasks of the target's own search space. Ours leaves out one task
of each space, and learns from the others of both spaces and from NAS-Bench-101: twelve or thirteen tasks. So the wins
and losses are those of numbers under two protocols.\
"""

OTHER_FINE_TUNING = """\
Sizes are the same: half of the architectures to learn from, the same number of fine-tuning models, all others judged,
one meta-training, ten evaluation runs (its table 9). The paper fine-tunes with a step size lower than that of the inner
loop, and as many steps (5, 10, 20, 50 or 100) as cross-validate best on the fine-tuning models.\
"""

PROTOCOL = """\
Numbers are Spearman correlations between predicted and measured scores (higher is better, so latencies and errors are
turned around), as mean ± standard error over 10 draws of fine-tuning models; without fine-tuning models there is one
number. Each of seven folds holds out one task of NAS-Bench-201 and one of TransNAS-Bench-101, with every column of
their data sets or devices in all tables: that leaves fewer sources than leaving out one task alone, and takes half
the meta-trainings. The sources are all other tasks, NAS-Bench-101's CIFAR-10 too unless CIFAR-10 is held out. Half of
the architectures of a space (7,812 of NAS-Bench-201, 2,048 of TransNAS-Bench-101) are for meta-training, the same for
all tasks. Fine-tuning models are drawn from the other half, the same ones for all methods, and all the rest of that
half is judged. In the random split, the paper's, isomorphic cells (other texts of one network) may lie on both sides;
in the class split, run for the default and for what costs nothing, they never do, nor is a cell judged that is
isomorphic to a fine-tuning model. The two spaces are split apart from each other, and have cells in common: a cell that
is judged may be known from the other space, on other tasks.\
"""


FROM_SCRATCH = """\
**How `random` is trained.** It is a graph network that learns from the fine-tuning models alone, all its layers by
AdamW for 150 epochs, from new weights for each draw. Its learning rate was chosen on TransNAS-Bench-101 where
NAS-Bench-201 is judged (0.001), and on NAS-Bench-201 where TransNAS-Bench-101 is (0.003).\
"""

FINE_TUNED = """\
**How networks learned by gradient are fine-tuned.** What moves (the body in `boil`, the head in `anil`, both in all
others) takes 50 plain gradient steps of size 0.01. Both numbers were chosen for `transfer` on eight transfers between
tasks of TransNAS-Bench-101, where they are best; on nine of NAS-Bench-201 they are within .003 of the best. Costs are
learned as they are measured, higher for slower, and the ranking is turned around at the end; so these methods, like
`mixture`, are told whether a target is a quality or a cost. Large cells are accurate and slow: from
TransNAS-Bench-101's scenes to the inference time of its surface normals that ranks with .67, where the negated time has
.17.\
"""

TUNED = """\
**Tuned on target**, in the sense that whoever chose had seen results on these tasks: what the mixture consists of,
chosen by searches on ten of the fourteen tasks of the two spaces and by its ranking of NAS-Bench-101 from few models,
with its starting prior and operation prices; the shape of all graph networks, that of `random` too, chosen on
NAS-Bench-201 with 100 models ([options](gcn_options.md)); and the 50 steps of size 0.01, where TransNAS-Bench-101 is
judged. Everything learned (networks, priors, initialisations) has seen nothing of a fold's targets; one configuration
serves all folds.\
"""

TIMED = """\
All was timed beside other work on the same two cores: these seconds are longer than they need be.\
"""


@dataclass(frozen=True)
class TargetTable:
    """A table of one line a target and one column a method, at one number of fine-tuning models.

    Attributes:
        rows: All rows of the study.
        targets: The lines; a last one has their mean.
        methods: Labels of the columns.
        points: Number of fine-tuning models.
        split: Split of the architectures. The paper's numbers belong to ``random``.
        paper: Table of the paper whose numbers to show, and for each of its method whether ours wins or loses; None
            for no numbers of the paper. One that has none for these points adds nothing.
        with_mean: True if the targets are of a kind, so that their mean says something.
    """

    rows: Rows
    targets: tuple[str, ...]
    methods: tuple[str, ...]
    points: int
    split: str = "random"
    paper: int | None = None
    with_mean: bool = True

    def __str__(self) -> str:
        """Write it as Markdown; the best of a line is bold, and the first method is the one set against the paper."""
        header = ["target", *self.methods]
        lines = [
            [target, *self._cells([self._row(method, target) for method in self.methods])] for target in self.targets
        ]
        if self.with_mean:
            means = [self._mean(method) for method in self.methods]
            lines.append([f"mean of the {_word(len(self.targets))}", *self._marked(means)])
        for column in self._paper_columns:
            header.append(_LABELS[column])
            for line, task in zip(lines, (*self.targets, MEAN), strict=False):
                line.append(shown_paper(self._published(task, column)))
            if column == MP_NAS:
                header.append(f"{self.methods[0]} against MP-NAS")
                for line, task in zip(lines, (*self.targets, MEAN), strict=False):
                    line.append(self._against_paper(task))
        return markdown_table(header, lines)

    def wins_and_losses(self) -> str:
        """Compare ours with the paper's numbers, where it has any, then the first method with each of the others."""
        first, *others = self.methods
        sentences = [
            self._paper_sentence(method, _COUNTERPARTS[method])
            for method in self.methods
            if _COUNTERPARTS.get(method) in self._paper_columns
        ]
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

    @property
    def _paper_columns(self) -> list[str]:
        return [] if self.paper is None else columns_of(self.paper, self.points)

    def _published(self, task: str, column: str) -> Published | None:
        if self.paper is None:
            return None
        if task == MEAN:
            return published_mean(self.paper, self.targets, column, self.points)
        return published(self.paper, task, column, self.points)

    def _caveat(self, task: str) -> str:
        return "" if self.paper is None else caveat(self.paper, task)

    def _against_paper(self, task: str) -> str:
        theirs, ours = self._published(task, MP_NAS), self._estimate(self.methods[0], task)
        if theirs is None or ours is None:
            return "not compared"
        return "in kind only" if self._caveat(task) else verdict(ours.mean, theirs.value)

    def _paper_sentence(self, method: str, column: str) -> str:
        tasks = (*self.targets, MEAN) if self.with_mean else self.targets
        compared: dict[str, list[str]] = {"win": [], "loss": [], "even": []}
        apart: list[str] = []
        for task in tasks:
            theirs, ours = self._published(task, column), self._estimate(method, task)
            if theirs is None or ours is None:
                continue
            if self._caveat(task):
                apart.append(task)
            else:
                compared[verdict(ours.mean, theirs.value)].append(
                    f"{task} {number(ours.mean)} to {number(theirs.value)}"
                )
        if not any(compared.values()):
            return ""
        parts = [
            f"{_count(len(items), kind)}" + (f" ({', '.join(items)})" if items else "")
            for kind, items in compared.items()
        ]
        notes = "".join(f" {task} is not counted: {self._caveat(task)}." for task in apart)
        name = _LABELS[column].removeprefix("paper: ")
        return f"Against the paper's {name} at {self.points} models, {method} has {', '.join(parts)}.{notes}"

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


def other_points(rows: Rows, targets: tuple[str, ...], methods: tuple[str, ...], *, paper: int | None = None) -> str:
    """Write a `TargetTable` under its own heading for each number of fine-tuning models but 5, random split."""
    tables = {points: TargetTable(rows, targets, methods, points, paper=paper) for points in POINTS if points != 5}
    return "\n\n".join(f"### {points} fine-tuning models\n\n{table}" for points, table in tables.items())


def curve_table(
    rows: Rows, targets: Sequence[str], methods: Sequence[str], *, paper: int | None = None, split: str = "random"
) -> str:
    """Write means over the targets by number of fine-tuning models, a line a method, then those of the paper's table.

    A column of the paper's table with a mean at no number of fine-tuning models has no line.
    """
    lines = []
    for method in methods:
        cells = [method]
        for points in POINTS:
            found = [rows.find(method, target, points, split=split) for target in targets]
            complete = [row for row in found if row is not None]
            cells.append(shown(mean_of(complete)) if len(complete) == len(found) else "—")
        lines.append(cells)
    if paper is not None:
        for column, label in _LABELS.items():
            known = [published_mean(paper, targets, column, points) for points in POINTS]
            if any(known):
                lines.append([label, *map(shown_paper, known)])
    return markdown_table(["fine-tuning models", *map(str, POINTS)], lines)


def seconds_table(rows: Rows, methods: Sequence[str]) -> str:
    """Write mean seconds of learning, of fine-tuning by number of models, and of ranking all that is judged."""
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
    """Write an estimate: ``.93 ± .01``; a dash for None."""
    if estimate is None:
        return "—"
    error = estimate.standard_error
    return number(estimate.mean) + ("" if error is None else f" ± {number(error)}")


def shown_paper(item: Published | None) -> str:
    """Write a number of the paper as ours are shown, ``.92 ± .01``; ``not given`` for None."""
    return _NOT_GIVEN if item is None else shown(Estimate(item.value, item.standard_error))


def number(value: float) -> str:
    """Write two decimals without a leading zero: ``.93``, ``-.12``, ``1.00``."""
    text = f"{value:.2f}"
    if text == "-0.00":
        text = "0.00"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def verdict(ours: float, theirs: float) -> str:
    """Return ``win``, ``loss`` or ``even``, by the two decimals that are shown."""
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
    return {2: "two", 4: "four", 5: "five", 7: "seven"}.get(count, str(count))
