"""Searchers side by side on NAS tables, what ``mpnas compare`` does.

A contestant searches a column of a table (`contestants`, `presets`), one run a seed, each kept in a file of its own
(`runs`); what it needs of other tasks is meta-learned before (`predictors`). `compare` does what is missing on Ray and
writes the figures that follow (`figures`, `measures`) as JSON, a page and pictures.
"""
