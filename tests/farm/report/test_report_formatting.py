"""Figures as people read them."""

import pytest

from engine.farm.report.formatting import (
    NOTHING,
    bytes_text,
    clipped,
    count_text,
    counted,
    ms_text,
    share_text,
    time_text,
    usd_text,
    value_text,
)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0.0 ms"), (0.44, "0.4 ms"), (9.94, "9.9 ms"), (9.96, "10 ms"), (812.4, "812 ms"), (1580.2, "1,580 ms"),
        (9999.4, "9,999 ms"), (9999.6, "10.0 s"), (59_949, "59.9 s"), (59_951, "1 min 00 s"), (245_000, "4 min 05 s"),
        (3_599_400, "59 min 59 s"), (3_599_600, "1 h 00 min"), (7_380_000, "2 h 03 min"), (-75_000, "-1 min 15 s"),
    ],
)  # fmt: skip
def test_times_have_the_unit_that_fits(ms, text):
    assert ms_text(ms) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"), (1, "100 %"), (0.0025, "0.25 %"), (0.032, "3.2 %"), (0.9731, "97.3 %"),
        (0.99999, "99.999 %"), (0.9996, "99.96 %"), (0.9994, "99.9 %"), (0.00001, "0.001 %"), (1e-12, "0.00000000 %"),
    ],
)  # fmt: skip
def test_shares_are_percents(share, text):
    assert share_text(share) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", NOTHING), (4096.0, "count", "4,096"), (2.5, "count", "2.5"), (123.4, "count", "123"),
        (0.0042, "usd", "$0.0042"), (3.2, "usd", "$3.20"), (1204, "usd", "$1,204.00"), (0, "usd", "$0.00"),
        (-0.05, "usd", "-$0.0500"), (0.5, "share", "50.0 %"), (12.0, "ms", "12 ms"),
    ],
)  # fmt: skip
def test_a_value_is_told_in_its_unit(value, unit, text):
    assert value_text(value, unit) == text


def test_sizes_and_moments():
    sizes = [bytes_text(size) for size in (840, 1013, 12_700, 2 * 2**30, 3 * 2**40)]
    assert sizes == ["840 bytes", "1,013 bytes", "12.4 KiB", "2.0 GiB", "3.0 TiB"]
    assert time_text(1_790_000_000) == "2026-09-21 14:13:20 UTC"
    assert (count_text(7), usd_text(1)) == ("7", "$1.00")


def test_one_thing_is_no_crowd():
    assert [counted(number, "session") for number in (0, 1, 2, 4096)] == [
        "0 sessions",
        "1 session",
        "2 sessions",
        "4,096 sessions",
    ]
    assert bytes_text(1) == "1 byte"


def test_a_long_text_says_that_it_was_cut():
    assert (clipped("word", 4), clipped("words", 4)) == ("word", "word…")
