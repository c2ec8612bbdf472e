"""Shared by all meta-learning: pooled tasks, the graph network, resumable training."""
