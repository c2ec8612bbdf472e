"""The protocol of the published tables: which tasks are learned from, on which cells, and what the paper reports."""
