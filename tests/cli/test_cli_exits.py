"""Failures become one line and an exit code."""

import logging

import pytest
import trio

from engine.cli import exits
from engine.cli.exits import code_of, guarded
from engine.errors import (
    BidiModelTimeoutError,
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    DeviceLost,
    HandshakeRejected,
    LimitExceeded,
    ServerReported,
    SessionEnded,
    TargetLost,
    UnsupportedContent,
)

FAILURES = [
    (ConfigError("field", 1, "2"), exits.USAGE),
    (UnsupportedContent("no sound"), exits.USAGE),
    (SessionEnded("error"), exits.USAGE),
    (FileNotFoundError("gone"), exits.USAGE),
    (ConnectionLost("lost"), exits.CONNECTION),
    (TargetLost("a simulator died"), exits.CONNECTION),
    (HandshakeRejected(403, ""), exits.CONNECTION),
    (ServerReported("no", code="invalid_api_key"), exits.SERVICE),
    (LimitExceeded("bound", 1, 2, "way out"), exits.SERVICE),
    (DeadlinePassed("answer", 1.0), exits.TIME_OUT),
    (DeviceLost("USB microphone", "has stopped"), exits.DEVICE),
    (BidiModelTimeoutError("over"), exits.TIME_OUT),
    (KeyboardInterrupt(), exits.STOPPED),
    (ZeroDivisionError("oh"), exits.FAILED),
]


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        (["connection"], exits.CONNECTION),
        (["deadline"], exits.TIME_OUT),
        (["caller"], exits.USAGE),
        (["crash"], exits.FAILED),
        (["refused"], exits.SERVICE),
        (["connection", "deadline"], exits.SERVICE),
        ([], exits.SERVICE),
    ],
)
def test_a_run_in_which_nothing_worked_is_told_as_what_broke_it(kinds, code, capsys):
    error = exits.NothingWorked("every session broke", kinds)

    assert guarded(failing(error), debug=False) == code
    assert capsys.readouterr().err == "realtime-engine: every session broke\n"


def failing(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(("error", "code"), FAILURES, ids=lambda value: type(value).__name__)
def test_each_failure_has_a_code_that_the_help_explains_and_is_one_line(error, code, capsys):
    assert guarded(failing(error), debug=False) == code
    assert code_of(error) == code
    assert code in exits.MEANINGS
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert "Traceback" not in shown.err


def test_debug_shows_where_it_came_from(capsys):
    assert guarded(failing(ZeroDivisionError("oh")), debug=True) == exits.FAILED
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "in failing" in shown or "in command" in shown
    assert shown.splitlines()[-1] == "realtime-engine: ZeroDivisionError: oh"


def test_a_fault_of_the_program_says_so_and_names_debug(capsys):
    guarded(failing(ZeroDivisionError("oh")), debug=False)

    assert "--debug" in capsys.readouterr().err


def test_what_a_nursery_wrapped_is_unwrapped_and_ours_comes_first(capsys):
    ours = ConnectionLost("the line is dead")
    group = BaseExceptionGroup("", [ExceptionGroup("", [ValueError("a sign of it"), ExceptionGroup("", [ours])])])

    assert guarded(failing(group), debug=False) == exits.CONNECTION
    assert "the line is dead" in capsys.readouterr().err


def test_success_is_zero_and_silent(capsys):
    assert guarded(lambda: None, debug=False) == 0
    assert capsys.readouterr() == ("", "")


def test_a_message_of_several_lines_becomes_one(capsys):
    guarded(failing(ConnectionLost("one\n  two")), debug=False)

    assert capsys.readouterr().err == "realtime-engine: one two\n"


async def test_an_error_without_words_is_named(capsys):
    guarded(failing(trio.BrokenResourceError()), debug=False)

    assert "BrokenResourceError" in capsys.readouterr().err


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("debug", [False, True])
def test_logs_are_shown_for_debugging_only(root_logger, capsys, debug):
    root_logger.handlers.clear()  # pytest has some of its own
    exits.set_up_logging(debug=debug)
    logging.getLogger("engine.session").warning("dropped a message")

    assert ("dropped a message" in capsys.readouterr().err) == debug
