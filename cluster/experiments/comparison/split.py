"""The split of columns into those that choices are made on and those that confirm them.

A searcher is changed, or a setting chosen, by what it does on the design columns alone. The confirmation columns are
looked at once, when the choice is made, so that what is published is not the luck of having tried thirty things on the
same columns. They may be sources of a search on a design column: then they are data, not results. Blind columns are
shown, and nothing is ever decided by them.

The fourteen columns of the preset ``regret`` had all been looked at when searchers were first made; the split keeps
what is chosen from then on honest, no more.

The split was drawn, without a look at any result: in each space and kind (quality or cost) columns that say much of
each other are one group, the groups are put in the order of a hash of the seed and their names, and the first half,
rounded up, is for design (`draw`, whose result is written down here so that it stays).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

__all__ = ["BLIND", "CONFIRMATION", "DESIGN", "DEVICES", "GROUPS", "ROLES", "SEED", "Role", "draw"]

Role = Literal["design", "confirmation", "blind"]

SEED = 0

DEVICES: dict[str, tuple[str, ...]] = {
    "i7": ("nasbench201/cpu-latency",),
    "1080ti": tuple(f"nasbench201/{one}-latency" for one in ("gpu", "1080ti-batch1", "1080ti-batch256")),
    "2080ti": tuple(f"nasbench201/2080ti-batch{size}-latency" for size in (1, 32, 256)),
    "titanx": tuple(f"nasbench201/titanx-batch{size}-latency" for size in (1, 32, 256)),
    "titanxp": tuple(f"nasbench201/titanxp-batch{size}-latency" for size in (1, 32, 256)),
    "xeon": tuple(f"nasbench201/{one}-latency" for one in ("gold-6240", "silver-4114", "silver-4210r")),
    "phone": tuple(f"nasbench201/{one}-latency" for one in ("samsung-a50", "samsung-s7", "essential-ph-1")),
    "pixel3": ("nasbench201/pixel3-latency",),
    "raspi4": ("nasbench201/raspi4-latency",),
    "fpga": ("nasbench201/fpga-latency",),
}
"""Family of devices -> its latency columns. A search on one knows none of the family."""

_BLIND = ("raspi4", "fpga")

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "nasbench201 quality": {
        "cifar": ("nasbench201/cifar10", "nasbench201/cifar100", "nasbench201/imagenet16-120"),
        "ninapro": ("nasbench201/ninapro",),
        "darcy": ("nasbench201/darcy",),
    },
    "transnasbench101 quality": {
        task: (f"transnasbench101/{task}",)
        for task in ("scene", "object", "jigsaw", "room", "segmentsemantic@miou", "normal", "autoencoder")
    },
    "nasbench201 cost": {family: columns for family, columns in DEVICES.items() if family not in _BLIND},
}
"""Space and kind -> group -> columns, which get one role together."""

DESIGN: tuple[str, ...] = (
    "nasbench201/cifar10",
    "nasbench201/cifar100",
    "nasbench201/imagenet16-120",
    "nasbench201/darcy",
    "transnasbench101/object",
    "transnasbench101/jigsaw",
    "transnasbench101/room",
    "transnasbench101/normal",
    "nasbench201/cpu-latency",
    "nasbench201/gpu-latency",
    "nasbench201/1080ti-batch1-latency",
    "nasbench201/1080ti-batch256-latency",
    "nasbench201/titanxp-batch1-latency",
    "nasbench201/titanxp-batch32-latency",
    "nasbench201/titanxp-batch256-latency",
    "nasbench201/samsung-a50-latency",
    "nasbench201/samsung-s7-latency",
    "nasbench201/essential-ph-1-latency",
)

CONFIRMATION: tuple[str, ...] = (
    "nasbench201/ninapro",
    "transnasbench101/scene",
    "transnasbench101/segmentsemantic@miou",
    "transnasbench101/autoencoder",
    "nasbench201/2080ti-batch1-latency",
    "nasbench201/2080ti-batch32-latency",
    "nasbench201/2080ti-batch256-latency",
    "nasbench201/titanx-batch1-latency",
    "nasbench201/titanx-batch32-latency",
    "nasbench201/titanx-batch256-latency",
    "nasbench201/gold-6240-latency",
    "nasbench201/silver-4114-latency",
    "nasbench201/silver-4210r-latency",
    "nasbench201/pixel3-latency",
)

BLIND: tuple[str, ...] = tuple(column for family in _BLIND for column in DEVICES[family])

ROLES: dict[str, Role] = {
    **dict.fromkeys(DESIGN, "design"),
    **dict.fromkeys(CONFIRMATION, "confirmation"),
    **dict.fromkeys(BLIND, "blind"),
}
"""Searched task -> what its column is for. Others, such as those of ``table5``, have no role."""


def draw(groups: Mapping[str, Mapping[str, tuple[str, ...]]], seed: int) -> dict[str, Role]:
    """Return column -> role, half of the groups of each stratum for design; the same on every machine."""
    roles: dict[str, Role] = {}
    for stratum, members in groups.items():
        drawn = sorted(members, key=lambda name: hashlib.sha256(f"{seed} {stratum} {name}".encode()).hexdigest())
        for position, name in enumerate(drawn):
            role: Role = "design" if position < -(-len(drawn) // 2) else "confirmation"
            roles |= dict.fromkeys(members[name], role)
    return roles
