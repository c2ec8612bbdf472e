"""Quality of the predictor: predicted against measured, and whether knowledge of other tasks helped."""

from __future__ import annotations

from cluster.report.charts import Frame, chart, figure, legend, mark_key
from cluster.report.html import Html, number, tag
from cluster.report.scales import Scale, counts, even, robust
from cluster.report.trials import MOST_DRAWN, drawn, mark_of, trials_legend
from cluster.report.view import RankingMade, RunView, TrialView, as_score
from mpnas_ray.stats import spearman
from searchers.model_based.ranking.transfer_check import SUBSTANTIAL

__all__ = ["predictions", "transfer"]

_LEAST = 3
_MOST_LOG_ODDS = 12.0
_VERDICTS = {"helps": ("triangle", "good"), "undecided": ("circle", "plain"), "hurts": ("down", "bad")}


def predictions(run: RunView) -> Html:
    """Draw each proposal's predicted score, made before its result, against what was measured."""
    known = [trial for trial in run.trials if trial.proposal.predicted is not None]
    if not known:
        return tag("p", "No predictor ranked the proposals of this run, so there is nothing to compare.")
    measured = [trial for trial in known if trial.counts]
    if len(measured) < _LEAST:
        return tag("p", f"{len(measured)} proposals that a predictor ranked have a result so far: too few to compare.")
    shown = {trial.number for trial in drawn(run)}
    frame = Frame(
        robust(trial.proposal.predicted or 0.0 for trial in measured), robust(trial.value for trial in measured)
    )
    marks = [
        mark_of(frame, trial, trial.proposal.predicted or 0.0, trial.value)
        for trial in measured
        if trial.number in shown
    ]
    scatter = figure(
        "Predicted before the result, and measured",
        chart(frame, "predicted score", run.metric, marks, label=f"{run.metric} by predicted score"),
        trials_legend(measured, best=False),
    )
    whole = [trial for trial in measured if trial.state == "complete"]
    said = f"Rank correlation of the {len(measured)} predictions with their results: {_correlation(measured, run):.2f}"
    if _LEAST <= len(whole) < len(measured):
        said += f"; of the {len(whole)} whose training was not stopped, {_correlation(whole, run):.2f}"
    note = (
        f"{said} (1 is the same order, 0 none). Only the order of predictions means something, and those of later "
        "rankings know more. A search proposes what it takes to be good, among which order is hardest to tell."
    )
    parts = [scatter, _ages(known), _correlations(run.rankings)]
    return Html(tag("div", *parts, class_="charts") + tag("p", note, class_="note"))


def _correlation(trials: list[TrialView], run: RunView) -> float:
    """Correlate the order of predictions with that of scores."""
    predicted = [trial.proposal.predicted or 0.0 for trial in trials]
    return float(spearman(predicted, [as_score(trial.value, run.mode) for trial in trials]))


def _ages(trials: list[TrialView]) -> Html:
    """Draw how many results each proposal's ranking did not know, of the last trials where there are very many."""
    ages = [(trial.number, trial.proposal.age or 0) for trial in trials[-MOST_DRAWN:]]
    frame = Frame(counts(ages[-1][0]), counts(max(age for _, age in ages)))
    marks = [frame.mark(number, age, "circle", "plain", trial=number) for number, age in ages]
    label = "Results that the ranking of a proposal did not know, by trial"
    picture = chart(frame, "trial", "results not known", [frame.line(ages, "others", steps=True), *marks], label=label)
    return figure("Age of the ranking of each proposal", picture)


def _correlations(rankings: tuple[RankingMade, ...]) -> Html | None:
    known = [(ranking.points, ranking.spearman) for ranking in rankings if ranking.spearman is not None]
    if not known:
        return None
    frame = Frame(counts(max(points for points, _ in known)), _minus_1_to_1())
    tips = [f"with {points} results: {value:.2f}" for points, value in known]
    marks = [frame.mark(*each, "diamond", "plain", tip=tip) for each, tip in zip(known, tips, strict=True)]
    content = [frame.level(0.0, "no order"), frame.line(known, "rank-1"), *marks]
    label = "Rank correlation of predictions and results, by number of results"
    return figure("Rank correlation at each refit", chart(frame, "results", "rank correlation", content, label=label))


def _minus_1_to_1() -> Scale:
    return Scale(-1.05, 1.05, tuple((each, f"{each:g}") for each in (-1.0, -0.5, 0.0, 0.5, 1.0)))


def transfer(run: RunView) -> Html:
    """Draw the evidence for what was learned on other tasks, by the number of results."""
    checked = [ranking for ranking in run.rankings if ranking.verdict in _VERDICTS]
    if not checked:
        return tag(
            "p",
            "This search has not weighed what was learned on other tasks: it uses none of it, or has too few results.",
        )
    last = tag("p", f"{checked[-1].transfer[:1].upper()}{checked[-1].transfer[1:]}.", class_="note")
    weighed = [(ranking, ranking.log_odds) for ranking in checked if ranking.log_odds is not None]
    if not weighed:
        return last
    values = [min(max(odds, -_MOST_LOG_ODDS), _MOST_LOG_ODDS) for _, odds in weighed]
    frame = Frame(
        counts(max(ranking.points for ranking in checked)),
        even(min(*values, -2 * SUBSTANTIAL), max(*values, 2 * SUBSTANTIAL)),
    )
    points = [(float(ranking.points), value) for (ranking, _), value in zip(weighed, values, strict=True)]
    marks = [
        frame.mark(*point, *_VERDICTS[str(ranking.verdict)], tip=f"{ranking.transfer}; log odds {number(odds)}")
        for point, (ranking, odds) in zip(points, weighed, strict=True)
    ]
    levels = [frame.level(SUBSTANTIAL, "helps above"), frame.level(-SUBSTANTIAL, "hurts below")]
    keys = [mark_key(shape, look, verdict) for verdict, (shape, look) in _VERDICTS.items()]
    picture = chart(
        frame, "results", "log odds", [*levels, frame.line(points, "rank-1"), *marks], label="Evidence by results"
    )
    return Html(
        tag("div", figure("Evidence for transfer at each refit", picture, legend(*keys)), class_="charts") + last
    )
