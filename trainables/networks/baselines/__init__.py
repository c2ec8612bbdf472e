"""Baseline networks: those of NAS-Bench-360 and its expert models, built from their papers."""

from __future__ import annotations

from trainables.networks.baselines.registry import baseline_names, build_baseline, is_baseline

__all__ = ["baseline_names", "build_baseline", "is_baseline"]
