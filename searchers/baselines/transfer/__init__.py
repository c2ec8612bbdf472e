"""Searchers to compare with that know measured tables of other tasks."""
