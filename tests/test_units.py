"""Quantities: read as people write them, exact, and written back without loss."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.units import BIT_RATE, COMPUTE, DURATION, ENERGY, PERIOD, POWER, Dimension, fraction, shown

DIMENSIONS = [DURATION, PERIOD, BIT_RATE, COMPUTE, ENERGY, POWER]


@pytest.mark.parametrize(
    ("dimension", "text", "value"),
    [
        (DURATION, "5 ms", 0.005),
        (DURATION, "1s", 1.0),
        (DURATION, "0 s", 0.0),
        (DURATION, "1.5 min", 90.0),
        (DURATION, "2 h", 7200.0),
        (DURATION, "3 µs", 3e-6),
        (DURATION, "3 us", 3e-6),
        (DURATION, "1e-3 s", 0.001),
        (BIT_RATE, "250 kbit/s", 250_000.0),
        (BIT_RATE, "5 Mbit/s", 5e6),
        (COMPUTE, "3.75 GFLOPS", 3.75e9),
        (POWER, "400 mW", 0.4),
        (ENERGY, "2.4 uJ", 2.4e-6),
        (ENERGY, "10 Wh", 36_000.0),
    ],
)
def test_reads_what_people_write(dimension: Dimension, text: str, value: float) -> None:
    assert dimension.parse(text) == value
    assert re.fullmatch(dimension.pattern, text)


def test_a_value_is_the_nearest_float_not_a_product() -> None:
    assert 0.0029 * 1e-3 != 2.9e-6, "multiplying would round twice"
    assert DURATION.parse("0.0029 ms") == 2.9e-6


@pytest.mark.parametrize(
    ("dimension", "value", "told"),
    [
        (BIT_RATE, 250, "250 has no unit; write a bit rate with its unit, e.g. '250 kbit/s'"),
        (BIT_RATE, "250", "'250' has no unit"),
        (BIT_RATE, "fast", "'fast' is not a bit rate; write e.g. '250 kbit/s'"),
        (BIT_RATE, "250 kB/s", "units: bit/s, kbit/s"),
        (BIT_RATE, "0 bit/s", "out of range"),
        (BIT_RATE, "-5 Mbit/s", "out of range"),
        (BIT_RATE, "1e99 Gbit/s", "out of range"),
        (BIT_RATE, "9" * 5000 + " bit/s", "is not a bit rate"),
        (PERIOD, "0 s", "out of range"),
        (DURATION, "-0 s", "out of range"),
        (DURATION, "5  ms", "is not a duration"),
        (DURATION, "5 ms ", "is not a duration"),
        (DURATION, "٥ ms", "is not a duration"),
        (DURATION, True, "true is not a duration"),
        (DURATION, None, "null is not a duration"),
        (DURATION, [1], "a list is not a duration"),
        (DURATION, float("nan"), "nan has no unit"),
    ],
)
def test_refuses_with_the_right_form(dimension: Dimension, value: object, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        dimension.parse(value)


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda d: d.example)
@given(data=st.data())
def test_formatting_loses_nothing(dimension: Dimension, data: st.DataObject) -> None:
    value = data.draw(st.floats(max(dimension.least, 1e-12), dimension.most))
    text = dimension.format(value)
    assert dimension.parse(text) == value
    assert re.fullmatch(dimension.pattern, text)


def test_formatting_is_short() -> None:
    assert DURATION.format(0.2) == "200 ms"
    assert DURATION.format(0.0) == "0 s"
    assert BIT_RATE.format(250_000.0) == "250 kbit/s"


@pytest.mark.parametrize(("value", "share"), [("0.1 %", 0.001), ("100%", 1.0), (0.001, 0.001), (0, 0.0), (1, 1.0)])
def test_reads_shares(value: object, share: float) -> None:
    assert fraction(value) == share


@pytest.mark.parametrize("value", [1.5, -0.1, "101 %", "0.1", "-1 %", True, None, float("nan"), float("inf"), "x"])
def test_refuses_what_is_no_share(value: object) -> None:
    with pytest.raises(ValueError, match=r"0 to 1|write e.g. '0.1 %'"):
        fraction(value)


def test_values_are_shown_short_and_escaped() -> None:
    assert shown("a\nb") == "'a\\nb'"
    assert len(shown("x" * 5000)) < 50
    assert len(shown(10**60)) < 50
