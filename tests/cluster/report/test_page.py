"""The whole page: complete in itself, harmless, small."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from cluster.report.document import document
from cluster.report.page import SECTIONS, page
from cluster.report.view import RunView

EVIL = "</script><script>alert('x')</script>&\"<b>"
VOID = {"meta", "link"}
MOST_BYTES = 1_500_000


class Structure(HTMLParser):
    """Checks that elements are closed as they were opened, and collects what matters."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.num_scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [str(given[name]) for name in ("href", "src") if name in given]
        self.num_scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def structure(text: str) -> Structure:
    reader = Structure()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_is_well_formed_and_needs_no_other_file(run: RunView) -> None:
    found = structure(page(run))
    assert [name for name in found.ids if name in SECTIONS] == list(SECTIONS)
    assert len(set(found.ids)) == len(found.ids)
    for link in found.links:
        assert link == "data:," or (link.startswith("#") and link[1:] in found.ids), link


def test_a_run_without_anything_has_a_page(empty: RunView) -> None:
    text = page(replace(empty, problems=("run.json is damaged.",)))
    assert [name for name in structure(text).ids if name in SECTIONS] == list(SECTIONS)
    assert "run.json is damaged." in text


def test_no_text_of_a_run_becomes_markup(run: RunView) -> None:
    evil = replace(
        run,
        name=EVIL,
        place=EVIL,
        metric=EVIL,
        facts={EVIL: EVIL},
        problems=(EVIL,),
        trials=tuple(replace(each, arch=EVIL, trial_id=EVIL, hyperparameters={EVIL: EVIL}) for each in run.trials),
        rankings=tuple(replace(each, transfer=EVIL) for each in run.rankings),
    )
    assert evil.best is not None
    assert evil.explanation is not None
    explanation = replace(
        evil.explanation,
        slots=tuple(replace(each, slot=EVIL, holds=EVIL) for each in evil.explanation.slots),
        swaps=tuple(replace(each, slot=EVIL, old=EVIL, new=EVIL, costs={EVIL: 1.0}) for each in evil.explanation.swaps),
        effects=tuple(replace(each, slot=EVIL, operation=EVIL) for each in evil.explanation.effects),
        sources=tuple(replace(each, name=EVIL) for each in evil.explanation.sources),
        motifs=tuple(replace(each, feature=EVIL) for each in evil.explanation.motifs),
        costs={EVIL: 1.0},
    )
    text = page(replace(evil, best=replace(evil.best, arch=EVIL, network=EVIL), explanation=explanation))
    assert structure(text).num_scripts == structure(page(run)).num_scripts
    assert "<script>alert" not in text
    assert "<b>" not in re.sub(r"<b>(relative|[\w–.,]+|&lt;).*?</b>", "", text)  # noqa: RUF001


def test_what_the_pointer_tells_comes_back_from_the_page() -> None:
    text = document("x", tips={3: EVIL})
    found = re.search(r'<script type="application/json" id="tips">(.*?)</script>', text)
    assert found
    assert json.loads(found[1]) == {"3": EVIL}


@pytest.mark.long
@pytest.mark.parametrize(("num_trials", "num_epochs"), [(24, 9), (3_000, 60)])
def test_the_page_stays_small(num_trials: int, num_epochs: int, make_run: Callable[..., RunView]) -> None:
    assert len(page(make_run(num_trials, num_epochs=num_epochs, slots=16)).encode()) < MOST_BYTES
