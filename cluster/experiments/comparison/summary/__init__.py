"""Summarise the replications of a comparison: regrets and queries by column, and over all columns at once."""
