"""What is done otherwise than Ray Tune does it; workers out of memory are a case of benchmarks/failures.py."""

from __future__ import annotations

import pytest
from ray.tune import TuneError
from ray.tune.experiment import trial as tune_trial
from ray.tune.experiment.trial import Trial

from cluster.mended_tune import mended_tune


def test_trials_look_their_trainable_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def validate(name: str) -> None:
        asked.append(name)
        if name == "unknown":
            raise TuneError("Unknown trainable: unknown")

    monkeypatch.setattr(tune_trial, "validate_trainable", validate)
    with mended_tune():
        for number in range(3):
            Trial("mine", config={"number": number}, _setup_default_resource=False)
        assert asked == ["mine"]
        for _ in range(2):
            with pytest.raises(TuneError, match="unknown"):
                Trial("unknown", _setup_default_resource=False)
    Trial("mine", _setup_default_resource=False)
    assert asked == ["mine", "unknown", "unknown", "mine"]
