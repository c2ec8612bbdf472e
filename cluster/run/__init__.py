"""Run a search: settings, assembly, start, continuation, end and report."""
