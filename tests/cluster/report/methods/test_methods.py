"""Methods beside each other: looks without colour, bands, the same numbers in every chart."""

from __future__ import annotations

import math
import re
from pathlib import Path

import cluster.report
from cluster.report.charts import SHAPES, Frame
from cluster.report.methods.curves import Curve, curves_chart, keys_of_methods, moments_tip
from cluster.report.methods.intervals import intervals_chart
from cluster.report.methods.looks import COLOURS, DASHES, looks_of
from cluster.report.methods.pictures import line_style
from cluster.report.scales import counts

NAMES = [f"method {number}" for number in range(21)]
FRAME = Frame(counts(10), counts(10))


def test_methods_differ_in_marks_or_dashes_and_variants_in_dashes_alone() -> None:
    looks = looks_of(["ours", "ours, far", *NAMES, *(f"{name}, far" for name in NAMES[:7])], focus="ours")
    told_by = {(look.shape, look.dash) for look in looks.values()}
    assert len(told_by) == len(looks)
    assert {look.shape for look in looks.values()} <= SHAPES.keys()
    assert [name for name, look in looks.items() if look.strong] == ["ours", "ours, far"]
    assert looks["method 3"].colour == looks["method 3, far"].colour
    assert looks["method 3"].shape == looks["method 3, far"].shape


def test_a_look_is_the_same_whoever_takes_part() -> None:
    style = (Path(cluster.report.__file__).parent / "style.css").read_text()
    light = dict(re.findall(r"--(\w+):(#\w+)", style.partition("@media")[0]))
    for number, colour in enumerate(COLOURS):
        (name,) = re.findall(rf"\.colour-{number}{{--own:var\(--(\w+)\)}}", style)
        assert light[name] == colour
    dashes = {int(number): lengths for number, lengths in re.findall(r"\.dash-(\d) \.line{[^:]+:([\d ]+)}", style)}
    for number, lengths in enumerate(DASHES):
        assert dashes.get(number, "") == " ".join(f"{length:g}" for length in lengths)
    assert line_style(looks_of(["a"])["a"])["marker"] == "o"


def test_curves_and_keys_of_a_method_have_its_number_which_is_no_trials() -> None:
    looks = looks_of(["a", "b"])
    curve = Curve("b", [(0, 1), (1, 2), (2, math.nan)], [0, 1, 1], [2, 3, 3], steps=True, tip="of b")
    drawn = curves_chart("Title", FRAME, ("x", "y"), [curve], looks)
    assert re.findall(r'<g [^>]*data-t="(-\d)"', drawn) == ["-2"]
    assert 'data-tip="b\nof b"' in drawn
    assert drawn.count('class="band"') == 1
    assert "band" not in curves_chart("Title", FRAME, ("x", "y"), [Curve("a", [(0, 1), (1, 2)])], looks)
    assert re.findall(r'data-t="(-\d)"', keys_of_methods(looks)) == ["-1", "-2"]


def test_a_band_of_steps_encloses_both_ends() -> None:
    """Corners by hand: forward along the upper end, back along the lower one."""
    band = FRAME.band([(0, 1, 4), (5, 1, 3), (10, 2, 3)], steps=True)
    across, up = ({value: f"{of(value):.1f}" for value in range(11)} for of in (FRAME.across, FRAME.up))
    over = f"M{across[0]},{up[4]}H{across[5]}V{up[3]}H{across[10]}"
    under = f"L{across[10]},{up[2]}V{up[1]}H{across[5]}H{across[0]}z"
    assert f'd="{over}{under}"' in band


def test_intervals_are_ordered_and_those_without_a_number_left_out() -> None:
    found = {"a": (3.0, 2.0, 4.0), "b": (1.0, 0.5, 9.0), "c": (math.inf, 1.0, math.inf)}
    drawn = intervals_chart("Title", counts(10), "x", found, looks_of(list(found)))
    assert re.findall(r'<g [^>]*data-t="(-\d)"', drawn) == ["-2", "-1"]
    assert "b\n1 [0.5, 9]" in drawn


def test_moments_are_told_with_intervals_where_they_have_a_width() -> None:
    assert moments_tip({"after 20": (9.41, 8.0, 11.2), "after 50": (1.0, 1.0, 1.0)}) == (
        "after 20: 9.41 [8, 11.2]\nafter 50: 1"
    )
