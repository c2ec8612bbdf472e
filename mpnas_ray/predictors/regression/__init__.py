"""Regressions on encoded architectures."""
