"""Searchers that rank candidates by a score that costs no training."""
