"""The folder of a run on any storage: its files, its lock, and the files of its trials."""
