"""Files of architectures and of measurements, as `mpnas predict` reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.artifacts.prediction import read_archs, read_observed
from mpnas_ray.spaces import get_space

SPACE = get_space("transnasbench101")
ROWS = [{"arch": str(arch), "score": 0.5} for arch in SPACE.sample_many(3, np.random.default_rng(0))]
TABLE = "arch;score\n" + "".join(f"{row['arch']};{row['score']}\n" for row in ROWS)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["a.csv", "a.json"])
def test_bytes(name: str, encoding: str, tmp_path: Path, fuzz: Any, damaged_bytes: Any) -> None:
    text = json.dumps(ROWS) if name == "a.json" else TABLE

    def check(content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        for arch in read_archs(tmp_path / name):
            assert isinstance(arch, str)
        _, scores = read_observed(tmp_path / name, SPACE)
        assert np.isfinite(scores).all()

    fuzz(check, damaged_bytes(text.encode(encoding)))


def test_values(tmp_path: Path, fuzz: Any, damaged_json: Any) -> None:
    def check(content: Any) -> None:
        (tmp_path / "a.json").write_text(json.dumps(content))
        archs, scores = read_observed(tmp_path / "a.json", SPACE)
        assert len(archs) == len(scores)
        read_archs(tmp_path / "a.json")

    fuzz(check, damaged_json(ROWS))
