"""The demo's smaller parts: story, log, recording, meter, tap, screen, picture and table of a call that hardly was."""

import io
import time

import orjson
import pytest
import trio
from matplotlib.image import imread
from rich.console import Console

from engine.audio.pcm import silence, tone
from engine.demo import summary
from engine.demo.event_log import EventLog
from engine.demo.meter import Meter
from engine.demo.production import Production, write_files
from engine.demo.recording import Answer, CallerTurn, Interruption, Recording, Usage
from engine.demo.screen import Screen
from engine.demo.sound_card import Place, Playing, Tape
from engine.demo.story import STORY, speech_span_ms
from engine.demo.timeline import draw
from engine.demo.wire_tap import tapped
from engine.events import BidiAudioInputEvent, BidiUsageEvent
from engine.transport.base import Endpoint
from engine.transport.memory import MemoryConnector

# --- story ------------------------------------------------------------------------------------------------------------


def test_speech_is_found_between_silence():
    pcm = silence(200) + tone(440, 300) + silence(100)

    assert speech_span_ms(pcm) == (200, 500)


def test_where_all_is_quiet_the_whole_counts():
    assert speech_span_ms(silence(100)) == (0, 100)


def test_the_story_has_four_turns_and_one_of_them_cuts_in():
    assert len(STORY) >= 4
    assert sum(beat.cut_in_after_s is not None for beat in STORY) == 1


# --- log --------------------------------------------------------------------------------------------------------------


def test_the_log_is_sorted_counted_and_without_audio(tmp_path):
    log = EventLog()
    log.contract("client", BidiAudioInputEvent.from_pcm(b"\0" * 100), 12.0)
    log.wire("server", '{"type": "response.output_audio.delta", "delta": "AAAAAA=="}', 11.0)
    log.wire("client", '{"type": "response.cancel"}', 10.5)

    log.write(tmp_path / "log", zero=10.0)

    lines = [orjson.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert [(line["t"], line["layer"], line["dir"], line["event"]["type"]) for line in lines] == [
        (0.5, "wire", "client", "response.cancel"),
        (1.0, "wire", "server", "response.output_audio.delta"),
        (2.0, "contract", "client", "bidi_audio_input"),
    ]
    assert lines[1]["event"]["delta"] == "(4 bytes of audio)"
    assert lines[2]["event"]["audio"] == "(100 bytes of audio)"
    assert (log.count("wire", "client"), log.count("contract", "server")) == (1, 0)


# --- recording --------------------------------------------------------------------------------------------------------


def turn(began_s, ended_s):
    return CallerTurn(began_s, ended_s, "words", cut_in=False)


def answer(began_s, heard_ms=1000.0, received_ms=1000.0, words="one two three four"):
    ended_s = None if began_s is None else began_s + heard_ms / 1000
    playing = Playing(Place("item", 0), received_ms, heard_ms, began_s, ended_s)
    return Answer(playing, [began_s or 0.0], words, written=True)


def test_waits_are_counted_for_turns_that_were_answered():
    recording = Recording(
        turns=[turn(1, 2), turn(5, 6), turn(9, 10)],
        answers={"a": answer(2.5), "b": answer(10.25), "never heard": answer(None, heard_ms=0.0)},
    )

    assert list(recording.waits()) == [(2, 0.5), (10, 0.25)]
    assert recording.median_wait_s() == 0.375
    assert recording.turn_before(9.5).ended_s == 6
    assert recording.turn_before(0.5) is None


def test_without_an_answer_there_is_no_median():
    assert Recording().median_wait_s() is None
    assert Recording(turns=[turn(1, 2)]).median_wait_s() is None


def test_the_words_of_an_answer_end_where_it_was_cut():
    assert answer(0.0).heard_words == "one two three four"
    assert answer(0.0, heard_ms=500.0).heard_words == "one two —"


def test_tokens_are_added_up():
    usage = Usage()
    details = [{"modality": "audio", "input_tokens": 3, "output_tokens": 5}]
    usage.add(BidiUsageEvent(3, 5, 8, details, cache_read_input_tokens=2))
    usage.add(BidiUsageEvent(3, 5, 8, details))

    assert (usage.input["audio"], usage.output["audio"], usage.cached) == (6, 10, 2)


# --- meter and tap ----------------------------------------------------------------------------------------------------


async def test_the_meter_counts_the_engines_tasks_and_no_others():
    meter = Meter()

    async def work():
        deadline = time.thread_time() + 0.02
        while time.thread_time() < deadline:
            pass

    trio.lowlevel.add_instrument(meter)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, name="engine receiver")
        nursery.start_soon(work, name="engine.simulator.connection.Connection.serve")
        nursery.start_soon(work, name="trio_websocket._impl.WebSocketConnection._reader_task")
        nursery.start_soon(work, name="trio-websocket reader")
    trio.lowlevel.remove_instrument(meter)

    assert 0.04 <= meter.engine_s < 0.055
    assert meter.steps == 2


