"""Say an explanation in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from mpnas_ray.explaining.explanation import Explanation, SlotValue
from mpnas_ray.explaining.swaps import Swap
from mpnas_ray.predictors.base import SourceWeight

__all__ = ["in_words", "signed"]

_SMALL = 0.05
"""Shapley value, in standard deviations, below which a slot is not named."""

_IMPROBABLE = 0.05
_MOST_NAMED = 3


def in_words(found: Explanation) -> tuple[str, ...]:
    """Say in sentences what decided a prediction: the score, slots, swaps, known tasks and features."""
    sentences = [_score(found), _slots(found), _swaps(found), _sources(found.sources), _motifs(found)]
    return tuple(sentence for sentence in sentences if sentence)


def signed(value: float) -> str:
    """Write a number with one decimal and its sign, plus for 0."""
    return f"{round(value, 1) + 0.0:+.1f}"


def _score(found: Explanation) -> str:
    side = "above" if found.score >= 0 else "below"
    share = "more than 99" if found.better_than > 0.99 else f"{100 * found.better_than:.0f}"
    said = (
        f"The predicted score is {abs(found.score):.1f} standard deviations {side} the mean of the space: better than "
        f"{share} % of its architectures."
    )
    if abs(found.base) >= _SMALL:
        said += f" Cells of the same topology with random operations have {signed(found.base)} on average."
    return said


def _slots(found: Explanation) -> str:
    ordered = sorted(found.slots, key=lambda slot: -abs(slot.value))
    named = [slot for slot in ordered if abs(slot.value) >= _SMALL]
    if not named:
        return "No slot of the cell decides much." if found.slots else ""
    good = [_slot(slot) for slot in named if slot.value > 0][:_MOST_NAMED]
    bad = [_slot(slot) for slot in named if slot.value < 0][:_MOST_NAMED]
    if not good or not bad:
        return f"What speaks {'for' if good else 'against'} it is {_listed(good or bad)}."
    return f"What speaks for it is {_listed(good)}; what speaks against it is {_listed(bad)}."


def _slot(slot: SlotValue) -> str:
    return f"{slot.holds} in slot {slot.slot} ({signed(slot.value)})"


def _swaps(found: Explanation) -> str:
    if not found.swaps:
        return ""
    best, worst = found.swaps[0], found.swaps[-1]
    better = [swap for swap in found.swaps if swap.change > 0]
    if not better:
        return f"No swap of one operation is predicted to be better. The worst is {_swap(worst)}."
    said = f"Of {len(found.swaps)} swaps of one operation, {len(better)} are predicted to be better, most {_swap(best)}"
    if best.std is not None and best.change < best.std:
        said += ", which is less than its standard deviation and may be nothing"
    return f"{said}. The worst is {_swap(worst)}."


def _swap(swap: Swap) -> str:
    doubt = "" if swap.std is None else f", standard deviation {swap.std:.1f}"
    return f"{swap.new} for {swap.old} in slot {swap.slot} ({signed(swap.change)}{doubt})"


def _sources(sources: Sequence[SourceWeight]) -> str:
    named = [source for source in sources if source.probability >= _IMPROBABLE][:_MOST_NAMED]
    if not named:
        return "No known task decides the prediction by itself." if sources else ""
    return f"The predictor takes the scores to follow {_listed([_source(source) for source in named])}."


def _source(source: SourceWeight) -> str:
    turned = ", turned round" if source.reversed > source.probability / 2 else ""
    adds = "" if source.contribution is None else f", adds {signed(source.contribution)}"
    return f"{source.name} ({100 * source.probability:.0f} %{turned}{adds})"


def _motifs(found: Explanation) -> str:
    named = [
        f"{motif.feature} = {motif.value:g} ({signed(motif.effect)}, {100 * motif.share:.0f} % of the space)"
        for motif in found.motifs[:_MOST_NAMED]
    ]
    return f"Features of the graph that go with predictions: {_listed(named)}." if named else ""


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
