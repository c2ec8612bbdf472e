from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from mpnas_ray.tables import TableError, TableTask, leaves_out, origins


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


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (("CIFAR-10",), ("cifar10",)),
        (("raspi4",), ("raspberry-pi-4",)),
        (("1080ti",), ("gtx-1080-ti",)),
        (("silver_4114",), ("xeon-gold-6240", "xeon")),
        (("Samsung S7",), ("samsung-a50", "phone")),
        (("xeon-silver-4210r",), ("Xeon Gold 6240",)),
    ],
)
def test_another_spelling_or_sibling_is_held_out_too(
    small_task: TableTask, theirs: tuple[str, ...], ours: tuple[str, ...]
) -> None:
    for kind in ("datasets", "devices"):
        bare = dataclasses.replace(small_task, datasets=(), devices=())
        tasks = {name: dataclasses.replace(bare, **{kind: seen}) for name, seen in (("a", theirs), ("b", ours))}
        assert list(leaves_out(tasks, "a")) == []
        assert list(leaves_out(tasks, "b")) == []


def test_devices_of_other_families_stay(small_task: TableTask) -> None:
    names = ("gtx-1080", "gtx-1080-ti", "titan-x", "titan-xp", "raspi3", "raspi4", "pixel3", "Samsung S7", "gold-6240")
    tasks = {name: dataclasses.replace(small_task, datasets=(), devices=(name,)) for name in names}
    for name in names:
        assert list(leaves_out(tasks, name)) == [other for other in names if other != name]


def test_devices_and_families_are_held_out_by_their_names(few_tasks: dict[str, TableTask]) -> None:
    few_tasks["server"] = dataclasses.replace(few_tasks["desktop"], devices=("Xeon Silver 4114",))
    few_tasks["Galaxy"] = dataclasses.replace(few_tasks["desktop"], devices=("Samsung S7",))
    assert "server" not in leaves_out(few_tasks, "xeon")
    assert "desktop" in leaves_out(few_tasks, "xeon")
    assert "Galaxy" not in leaves_out(few_tasks, "phone"), "the task called phone is of the device phone"
    assert "server" not in leaves_out(few_tasks, "silver-4114")
    with pytest.raises(TableError, match=r"no task .xeom. to hold out.*Did you mean"):
        leaves_out({**few_tasks, "xeon": few_tasks["server"]}, "xeom")


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
    assert "transnasbench101/object" in leaves_out(tasks, "transnasbench101/scene")


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


@pytest.mark.data
def test_official_tables_name_devices_and_families_as_they_are_compared(tasks: Mapping[str, TableTask]) -> None:
    for task in tasks.values():
        for device in task.devices:
            assert origins([device]) <= origins(task.devices[:1]), task.name
        assert len(origins(task.devices)) == len(task.devices), task.name
