"""``mpnas meta-train``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cluster.commands.names import ALGORITHMS, REMEMBER
from cluster.commands.options import takes_options
from cluster.commands.printing import begin, say

__all__ = ["meta_train"]


@dataclass(frozen=True, kw_only=True)
class _MetaTraining:
    """Options of ``mpnas meta-train``.

    Attributes:
        tables: Folder of NAS tables.
        out: Checkpoint to write: OUT.safetensors and OUT.json.
        algorithm: Kind of predictor to learn: mixture adapts in closed form; boil, maml and anil by gradient; pretrain
            has no inner loop; cost learns latencies and other costs alone.
        task: Task to learn from, such as natsbench-size/cifar10; by default all but those of natsbench-size and
            transnasbench101-macro. Repeatable.
        hold_out: Task whose data sets and devices must not be learned from, in any table; or a device or family of
            devices, such as xeon. Repeatable.
        iterations: Training steps; by default 1200 for mixture, else 1500.
        seed: Seed of weights and episodes.
        licensed_only: Leave out tasks whose source states no licence.
        remember: Measurements that a mixture carries with it, cell by cell: those of all tasks, of those whose source
            states a licence, or none.
        device: Device to compute on, such as cuda.
    """

    tables: Path
    out: Path
    algorithm: str = "mixture"
    task: tuple[str, ...] = field(default=(), metadata={"metavar": "TASK"})
    hold_out: tuple[str, ...] = field(default=(), metadata={"metavar": "TASK"})
    iterations: int | None = None
    seed: int = 0
    licensed_only: bool = False
    remember: str = "all"
    device: str = "cpu"


@takes_options(_MetaTraining, names={"algorithm": ALGORITHMS, "remember": REMEMBER})
def meta_train(options: _MetaTraining) -> None:
    """Meta-learn a predictor from NAS tables.

    If it is interrupted, run the same command again: it goes on where it was.
    """
    begin(f"Meta-learning {options.out} from {options.tables}: {options.algorithm}.")
    from cluster.artifacts.meta_training import SourceTasks, config_of, run_meta_training

    card = run_meta_training(
        SourceTasks(options.tables, options.task, options.hold_out, options.licensed_only),
        options.out,
        config_of(options.algorithm, options.seed, options.iterations),
        remember=options.remember,  # type: ignore[arg-type]  # checked there
        device=options.device,
        report=say,
    )
    say(f"{options.out}.safetensors learned from {len(card.tasks)} tasks: {', '.join(card.tasks)}.")
    if card.remembered:
        say(f"It remembers the measurements of {', '.join(card.remembered)}.")
