"""Observe a running search: progress on the screen, telemetry on file, metrics for Prometheus."""
