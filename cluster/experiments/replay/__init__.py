"""Replay measured tables as if trials were trained: thousands of searches, or schedulers, in seconds."""
