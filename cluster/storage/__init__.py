"""The folder of a run on any storage: its files, its lock, and what its trials left in it."""
