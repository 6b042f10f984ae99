"""`talk` over a connection that is lost or renewed: a line tells of it, and each turn still has its answer."""

from io import StringIO
from types import SimpleNamespace

import pytest
import trio
from rich.console import Console

from engine.audio.pcm import silence, tone
from engine.audio.playback import Playback
from engine.cli import talk_text, talk_wav
from engine.cli.heard import Heard
from engine.cli.mic_transcript import UNHEARD_S, MicTranscript
from engine.config import ClientSettings, SessionConfig
from engine.demo.connections import in_words
from engine.demo.screen import Screen
from engine.errors import BidiModelTimeoutError, ConnectionLost
from engine.events import (
    BidiConnectionRestartEvent,
    BidiConnectionWarningEvent,
    BidiInterruptionEvent,
    BidiTranscriptStreamEvent,
)
from engine.session import open_session
from engine.session.playback import SessionPlayback
from engine.simulator import Say, Script, Turn, serve
from engine.testing import in_memory

STORY = "Once upon a time there was a lighthouse keeper who had never seen the sea at all."
SCRIPT = Script([Turn([Say(STORY)], repeat=None)])
LOST = ConnectionLost("the connection ended with close code 1006", code=1006)
WARNING = BidiConnectionWarningEvent("connection_lost", 60.0, LOST)


def restart(**fields):
    error = BidiModelTimeoutError("timeout_s=60 has passed") if fields["reason"] == "renewal" else LOST
    return BidiConnectionRestartEvent(error, **fields)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (BidiConnectionWarningEvent("renewal", 540.0), None),
        (WARNING, "the connection ended with close code 1006 | trying again for up to 60 s"),
        (restart(reason="renewal"), "renewed, as the connection's time was over"),
        (restart(reason="connection_lost", gap_ms=1234.0), "connected again after 1.2 s"),
        (
            restart(reason="connection_lost", gap_ms=40_000.0, dropped_audio_ms=10_000.0, asked_again=True),
            "connected again after 40.0 s, 10.0 s of the microphone were not sent, and the answer is asked for again",
        ),
    ],
)
def test_a_change_of_connections_in_words(event, words):
    assert in_words(event) == words


def session_with(simulator, **client):
    settings = ClientSettings(api_key="any-text", **client)
    return open_session(SessionConfig(client=settings), connector=in_memory(simulator))


async def test_a_typed_line_has_its_whole_answer_though_the_connection_breaks_in_it(autojump_clock, capsys):
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        session_with(simulator) as session,
        trio.open_nursery() as nursery,
    ):
        talk = talk_text._TextTalk(session, Heard())
        nursery.start_soon(talk.listen)
        nursery.start_soon(talk.ask, "a story")
        await trio.sleep(0.5)
        await simulator.disconnect_all()
        await trio.sleep(10)
        assert talk._answered.is_set()
        nursery.cancel_scope.cancel()

    begun, lost, again, answer = capsys.readouterr().out.splitlines()
    assert begun.startswith("agent  Once upon a time")
    assert lost == "link   the connection ended with close code 1001: server shutdown | trying again for up to 60 s"
    assert again == "link   connected again after 0.0 s, and the answer is asked for again"
    assert answer == f"agent  {STORY}"


async def test_a_renewal_between_two_lines_leaves_the_prompt(autojump_clock, capsys):
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        session_with(simulator, timeout_s=60) as session,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(talk_text._TextTalk(session, Heard(), typed=True).listen)
        talk_text._prompt(typed=True)
        await trio.sleep(61)
        nursery.cancel_scope.cancel()

    assert capsys.readouterr().out == "you    \nlink   renewed, as the connection's time was over\nyou    "


async def test_a_spoken_turn_has_its_answer_though_the_connection_breaks_in_it(autojump_clock, capsys):
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        session_with(simulator) as session,
        trio.open_nursery() as nursery,
    ):

        async def breaks():
            await trio.sleep(2.8)  # the answer is under way
            await simulator.disconnect_all()

        nursery.start_soon(breaks)
        await talk_wav.hold(session, tone(220, 1500) + silence(500), Heard())

    lines = capsys.readouterr().out.splitlines()
    who = [line.split()[2] for line in lines]
    assert sorted(who) == ["agent", "agent", "caller", "link", "link"], lines
    assert sum("broken off: the connection was lost" in line for line in lines) == 1, lines
    assert sum(STORY in line for line in lines) == 1, lines


async def test_a_lost_connection_is_no_turn_of_the_microphones(autojump_clock):
    shown, clock = StringIO(), [1.0]
    playback = SimpleNamespace(playback=SessionPlayback(Playback(24_000)))
    with Screen(Console(file=shown, width=140)) as screen:
        transcript = MicTranscript(playback, screen, lambda: clock[0])
        words = BidiTranscriptStreamEvent({"text": "Once "}, "Once ", "assistant", False, "Once ", item_id="item_1")
        for event in (words, BidiInterruptionEvent("error"), WARNING, restart(reason="connection_lost", gap_ms=500.0)):
            transcript.take(event)
        clock[0] += UNHEARD_S + 1
        transcript.end_what_is_over()

    assert [line.split()[2] for line in shown.getvalue().splitlines()] == ["agent", "link", "link"]
    assert "connected again after 0.5 s" in shown.getvalue()
