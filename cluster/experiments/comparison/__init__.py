"""Compare searchers side by side on NAS tables: what ``mpnas compare`` does.

A method (`methods`) searches a column of a table (`presets`), one replication a seed (`replications`); what it needs of
other tasks is meta-learned before (`predictors`). `running` does what is missing on Ray, `summary` puts the results
together, and `report` writes them as JSON, a page and pictures; `compare` is all of it.
"""
