"""Assemble the parts of a search: its searcher, scheduler, limits, zero-cost score and sizes of trials."""
