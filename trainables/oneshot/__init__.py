"""Supernets: networks that hold the weights of all architectures of a space, and the searches that train them.

training = SupernetTraining(task, data, space="nasbench201", method="darts", preset="small")
while not training.finished:
    result = training.run_epoch()
training.arch
"""

from __future__ import annotations

from trainables.oneshot.gates import Gates, gates_of
from trainables.oneshot.methods import get_method, method_names, register_method, settings_of
from trainables.oneshot.search import Method, Search, Settings
from trainables.oneshot.supernet import Supernet, inherited_weights
from trainables.oneshot.training import SupernetTraining

__all__ = [
    "Gates",
    "Method",
    "Search",
    "Settings",
    "Supernet",
    "SupernetTraining",
    "gates_of",
    "get_method",
    "inherited_weights",
    "method_names",
    "register_method",
    "settings_of",
]
