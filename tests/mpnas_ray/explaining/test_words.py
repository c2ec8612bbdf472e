"""Explanations in sentences."""

from __future__ import annotations

from dataclasses import replace

from mpnas_ray.explaining import Explanation, Motif, SlotValue, Swap, in_words
from mpnas_ray.predictors import SourceWeight

FOUND = Explanation(
    arch="x",
    score=1.26,
    better_than=0.9,
    base=-0.2,
    exact=True,
    slots=(SlotValue("1", "conv", 1.5), SlotValue("2", "pool", -0.04), SlotValue("3", "skip", 0.0)),
    swaps=(Swap("2", "pool", "conv", "y", 0.3, 0.4), Swap("1", "conv", "pool", "z", -2.0, 0.5)),
    effects=(),
    sources=(SourceWeight("a/b", 0.6, 0.5, -0.7), SourceWeight("c/d", 0.4, 0.0, None)),
    motifs=(Motif("number of conv", 2.0, 0.25, 0.8),),
)


def test_all_that_decides_is_said() -> None:
    score, slots, swaps, sources, motifs = in_words(FOUND)
    assert "1.3 standard deviations above" in score
    assert "better than 90 %" in score
    assert "have -0.2 on average" in score
    assert slots == "What speaks for it is conv in slot 1 (+1.5)."
    assert "1 are predicted to be better, most conv for pool in slot 2 (+0.3, standard deviation 0.4)" in swaps
    assert "may be nothing" in swaps
    assert "worst is pool for conv in slot 1 (-2.0" in swaps
    assert "a/b (60 %, turned round, adds -0.7) and c/d (40 %)." in sources
    assert "number of conv = 2 (+0.8, 25 % of the space)" in motifs


def test_what_is_not_there_is_not_said() -> None:
    best = replace(FOUND, base=0.0, slots=(), swaps=FOUND.swaps[1:], sources=(), motifs=())
    score, swaps = in_words(best)
    assert "topology" not in score
    assert swaps.startswith("No swap of one operation is predicted to be better.")
    sure = replace(FOUND, swaps=(replace(FOUND.swaps[0], std=None),))
    assert "may be nothing" not in " ".join(in_words(sure))
    both = replace(FOUND, slots=(SlotValue("1", "conv", 1.5), SlotValue("2", "pool", -0.4)))
    assert "for it is conv in slot 1 (+1.5); what speaks against it is pool in slot 2 (-0.4)." in " ".join(
        in_words(both)
    )
