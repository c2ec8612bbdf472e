"""Tune schedulers that stop trainings by what other trainings have taught them."""
