"""All studies by name."""

from __future__ import annotations

from cluster.experiments.studies.fig2 import FIG2
from cluster.experiments.studies.fig3 import FIG3
from cluster.experiments.studies.study import Study
from cluster.experiments.studies.table2 import TABLE2
from cluster.experiments.studies.table3 import TABLE3
from cluster.experiments.studies.table4 import TABLE4
from cluster.experiments.studies.table5 import TABLE5
from cluster.experiments.studies.table6 import TABLE6

__all__ = ["STUDIES"]

STUDIES: dict[str, Study] = {study.name: study for study in (TABLE2, TABLE3, TABLE4, TABLE5, TABLE6, FIG2, FIG3)}
