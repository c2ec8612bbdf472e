"""Architectures as torch modules."""

from __future__ import annotations

from trainables.networks.network import PRESETS, Macro, build_network
from trainables.networks.saved import FoundNetwork, load_network, save_network

__all__ = ["PRESETS", "FoundNetwork", "Macro", "build_network", "load_network", "save_network"]
