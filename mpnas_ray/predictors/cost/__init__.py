"""Predict latencies and other costs that add up over operations."""
