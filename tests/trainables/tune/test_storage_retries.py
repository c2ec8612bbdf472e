"""Storage that fails for a while is waited for; what is not there is not."""

from __future__ import annotations

import logging
import time

import pytest

from trainables.tune import storage_retries as patience
from trainables.tune.storage_retries import patiently


class Storage:
    """Fails a number of times before it answers."""

    def __init__(self, num_failures: float, error: type[OSError] = ConnectionError) -> None:
        self.left, self.error, self.tries = num_failures, error, 0

    def read(self) -> str:
        self.tries += 1
        if self.left > 0:
            self.left -= 1
            raise self.error(f"try {self.tries}")
        return "content"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(patience, "_LONGEST_PAUSE", 0.05)


def test_what_fails_for_a_while_is_done_in_the_end_and_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    storage = Storage(3)
    with caplog.at_level(logging.WARNING):
        assert patiently(storage.read, "read runs/one") == "content"
    assert storage.tries == 4
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == ["Could not read runs/one"] * 3
    assert "try 2" in caplog.records[1].getMessage()


def test_the_last_error_comes_when_the_time_is_over_and_not_before() -> None:
    storage = Storage(float("inf"), TimeoutError)
    start = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        patiently(storage.read, "read", patience_s=0.4)
    assert time.monotonic() - start >= 0.4
    assert storage.tries >= 2
    assert str(caught.value) == f"try {storage.tries}"


def test_pauses_grow_to_the_longest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    patiently(Storage(5).read, "read")
    assert pauses == [0.02, 0.04, 0.05, 0.05, 0.05]


def test_without_patience_there_is_one_try() -> None:
    storage = Storage(1)
    with pytest.raises(ConnectionError):
        patiently(storage.read, "read", patience_s=0)
    assert storage.tries == 1


@pytest.mark.parametrize("error", [FileNotFoundError, pytest.param(ValueError, id="no error of storage")])
def test_what_waiting_does_not_mend_comes_at_once(error: type[OSError]) -> None:
    storage = Storage(1, error)
    with pytest.raises(error):
        patiently(storage.read, "read")
    assert storage.tries == 1
