"""How long a server wants to be left alone: both forms of the header, milliseconds, and what can't be read."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.transport.retry_after import RETRY_AFTER_MAX_S, retry_after_s

DATE = b"Wed, 21 Oct 2015 07:28:00 GMT"
A_MINUTE_LATER = b"Wed, 21 Oct 2015 07:29:00 GMT"


def told(**headers):
    return retry_after_s([(name.replace("_", "-").encode(), value) for name, value in headers.items()])


def test_nothing_is_said():
    assert retry_after_s([]) is None
    assert told(date=DATE, content_length=b"3") is None


@pytest.mark.parametrize(
    ("value", "wait_s"), [(b"0", 0), (b"120", 120), (b" 7 ", 7), (b"1.5", 1.5), (b"2.", 2), (b"0007", 7)]
)
def test_seconds(value, wait_s):
    assert told(retry_after=value) == wait_s


def test_milliseconds_are_the_finer_word():
    assert told(retry_after_ms=b"1250") == 1.25
    assert told(retry_after=b"2", retry_after_ms=b"1250") == 1.25
    assert told(retry_after=b"2", retry_after_ms=b"soon") == 2


def test_names_are_read_in_any_case_and_the_first_of_two_counts():
    assert retry_after_s([(b"Retry-After", b"3"), (b"RETRY-AFTER", b"4")]) == 3


def test_a_date_is_measured_by_the_servers_own_clock():
    assert told(retry_after=A_MINUTE_LATER, date=DATE) == 60


@pytest.mark.parametrize("date", [None, b"not a date"])
def test_a_date_is_measured_by_our_clock_where_the_server_shows_none(date):
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True).encode()
    headers = {"date": date} if date else {}

    assert 60 < told(retry_after=until, **headers) <= 101


@pytest.mark.parametrize(
    "value",
    [b"Wednesday, 21-Oct-15 07:29:00 GMT", b"Wed Oct 21 07:29:00 2015", b"Wed, 21 Oct 2015 09:29:00 +0200"],
    ids=["RFC 850", "asctime", "zone"],
)
def test_old_forms_of_a_date_are_read_too(value):
    assert told(retry_after=value, date=DATE) == 60


def test_a_date_that_is_over_is_no_wait():
    assert told(retry_after=DATE, date=A_MINUTE_LATER) == 0


@pytest.mark.parametrize("value", [b"9" * 20, b"Wed, 21 Oct 2099 07:28:00 GMT"], ids=["seconds", "date"])
def test_a_wait_is_bounded(value):
    assert told(retry_after=value, date=DATE) == RETRY_AFTER_MAX_S


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"soon", b"-5", b"+5", b"1e3", b"nan", b"inf", b"0x10", b"1,5", b"\xff", "٣".encode(), b"9" * 400),
        *(b"Wed, 99 Oct 2015 07:28:00 GMT", b"Wed, 21 Oct 99999999999 07:28:00 GMT"),
        b"Wed, 21 Oct 2015 07:28:00 +99999999999",
    ],
)
def test_what_can_not_be_read_is_not_said(value):
    assert told(retry_after=value) is None
    assert told(retry_after_ms=value) is None


values = st.binary(max_size=40) | st.sampled_from([DATE, b"5", b"Wed, 21 Oct 2015 07:28:00 "])
names = st.sampled_from([b"retry-after", b"Retry-After-Ms", b"date", b"x"])


@given(st.lists(st.tuples(names, st.builds(lambda *parts: b"".join(parts), values, values)), max_size=4))
def test_whatever_comes_the_wait_is_within_its_bounds(headers):
    wait_s = retry_after_s(headers)

    assert wait_s is None or 0 <= wait_s <= RETRY_AFTER_MAX_S
