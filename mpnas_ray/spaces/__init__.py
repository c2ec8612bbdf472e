"""Search spaces and the architectures in them."""

from __future__ import annotations

from mpnas_ray.spaces.architecture import Architecture, Architectures
from mpnas_ray.spaces.drawing import draw
from mpnas_ray.spaces.mixed import Mixed
from mpnas_ray.spaces.mixed_macro import MixedMacro
from mpnas_ray.spaces.nasbench101 import NASBench101
from mpnas_ray.spaces.nasbench201 import NASBench201
from mpnas_ray.spaces.nasbenchasr import NASBenchASR
from mpnas_ray.spaces.natsbench_size import NATSBenchSize
from mpnas_ray.spaces.operation_graph import OperationGraphs
from mpnas_ray.spaces.operations import EXTENSIONS, KINDS, OPERATIONS, Operation
from mpnas_ray.spaces.registry import get_space, parse_architecture, register, space_names
from mpnas_ray.spaces.space import SearchSpace, Slot
from mpnas_ray.spaces.transnasbench101 import TransNASBench101
from mpnas_ray.spaces.transnasbench101_macro import TransNASBench101Macro

__all__ = [
    "EXTENSIONS",
    "KINDS",
    "OPERATIONS",
    "SPACE_NAMES",
    "Architecture",
    "Architectures",
    "Operation",
    "OperationGraphs",
    "SearchSpace",
    "Slot",
    "draw",
    "get_space",
    "parse_architecture",
]

register("nasbench101", NASBench101)
register("nasbench201", NASBench201)
register("transnasbench101", TransNASBench101)
register("nasbenchasr", NASBenchASR)
register("mixed", Mixed)
register("mixed+spectral", lambda: Mixed("mixed+spectral", (*OPERATIONS, *EXTENSIONS)))
register("natsbench-size", NATSBenchSize)
register("transnasbench101-macro", TransNASBench101Macro)
register("mixed-macro", MixedMacro)

SPACE_NAMES = space_names()
