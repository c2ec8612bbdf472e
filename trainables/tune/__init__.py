"""Trainables of Ray Tune, and what a trial does with its config, its checkpoints and its storage."""
