from __future__ import annotations

import pickle
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.work import running
from cluster.work.items import Results, WorkItem

_MODULE = """
import time
from dataclasses import replace
from pathlib import Path
from trainables import get_task
from trainables.tasks.core.subset import with_fewer_samples

HERE = Path(__file__).parent

def loss(outputs, targets):  # a function of this module, so that workers import it
    if outputs.requires_grad:
        with (HERE / "epochs").open("ab") as epochs:
            epochs.write(b".")
            epochs.flush()
            number = epochs.tell()
        while any(number > int(held.name) for held in HERE.glob("held-after/*")):
            time.sleep(0.02)
    return DIGITS.loss(outputs, targets)

DIGITS = with_fewer_samples(get_task("digits"), 100)
TASK = replace(DIGITS, name="held", loss=loss, recipe=replace(DIGITS.recipe, batch_size=100))
"""


@dataclass(frozen=True)
class HeldTask:
    """A quick task whose trainings stand still after a number of epochs, which are of one batch, until they are let go.

    So a test that interrupts a run does so in its middle, however fast the machine is.

    Attributes:
        folder: Folder of its module, from which commands find it.
    """

    folder: Path

    reference = "held:TASK"

    def hold_after(self, num_epochs: int) -> None:
        self._held.mkdir()
        (self._held / str(num_epochs)).touch()

    def let_go(self) -> None:
        shutil.rmtree(self._held)

    @property
    def _held(self) -> Path:
        return self.folder / "held-after"


@pytest.fixture
def held_task(tmp_path: Path) -> HeldTask:
    folder = tmp_path / "held-task"
    folder.mkdir()
    (folder / "held.py").write_text(_MODULE)
    return HeldTask(folder)


@pytest.fixture
def computed_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Items of work are computed in this process, without Ray; gives their names."""
    names: list[str] = []

    def one_by_one(items: Sequence[WorkItem], store: Results, *, gpus: float = 0.0) -> dict[str, str]:
        for item in items:
            names.append(item.name)
            store.write(item, pickle.loads(pickle.dumps(item)).compute())
        return {}

    monkeypatch.setattr(running, "compute_on_ray", one_by_one)
    return names
