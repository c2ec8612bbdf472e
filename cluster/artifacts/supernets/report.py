"""The report of a run of supernets, read from what its trials have written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import read_results, read_trials

__all__ = ["SupernetReport", "TrainedSupernet", "epochs_of"]


@dataclass(frozen=True)
class TrainedSupernet:
    """A supernet that was trained to its end.

    Attributes:
        name: Name of the supernet, ``<method>.<seed>``.
        arch: Architecture that the method chose.
        score: Metric of the architecture on the validation part, with the weights of the supernet.
        num_skips: Skips of the architecture on its way from input to output.
        epochs: Epochs of the training.
        parameters: Trainable parameters of the supernet.
        seconds: Seconds of the training, with the comparison of architectures.
        peak_bytes: Most memory that it took; on CPUs that of the whole process.
        stopped: Reason for an early end; empty if there was none.
    """

    name: str
    arch: str
    score: float
    num_skips: int
    epochs: int
    parameters: int
    seconds: float
    peak_bytes: int
    stopped: str

    @classmethod
    def of(cls, name: str, result: Mapping[str, Any], metric_key: str) -> TrainedSupernet:
        """Read the last result of its trial."""
        return cls(
            name=name,
            arch=result["arch"],
            score=float(result[metric_key]),
            num_skips=result["num_skips"],
            epochs=result["epoch"],
            parameters=result["parameters"],
            seconds=result["training_seconds"],
            peak_bytes=result["peak_bytes"],
            stopped=result["stopped"],
        )


@dataclass(frozen=True)
class SupernetReport:
    """Facts of a finished run of supernets.

    Attributes:
        task: Name of the task.
        space: Name of the space, with that of the family if there is one.
        preset: Sizes of the networks.
        protocol: Settings of the methods.
        metric: Name of the metric, without ``validation_``.
        mode: ``min`` or ``max``.
        supernets: The supernets in the order in which they were asked for.
        folder: Folder of the run.
    """

    task: str
    space: str
    preset: str
    protocol: str
    metric: str
    mode: str
    supernets: tuple[TrainedSupernet, ...]
    folder: str

    def to_json(self) -> str:
        """Write all fields as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def __str__(self) -> str:
        """Write the report as text for people."""
        width = max(len(each.name) for each in self.supernets)
        lines = "".join(
            f"\n    {each.name:{width}}  {each.score:.5f}  {each.seconds:6.0f} s  {each.peak_bytes / 1e6:6.0f} MB  "
            f"{each.arch}{f'  ({each.stopped})' if each.stopped else ''}"
            for each in self.supernets
        )
        return f"""
Cells of {self.space} that supernets chose for {self.task}, with the {self.metric} that shared weights give them on the
validation part. That is no score of a training: `mpnas train --model CELL` gives one.
{lines}

Everything is in {self.folder}; report.html has the courses.
"""


def epochs_of(folder: RunFolder, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Read what each supernet reported after each epoch, over all sessions of the run."""
    found: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in names}
    for trial in read_trials(folder):
        if trial.arch in found:
            for result in read_results(folder, trial.trial_id):
                if "epoch" in result and "arch" in result:
                    found[trial.arch][result["epoch"]] = result
    return {name: [epochs[number] for number in sorted(epochs)] for name, epochs in found.items()}
