"""Names of data sets and devices, compared as people write them.

Tables come from many hands: one calls a device ``raspberry-pi-4``, another ``raspi4``, and a third names a Xeon without
saying that it is one of a family. What must be kept apart for honest results must not depend on the spelling.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["FAMILIES", "origins"]

FAMILIES: dict[str, tuple[str, ...]] = {
    "xeon": ("xeon-gold-6240", "xeon-silver-4114", "xeon-silver-4210r"),
    "phone": ("samsung-a50", "samsung-s7", "essential-ph-1"),
}
"""Families of devices so alike that a latency of one says much about another, and their devices in the official tables.
Batch sizes of one GPU are one device."""

_OTHER_NAMES: dict[str, str] = {
    "1080ti": "gtx-1080-ti",
    "2080ti": "rtx-2080-ti",
    "raspi4": "raspberry-pi-4",
    "gold-6240": "xeon-gold-6240",
    "silver-4114": "xeon-silver-4114",
    "silver-4210r": "xeon-silver-4210r",
}
"""Names of devices in HELP and HW-NAS-Bench -> those of the official tables."""


def origins(names: Iterable[str]) -> frozenset[str]:
    """Name the data sets and devices that are meant, and the families of those devices, so that lists can be compared.

    Capitals and the signs between words do not count, and other names of a known device stand for it.

    Args:
        names: Names of data sets, devices and families of devices, as a table or a card has them.

    Returns:
        Names for comparing, not for showing.
    """
    meant = {_ONE_NAME.get(plain, plain) for plain in map(_plain, names)}
    return frozenset(meant | {_FAMILY_OF[device] for device in meant if device in _FAMILY_OF})


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


_ONE_NAME = {_plain(other): _plain(name) for other, name in _OTHER_NAMES.items()}
_FAMILY_OF = {_plain(device): _plain(family) for family, devices in FAMILIES.items() for device in devices}
