"""The protocol of the published tables: source tasks, cells, and the numbers of the paper."""
