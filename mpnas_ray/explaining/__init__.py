"""Explain predictions: slots, swaps of operations, known tasks and graph features that decide them."""

from __future__ import annotations

from mpnas_ray.explaining.explanation import Effect, Explanation, SlotValue, explain
from mpnas_ray.explaining.motifs import Motif
from mpnas_ray.explaining.swaps import Swap
from mpnas_ray.explaining.words import in_words

__all__ = ["Effect", "Explanation", "Motif", "SlotValue", "Swap", "explain", "in_words"]
