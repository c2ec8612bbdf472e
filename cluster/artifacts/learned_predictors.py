"""Learn the predictors of comparisons, studies and benchmarks once, and keep them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cluster.artifacts.meta_training import meta_learn
from cluster.work.items import WorkItem
from cluster.work.running import compute_missing
from mpnas_ray.errors import PredictorError
from mpnas_ray.meta_learning.mixture import MixtureConfig
from mpnas_ray.pretrained import load_checkpoint, refuse_if_seen
from mpnas_ray.tables import TableTask, leaves_out, load_tasks

__all__ = ["PredictorToLearn", "learn_missing_predictors", "learn_once", "load_sources"]

LoadTasks = Callable[[], Mapping[str, TableTask]]


@dataclass(frozen=True)
class PredictorToLearn:
    """A mixture predictor that is to be learned from certain tasks.

    Attributes:
        path: The checkpoint's files, without ending.
        tasks: Names of the tasks to learn from.
        load: Loads these tasks, in the process that learns from them.
        config: Settings of the learning.
        command: Command that is run, for its card.
    """

    path: Path
    tasks: tuple[str, ...]
    load: LoadTasks
    config: MixtureConfig
    command: str

    @classmethod
    def of(cls, path: Path, sources: Mapping[str, TableTask], config: MixtureConfig, command: str) -> PredictorToLearn:
        """Describe a predictor by its sources, for `learn_once`: workers would be sent them."""
        return cls(path, tuple(sources), lambda: sources, config, command)

    def is_there(self, target: TableTask | None = None) -> bool:
        """Say whether the predictor was learned before.

        Args:
            target: A task that it must have learned nothing of.

        Raises:
            PredictorError: If the checkpoint there is damaged, has seen the target, or was learned otherwise.
        """
        if not self.path.with_name(f"{self.path.name}.json").exists():
            return False
        _, card = load_checkpoint(self.path)
        if target is not None:
            refuse_if_seen(card, target)
        same_tasks = set(card.tasks) == set(self.tasks)
        if not same_tasks or card.config != self.config:
            what = "in another way" if same_tasks else f"from {', '.join(card.tasks)}"
            raise PredictorError(
                f"The predictor {self.path} was meta-learned {what}, not as is needed here (from "
                f"{', '.join(self.tasks)}): take its files away, and it is made anew, or name another folder."
            )
        return True

    def learn(self) -> None:
        """Learn it, and write the checkpoint; interrupted and called again, it goes on from ``<path>.training``."""
        unfinished = self.path.with_name(f"{self.path.name}.training")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        meta_learn(self.load(), self.config, self.path, unfinished=unfinished, command=self.command)
        unfinished.unlink(missing_ok=True)


def load_sources(files: Sequence[Path], held_out: Sequence[str]) -> dict[str, TableTask]:
    """Load all tasks of files or folders of tables, but those of the data sets and devices of the held-out ones."""
    return leaves_out({name: task for file in files for name, task in load_tasks(file).items()}, held_out)


def learn_once(predictor: PredictorToLearn, report: Callable[[str], None] | None = None) -> Path:
    """Return the checkpoint of a predictor, which is learned in this process if it is not there.

    Args:
        predictor: The predictor.
        report: Receives a line if there is something to do.

    Raises:
        PredictorError: If the checkpoint there was learned otherwise.
    """
    if not predictor.is_there():
        if report is not None:
            report(f"meta-learning {predictor.path.name} from {len(predictor.tasks)} tasks")
        predictor.learn()
    return predictor.path


def learn_missing_predictors(
    predictors: Sequence[PredictorToLearn],
    *,
    report: Callable[[str], None] | None = None,
    session: ExitStack | None = None,
) -> dict[str, str]:
    """Learn the predictors that are not there, side by side on Ray.

    Args:
        predictors: Predictors to learn, all in one folder that all nodes reach.
        report: Receives a line if there is something to do.
        session: Argument of `cluster.work.running.compute_missing`.

    Returns:
        Name of the checkpoint -> error in one line, of those that could not be learned.

    Raises:
        PredictorError: If a checkpoint that is there was learned otherwise.
        RunInterruptedError: After Ctrl-C; the same call goes on.
    """
    missing = {predictor.path.name: predictor for predictor in predictors if not predictor.is_there()}
    if not missing:
        return {}
    if report is not None:
        report(f"meta-learning {len(missing)} predictors, each without the tasks that it is judged on")
    items = [WorkItem(name, {}, partial(PredictorToLearn.learn, one)) for name, one in missing.items()]
    return compute_missing(items, _Checkpoints(next(iter(missing.values())).path.parent), session=session)


@dataclass(frozen=True)
class _Checkpoints:
    """The folder of predictors as `Results`: an item that is done has written its checkpoint itself."""

    folder: Path

    def read(self, item: WorkItem) -> None:
        """Return nothing: the items are those that are missing."""

    def write(self, item: WorkItem, result: None) -> None:
        """Do nothing: the item has written its checkpoint."""
