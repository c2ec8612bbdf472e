from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from mpnas_ray.tables import TableError, TableTask, leaves_out


@pytest.fixture
def few_tasks(small_task: TableTask) -> dict[str, TableTask]:
    def task(datasets: str = "", devices: str = "") -> TableTask:
        return dataclasses.replace(small_task, datasets=tuple(datasets.split()), devices=tuple(devices.split()))

    return {
        "digits": task("digits"),
        "digits@short": task("digits"),
        "both": task("digits letters"),
        "letters": task("letters"),
        "phone": task(devices="phone"),
        "digits-on-phone": task("digits", "phone"),
        "desktop": task(devices="desktop"),
    }


@pytest.mark.parametrize(
    ("held_out", "left"),
    [
        ("digits", ["letters", "phone", "desktop"]),
        ("digits@short", ["letters", "phone", "desktop"]),
        ("both", ["phone", "desktop"]),
        ("phone", ["digits", "digits@short", "both", "letters", "desktop"]),
        ("digits-on-phone", ["letters", "desktop"]),
        (["letters", "desktop"], ["digits", "digits@short", "phone", "digits-on-phone"]),
        ([], ["digits", "digits@short", "both", "letters", "phone", "digits-on-phone", "desktop"]),
    ],
)
def test_every_column_of_the_data_set_or_device_goes(
    few_tasks: dict[str, TableTask], held_out: str | list[str], left: list[str]
) -> None:
    assert list(leaves_out(few_tasks, held_out)) == left


def test_a_task_without_data_set_and_device_is_still_held_out(small_task: TableTask) -> None:
    bare = dataclasses.replace(small_task, datasets=(), devices=())

    assert list(leaves_out({"one": bare, "two": bare}, "one")) == ["two"]


def test_an_unknown_task_is_an_error_that_lists_those_there_are(few_tasks: dict[str, TableTask]) -> None:
    with pytest.raises(TableError, match=r"no task 'digit' to hold out. There are: digits, digits@short"):
        leaves_out(few_tasks, "digit")


@pytest.mark.data
def test_official_sources_never_mention_what_is_held_out(tasks: Mapping[str, TableTask]) -> None:
    for held_out in tasks.values():
        sources = leaves_out(tasks, held_out.name)

        assert held_out.name not in sources
        for source in sources.values():
            assert not set(source.datasets) & set(held_out.datasets)
            assert not set(source.devices) & set(held_out.devices)
    cifar10 = leaves_out(tasks, "nasbench101/cifar10")
    assert not [name for name in cifar10 if name.partition("/")[2].partition("@")[0] == "cifar10"]
    assert "nasbench201/cifar100" in cifar10
    assert "nasbench201/gpu-latency" in leaves_out(tasks, "nasbench201/cpu-latency")


@pytest.mark.data
@pytest.mark.parametrize(
    ("held_out", "family"),
    [
        ("gpu", {"gpu", "1080ti-batch1", "1080ti-batch256"}),
        ("silver-4114", {"silver-4114", "silver-4210r", "gold-6240"}),
        ("samsung-s7", {"samsung-s7", "samsung-a50", "essential-ph-1"}),
        ("pixel3", {"pixel3"}),
    ],
)
def test_a_family_of_devices_is_held_out_together(
    tasks: Mapping[str, TableTask], held_out: str, family: set[str]
) -> None:
    costs = {name: task for name, task in tasks.items() if task.kind == "cost"}
    assert len(costs) == 22
    left = leaves_out(costs, f"nasbench201/{held_out}-latency")
    assert costs.keys() - left.keys() == {f"nasbench201/{name}-latency" for name in family}
    assert "transnasbench101/object" in leaves_out(tasks, "transnasbench101/scene")