async def test_a_tap_tells_each_message_both_ways_and_passes_the_rest_on():
    told, server = [], MemoryConnector()
    async with trio.open_nursery() as nursery:
        connect = tapped(server, lambda direction, text: told.append((direction, text)))
        transport = await connect(nursery, Endpoint(url="ws://localhost"))
        peer = await server.accept()
        await transport.send("hello")
        await peer.receive()
        await peer.send("you")
        await peer.send("there")

        assert await transport.receive() == ["you", "there"]
        assert told == [("client", "hello"), ("server", "you"), ("server", "there")]
        assert transport.statistics().bytes_sent == 5
        await transport.close(1.0)


# --- screen -----------------------------------------------------------------------------------------------------------


def screen_on(**settings):
    return Screen(Console(file=io.StringIO(), width=60, highlight=False, **settings))


def test_without_a_terminal_each_entry_is_one_line_in_the_order_in_which_they_began():
    screen = screen_on()
    with screen:
        caller = screen.begin(1.0, "caller")
        agent = screen.begin(2.0, "agent")
        screen.say(agent, "a long answer that would be wrapped where a terminal ends, which is here not so")
        screen.end(agent, note="noted")
        assert screen.console.file.getvalue() == ""
        screen.end(caller, words="a question")
        screen.begin(3.0, "tool", "never answered")

    assert screen.console.file.getvalue().splitlines() == [
        "   1.0 s  caller  a question",
        "   2.0 s  agent   a long answer that would be wrapped where a terminal ends, which is here not so  [noted]",
        "   3.0 s  tool    never answered",
    ]


def test_on_a_terminal_words_come_as_they_are_said_and_the_last_state_stays():
    screen = screen_on(force_terminal=True)
    with screen:
        entry = screen.begin(1.0, "caller")
        screen.say(entry, "one ")
        assert "one" in screen.console.file.getvalue()
        screen.end(entry, words="one two", note="noted")

    shown = screen.console.file.getvalue()
    assert "one two" in shown
    assert "noted" in shown


# --- picture and table ------------------------------------------------------------------------------------------------


def cut_call():
    return Recording(
        turns=[turn(0.1, 0.5)],
        answers={"a": answer(0.8, heard_ms=500.0, received_ms=9000.0), "b": answer(None)},
        interruptions=[Interruption(1.0, 1.3, 500.0, 9000.0)],
    )


@pytest.mark.parametrize(
    ("call", "length_s"), [(Recording(), 0.0), (Recording(), 0.05), (cut_call(), 2.0), (cut_call(), 300.0)]
)
def test_a_picture_can_be_drawn_of_any_call(call, length_s, tmp_path):
    tape = Tape()
    tape.caller += silence(length_s * 1000)

    draw(call, tape, tmp_path / "picture.png")

    height, width, _ = imread(tmp_path / "picture.png").shape
    assert 600 < height < 1000
    assert 400 < width < 3500


def test_a_call_that_never_began_leaves_no_files_and_a_table_without_figures(tmp_path):
    production = Production(screen_on(), fast=False)
    production.recording.errors.append("it went wrong")

    assert write_files(production, tmp_path) == ()
    assert list(tmp_path.iterdir()) == []
    console = Console(file=io.StringIO(), width=100)
    console.print(summary.table(production, ()))
    shown = console.file.getvalue()
    assert "none" in shown
    assert "it went wrong" in shown
    assert "µs" not in shown
