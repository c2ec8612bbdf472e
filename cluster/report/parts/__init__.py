"""Sections of a run's report, each a function of a `cluster.report.view.RunView`."""
