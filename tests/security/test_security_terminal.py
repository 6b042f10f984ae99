"""Hostile words on a terminal: what would steer it is shown, and no line passes for another."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from engine.cli import exits
from engine.cli.app import run
from engine.demo.printable import one_line, printable
from engine.demo.screen import Screen
from engine.demo.tools import in_words
from engine.errors import ServerReported

CLEAR = "\x1b[2J\x1b]0;title\x07\x1b]52;c;Y2FsYw==\x07"
"""Clears the screen, sets the title, fills the clipboard."""

C1 = "\x9b2J"
OVERRIDE = "evil\u202etxt.exe\u2066"
HOSTILE = f"hello {CLEAR}{C1}{OVERRIDE}\r0.0 s  error  forged\n  0.1 s  agent  forged"

STEERS = [chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), 0x2066, 0x2028)]


def steering(text):
    return [letter for letter in text if letter in STEERS]


@given(st.text() | st.text(alphabet=STEERS))
def test_nothing_that_steers_is_left(text):
    assert steering(printable(text)) == []
    assert "\n" not in one_line(text)


def test_words_of_all_scripts_stay_as_they_are():
    words = "naïve 日本語 עברית العربية नमस्ते 👩\u200d👩\u200d👧 क\u200dष\ttab\nline"

    assert printable(words) == words


def test_what_is_shown_instead_tells_what_it_was():
    assert printable("\x1b[2J") == "\\x1b[2J"
    assert printable("a\u202eb") == "a\\u202eb"
    assert printable("\ud800") == "\\ud800"


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_the_screen_of_a_talk(terminal):
    out = io.StringIO()
    with Screen(Console(file=out, force_terminal=terminal, color_system=None, width=300)) as screen:
        screen.end(screen.begin(1.0, "agent", HOSTILE), note=HOSTILE)
        screen.end(screen.begin(2.0, "error", HOSTILE))
    shown = out.getvalue()
    assert "\x1b[2J\x1b]0" not in shown
    assert "\\x1b[2J\\x1b]0;title\\x07" in shown
    assert "\u202e" not in shown
    assert C1 not in shown
    if not terminal:
        assert len(shown.splitlines()) == 2


def recording(tmp_path, *events):
    path = tmp_path / "call.jsonl"
    lines = ({"at": number * 1.0, "dir": "server", "event": event} for number, event in enumerate(events))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def events():
    session = {"type": "realtime", "id": "s", "model": HOSTILE, "audio": {"output": {"voice": HOSTILE}}}
    call = {
        "type": "function_call",
        "id": "i",
        "call_id": "c",
        "name": HOSTILE,
        "arguments": "{}",
        "status": "completed",
    }
    yield {"type": "session.created", "event_id": "e", "session": session}
    yield {"type": HOSTILE, "event_id": "e"}
    yield {"type": "response.created", "event_id": "e", "response": {"id": "r"}}
    yield {"type": "response.output_item.done", "event_id": "e", "response_id": "r", "output_index": 0, "item": call}
    yield {
        "type": "response.done",
        "event_id": "e",
        "response": {
            "id": "r",
            "status": "failed",
            "status_details": {"reason": HOSTILE, "error": {"message": HOSTILE}},
        },
    }
    yield {"type": "error", "event_id": "e", "error": {"type": "t", "code": HOSTILE, "message": HOSTILE}}


def test_what_inspect_prints_of_a_recording(tmp_path, capsys):
    assert run(["inspect", str(recording(tmp_path, *events()))]) == 0
    shown = capsys.readouterr().out
    assert steering(shown) == []
    assert "\\x1b[2J" in shown


def test_a_recording_whose_name_steers(tmp_path, capsys):
    path = recording(tmp_path, *events())
    path = path.rename(tmp_path / "call\x1b[2J.jsonl")
    assert run(["inspect", str(path)]) == 0
    assert steering(capsys.readouterr().out) == []


@pytest.mark.parametrize("debug", [True, False])
def test_a_failures_words(debug, capsys):
    def fails():
        raise ServerReported(HOSTILE, code=HOSTILE)

    assert exits.guarded(fails, debug=debug) == exits.SERVICE
    shown = capsys.readouterr().err
    assert steering(shown) == []
    assert "\\x1b[2J" in shown


@pytest.mark.parametrize("value", [[1, {"x": 2}], {"x": [HOSTILE]}, None, 5, [[]]])
def test_arguments_of_any_shape_can_be_said(value):
    call, gave = in_words("tool", {"given": value}, {"error": HOSTILE})

    assert call.startswith("tool(")
    assert steering(one_line(call) + one_line(gave)) == []
