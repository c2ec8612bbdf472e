from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the conformance tests, which know no markers of ours, one starts a process for each searcher."""
    for item in items:
        if item.name.startswith("test_it_proposes_the_same_in_a_fresh_process"):
            item.add_marker(pytest.mark.long)
