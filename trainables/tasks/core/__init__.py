"""A task: data, splits, losses, metrics, and where its files are."""
