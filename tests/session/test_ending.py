"""A session's end comes once, is the application's last word, and reaches all who wait for it."""

import logging

import pytest

from engine.errors import ConnectionLost, SessionEnded
from engine.inbox import Inbox
from engine.protocol.effects import End
from engine.session.ending import Ending


@pytest.fixture
def inbox():
    return Inbox(10**6, "fail")


@pytest.fixture
def ending(inbox):
    return Ending("conn_1", inbox)


async def test_only_the_first_reason_counts(ending, inbox):
    assert ending.come(End("timeout"))
    assert not ending.come(End("error", ConnectionLost("gone")))

    assert (ending.reason, ending.error) == ("timeout", None)
    assert (await inbox.get()).reason == "timeout"


async def test_an_error_is_raised_to_who_receives_and_is_the_cause_told_to_all_others(ending, inbox):
    lost = ConnectionLost("gone")
    ending.come(End("error", lost))

    with pytest.raises(ConnectionLost):
        await inbox.get()
    told = ending.over()
    assert isinstance(told, SessionEnded)
    assert told.__cause__ is lost


async def test_a_crash_counts_for_more_than_the_reason_it_comes_with(ending):
    bug = ValueError("bug")
    ending.come(End("error", ConnectionLost("gone")), bug)

    assert ending.error is bug


async def test_all_are_told_once_whatever_one_of_them_raises_and_late_ones_at_once(ending, caplog):
    told = []
    ending.when_over(lambda: told.append("first"))
    ending.when_over(lambda: {}["what somebody said"])
    ending.when_over(lambda: told.append("last"))
    ending.come(End("complete"))
    assert told == [], "not before the rest of the session knows"
    with caplog.at_level(logging.ERROR):
        ending.tell()
        ending.tell()
    ending.when_over(lambda: told.append("late"))

    assert told == ["first", "last", "late"]
    assert "KeyError" in caplog.text
    assert "what somebody said" not in caplog.text


async def test_a_bug_alone_in_its_groups_is_given_by_itself(ending):
    bug, other = ValueError("bug"), KeyError("other")

    assert ending.crashed(ExceptionGroup("", [ExceptionGroup("", [bug])])) is bug
    both = ExceptionGroup("", [bug, other])
    assert ending.crashed(both) is both
