"""Experiments on NAS tables: comparisons of searchers and the published studies."""
