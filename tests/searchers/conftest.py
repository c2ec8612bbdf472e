from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the conformance test that starts a process for each searcher; it knows no markers of ours."""
    for item in items:
        if item.name.startswith("test_it_proposes_the_same_in_a_fresh_process"):
            item.add_marker(pytest.mark.long)
