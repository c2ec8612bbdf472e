"""Hyperparameters beside the architecture, drawn by an Optuna sampler."""
