"""The table of the whole API: no row of openai's types without a name of ours, and no name that leads nowhere."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "_ext"))

from engine_api import TABLES, served, target

import engine
import engine.events
import engine.protocol.conversation
import engine.wire.session
from engine.config import ClientSettings, SessionConfig
from engine.session import Session
from engine.session.responses import ResponseStream
from engine.session.transcription import TranscriptionSession
from engine.session.translation import TranslationSession
from engine.wire.response import Response

CLIENT = ClientSettings(api_key="test-key", base_url="ws://localhost/v1")
SPACES = (engine, engine.errors, engine.events, engine.config, engine.session, engine.wire.session)
MADE = {
    "Session": lambda: Session(SessionConfig(client=CLIENT)),
    "ResponseStream": lambda: ResponseStream(Response(), SessionConfig(client=CLIENT).audio, None, out_of_band=True),
    "TranscriptionSession": lambda: TranscriptionSession,
    "TranslationSession": lambda: TranslationSession(engine.TranslationConfig(language="de", client=CLIENT)),
    "ConversationStatistics": lambda: engine.protocol.conversation.ConversationStatistics,
}


def found(name):
    """Find what a name leads to: a class or function, or a part of one."""
    first, *rest = name.split(".")
    space = next((space for space in SPACES if hasattr(space, first)), None)
    thing = MADE[first]() if first in MADE else getattr(space, first)
    for part in rest:
        fields = {field.name.lstrip("_"): field for field in getattr(thing, "__attrs_attrs__", ())}
        thing = fields[part] if part in fields else getattr(thing, part)
    return thing


@pytest.mark.parametrize("table", TABLES)
def test_everything_that_the_service_has_is_served(table):
    names, rows = TABLES[table]

    assert [name for name in names if not served(rows, name)] == []


@pytest.mark.parametrize("table", TABLES)
def test_no_row_speaks_of_what_the_service_has_not(table):
    names, rows = TABLES[table]

    assert [key for key in rows if not key.endswith(".*") and key not in names] == []
    assert [key for key in rows if key.endswith(".*") and not any(name.startswith(key[:-1]) for name in names)] == []


@pytest.mark.parametrize("table", TABLES)
def test_every_name_leads_somewhere(table):
    _, rows = TABLES[table]
    names = sorted({name for served_by in rows.values() for name in served_by.split(", ")})

    assert [name for name in names if not leads_somewhere(name)] == []


def leads_somewhere(name):
    try:
        found(name)
    except AttributeError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("Session.items.create", "engine.session.items.Items.create"),
        ("Session.update", "engine.session.Session.update"),
        ("Session.send_audio", "engine.session.base.BaseSession.send_audio"),
        ("Session.audio_out", "engine.session.speaking.SpeakingSession.audio_out"),
        ("Session.settings", "engine.session.Session.settings"),
        ("Session.raw", "engine.raw.Raw"),
        ("SessionConfig.voice", "engine.config.SessionConfig"),
        ("BidiAudioStreamEvent", "engine.events.BidiAudioStreamEvent"),
        ("ServerReported", "engine.errors.ServerReported"),
        ("open_session", "engine.session.open_session"),
    ],
)
def test_a_name_links_to_what_describes_it(name, described):
    assert target(name) == described


@pytest.mark.parametrize("table", TABLES)
def test_every_name_has_a_place_where_it_is_described(table):
    _, rows = TABLES[table]

    for name in {name for served_by in rows.values() for name in served_by.split(", ")}:
        assert target(name).startswith("engine.")


def test_a_name_that_leads_nowhere_is_noticed():
    assert leads_somewhere("Session.items.create")
    assert not leads_somewhere("Session.items.destroy")
    assert not leads_somewhere("Sessions")


def test_something_that_the_service_adds_is_noticed():
    assert served({"a": "Session"}, "b") == ""
    assert served({"a.*": "Session", "a.b.*": "Tool"}, "a.b.c") == "Tool"
