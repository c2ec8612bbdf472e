"""Markup in which texts cannot do harm, scales, and numbers."""

from __future__ import annotations

import math
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cluster.report.html import Html, number, tag, whole
from cluster.report.scales import Scale, counts, even, logarithmic, robust, time_scale

FINITE = st.floats(min_value=-1e12, max_value=1e12)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(), st.text())
def test_text_comes_back_as_it_was_and_is_never_markup(text: str, value: str) -> None:
    reader = Reader()
    reader.feed(tag("p", text, title=value))
    reader.close()
    assert [name for name, _ in reader.found] == ["p"]
    assert reader.text.split() == text.split()
    assert (reader.found[0][1]["title"] or "").split() == value.split()


def test_markup_is_kept_and_nothing_is_left_out_by_mistake() -> None:
    assert tag("p", Html("<b>x</b>"), None, "<", class_="a", data_t=0, title=None) == (
        '<p class="a" data-t="0"><b>x</b>&lt;</p>'
    )


def test_numbers_are_shown_short() -> None:
    assert (number(0.123456789), number(math.nan), number(None), whole(None)) == ("0.12346", "–", "–", "–")  # noqa: RUF001
    assert whole(1234567) == "1,234,567"


@given(FINITE, FINITE)
@example(0.0, 5e-324)
@example(1e-305, 1.2e-305)
def test_a_linear_scale_holds_its_values_and_has_a_few_ticks_in_order(one: float, other: float) -> None:
    scale = even(min(one, other), max(one, other))
    assert scale.shows(one)
    assert scale.shows(other)
    check_ticks(scale)


@given(st.lists(st.floats(min_value=1e-6, max_value=1e12), min_size=1))
def test_a_logarithmic_scale_holds_its_values(values: list[float]) -> None:
    scale = logarithmic(values)
    assert all(scale.shows(value) for value in values)
    check_ticks(scale)
    assert 0 <= scale.share(min(values)) <= scale.share(max(values)) <= 1


def check_ticks(scale: Scale) -> None:
    places = [value for value, _ in scale.ticks]
    assert 1 <= len(places) <= 20
    assert places == sorted(places)
    assert all(scale.low <= value <= scale.high for value in places)
    assert len({text for _, text in scale.ticks}) == len(places) or scale.high - scale.low < 1e-3 * abs(scale.high)


def test_counts_have_whole_ticks_from_zero() -> None:
    assert counts(4).ticks == ((0.0, "0"), (1.0, "1"), (2.0, "2"), (3.0, "3"), (4.0, "4"))
    assert counts(0).ticks[0] == (0.0, "0")


def test_powers_of_ten_are_the_ticks_of_wide_scales() -> None:
    assert [text for _, text in logarithmic([1.0, 10_000_000.0]).ticks][:5] == ["1", "10", "100", "1k", "10k"]


def test_an_absurd_value_does_not_stretch_a_robust_scale() -> None:
    values = [0.1, 0.2, 0.25, 0.3, 0.15, 0.22, 1e30, math.nan, -math.inf]
    scale = robust(values)
    assert scale.high < 1
    assert scale.share(1e30) == 1.0
    assert robust([]).high > robust([]).low
    assert robust([0.5]).shows(0.5)


@pytest.mark.parametrize(
    ("longest", "unit"), [(40.0, "seconds"), (600.0, "minutes"), (20_000.0, "hours"), (1e6, "days"), (0.0, "seconds")]
)
def test_durations_are_shown_in_the_unit_that_suits_them(longest: float, unit: str) -> None:
    scale = time_scale(longest)
    assert scale.unit == unit
    assert scale.scale.shows(longest / scale.seconds)
