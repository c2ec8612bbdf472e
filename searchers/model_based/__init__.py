"""Searchers that rank candidates by a predictor and refit it as results come in."""
