"""Tune schedulers: one of ours, which learns from other trainings, and a registry of all."""
