"""All studies by name."""

from __future__ import annotations

from cluster.experiments.studies.oneshot.agreement_study import ONESHOT_TAU
from cluster.experiments.studies.oneshot.cells_study import ONESHOT_CELLS
from cluster.experiments.studies.oneshot.cost_study import ONESHOT_COST
from cluster.experiments.studies.oneshot.vertices_study import ONESHOT_VERTICES
from cluster.experiments.studies.predictors.study import PREDICTORS
from cluster.experiments.studies.study import Study
from cluster.experiments.studies.table7.study import TABLE7
from cluster.experiments.studies.tables.fig2 import FIG2
from cluster.experiments.studies.tables.fig3 import FIG3
from cluster.experiments.studies.tables.table2 import TABLE2
from cluster.experiments.studies.tables.table3 import TABLE3
from cluster.experiments.studies.tables.table4 import TABLE4
from cluster.experiments.studies.tables.table5 import TABLE5
from cluster.experiments.studies.tables.table6 import TABLE6
from mpnas_ray.errors import RunError
from mpnas_ray.names import no_such

__all__ = ["STUDIES", "get_study"]

_ALL: tuple[Study, ...] = (
    TABLE2,
    TABLE3,
    TABLE4,
    TABLE5,
    TABLE6,
    TABLE7,
    FIG2,
    FIG3,
    PREDICTORS,
    ONESHOT_CELLS,
    ONESHOT_TAU,
    ONESHOT_VERTICES,
    ONESHOT_COST,
)

STUDIES: dict[str, Study] = {study.name: study for study in _ALL}
"""By the names that ``mpnas reproduce`` takes."""


def get_study(name: str) -> Study:
    """Return the study of that name.

    Raises:
        RunError: If there is none; the message lists those there are.
    """
    if name not in STUDIES:
        raise RunError(no_such("study", name, STUDIES))
    return STUDIES[name]
