"""Published numbers of one-shot methods, each with its source, for the pages of the studies."""

from __future__ import annotations

from cluster.pages.markdown import markdown_table

__all__ = ["NASBENCH201_SEARCHED", "PERTURBATION_ERRORS", "VERTICES", "VERTICES_TABLE"]

_SEARCHED = {
    "RSPS": ("84.16", "87.66", "7,587"),
    "DARTS, first order": ("39.77", "54.30", "10,890"),
    "DARTS, second order": ("39.77", "54.30", "29,902"),
    "GDAS": ("90.00", "93.51", "28,926"),
    "SETN": ("82.25", "86.19", "31,010"),
    "ENAS": ("39.77", "54.30", "13,315"),
}

NASBENCH201_SEARCHED = f"""\
Cells searched on CIFAR-10 among the 15,625 of NAS-Bench-201, as Mellor et al. (2021, table 2) print them from the paper
of that benchmark: accuracies in percent, seconds of one GPU. 54.30 is the accuracy of the cell of skips alone.

{markdown_table(["method", "validation", "test", "seconds"], [[name, *cells] for name, cells in _SEARCHED.items()])}"""

_ERRORS = {"NAS-Bench-201": ("45.7", "11.89", "6.20"), "S4 (separable convolution and noise)": ("7.20", "2.64", "2.58")}

_COLUMNS = ["space", "DARTS", "DARTS-PT", "DARTS-PT, fixed logits"]

PERTURBATION_ERRORS = f"""\
Test errors in percent on CIFAR-10 of Wang et al. (2021): DARTS, the choice by perturbation, and that with logits which
never move.

{markdown_table(_COLUMNS, [[name, *cells] for name, cells in _ERRORS.items()])}"""

VERTICES = {4: 0.441, 5: 0.314, 6: 0.214, 7: 0.195}
"""Kendall's tau of one-shot and table accuracies of NAS-Bench-101 with so many vertices (Yu et al., ICLR 2020)."""

VERTICES_TABLE = markdown_table(
    ["vertices", *map(str, VERTICES)], [["Kendall's tau", *(f"{value:.3f}" for value in VERTICES.values())]]
)
