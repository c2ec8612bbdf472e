"""Searchers to compare with that need no predictor of architectures."""
