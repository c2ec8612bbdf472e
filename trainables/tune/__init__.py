"""Trainables for Ray Tune."""
