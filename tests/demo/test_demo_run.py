"""`realtime-engine demo --fast`, run for real: its files, its story, its words on the screen."""

import re
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter

from engine.audio.resample import from_float
from engine.demo import timeline
from engine.demo.story import STORY
from engine.simulator.local_voice import transcriber

AUDIBLE = 0.01
PAUSE_S = 1.0


def utterances(track, rate_hz):
    """Cut a track at its pauses: (begin, end, samples) of each piece, in seconds."""
    audible = np.flatnonzero(np.abs(track) > AUDIBLE)
    for piece in np.split(audible, np.flatnonzero(np.diff(audible) > rate_hz * PAUSE_S) + 1):
        first, last = max(0, piece[0] - rate_hz // 5), piece[-1] + rate_hz // 5
        yield piece[0] / rate_hz, piece[-1] / rate_hz, track[first:last]


def heard(samples):
    pause = bytes(9600)
    return transcriber.transcribe(pause + from_float(samples) + pause)


@pytest.fixture(scope="module")
def wav(demo):
    samples, rate_hz = soundfile.read(demo.folder / "conversation.wav", dtype="float32")
    assert rate_hz == 24_000
    assert samples.ndim == 2
    return samples


@pytest.fixture(scope="module")
def caller(wav):
    return list(utterances(wav[:, 0], 24_000))


@pytest.fixture(scope="module")
def agent(wav):
    return list(utterances(wav[:, 1], 24_000))


def test_it_ends_well_and_leaves_three_files(demo):
    assert demo.code == 0
    assert sorted(path.name for path in demo.folder.iterdir()) == ["conversation.wav", "events.jsonl", "timeline.png"]


# --- the story --------------------------------------------------------------------------------------------------------


def test_the_caller_says_each_line_of_the_story(caller):
    for (_, _, samples), beat in zip(caller, STORY, strict=True):
        words, wanted = heard(samples).split(), beat.line.transcript.split()
        assert SequenceMatcher(None, words, wanted).ratio() > 0.8


def test_the_agent_is_heard_to_tell_the_scores_and_the_book(agent):
    words = [heard(samples) for _, _, samples in agent]

    assert "nineteen" in words[0]
    assert "sense and sensibility" in words[1]
    assert "ten points" in words[2]
    assert "seven points" in words[3]


def test_both_channels_are_as_loud_as_speech_and_neither_is_clipped(wav):
    for track in wav.T:
        loud = track[np.abs(track) > AUDIBLE]
        level_dbfs = 20 * np.log10(np.sqrt(np.mean(loud**2)))
        assert -30 < level_dbfs < -10
        assert np.mean(np.abs(track) > 0.999) < 1e-4


def test_nobody_speaks_over_the_other_but_where_the_caller_cuts_in(caller, agent):
    silent_s = [end for _, end, _ in agent]
    spoken_s = [begin for begin, _, _ in caller]

    assert [agent_end < next_line for agent_end, next_line in zip(silent_s, spoken_s[1:], strict=False)] == [
        True,
        False,
        True,
    ]
    assert 0.0 < silent_s[1] - spoken_s[2] < 0.5


def test_the_wav_and_the_log_have_one_clock(demo, wav, caller):
    sent_s = [t for t, _ in demo.events("wire", "client", "input_audio_buffer.append")]
    started_s = [t for t, _ in demo.events("wire", "server", "input_audio_buffer.speech_started")]

    assert len(wav) / 24_000 == pytest.approx(max(sent_s), abs=0.1)
    for (begin_s, _, _), told_s in zip(caller, started_s, strict=True):
        assert begin_s < told_s < begin_s + 0.5


def test_tools_are_called_and_answered_in_the_order_of_the_story(demo):
    calls = [event["current_tool_use"]["name"] for _, event in demo.events("contract", "server", "tool_use_stream")]
    results = [
        event["tool_result"]["content"][0]["json"] for _, event in demo.events("contract", "client", "tool_result")
    ]

    assert calls == ["score_hand", "look_up_passage", "score_hand", "score_hand"]
    assert [result.get("score", result.get("title")) for result in results] == [19, "Sense and Sensibility", 10, 7]


def test_the_interruption_is_told_then_what_was_heard_then_the_service_agrees(demo):
    truncates = list(demo.events("wire", "client", "conversation.item.truncate"))
    truncated = list(demo.events("wire", "server", "conversation.item.truncated"))
    told = [t for t, _ in demo.events("contract", "server", "bidi_interruption")]

    ((sent_s, sent),) = truncates
    ((done_s, done),) = truncated
    assert max(t for t in told if t <= sent_s) == pytest.approx(sent_s, abs=0.05)
    assert sent_s <= done_s
    assert (done["item_id"], done["audio_end_ms"]) == (sent["item_id"], sent["audio_end_ms"])
    assert sent["audio_end_ms"] == pytest.approx(STORY[2].cut_in_after_s * 1000, abs=800)


def test_what_was_heard_is_what_was_reported(demo, agent):
    ((_, sent),) = demo.events("wire", "client", "conversation.item.truncate")
    begin_s, end_s, _ = agent[1]

    assert end_s - begin_s == pytest.approx(sent["audio_end_ms"] / 1000, abs=0.25)


def test_four_turns_four_answers_and_one_that_was_cut_off(demo):
    stops = [event["stop_reason"] for _, event in demo.events("contract", "server", "bidi_response_complete")]

    assert stops.count("tool_use") == 4
    assert stops.count("interrupted") + stops.count("complete") == 4
    assert len(list(demo.events("wire", "server", "input_audio_buffer.committed"))) == 4
    assert not list(demo.events("contract", "server", "bidi_error"))


# --- the log ----------------------------------------------------------------------------------------------------------


def test_the_log_is_in_the_order_of_time_from_the_handshake_to_the_end(demo):
    times = [entry["t"] for entry in demo.log]

    assert all(before <= after for before, after in pairwise(times))
    assert next(demo.events("wire", "server"))[1]["type"] == "session.created"
    assert next(demo.events("wire", "client"))[1]["type"] == "session.update"
    assert next(demo.events("contract", "server"))[1]["type"] == "bidi_connection_start"


def test_audio_is_logged_as_its_length(demo):
    appended = {event["audio"] for _, event in demo.events("wire", "client", "input_audio_buffer.append")}
    deltas = [event["delta"] for _, event in demo.events("wire", "server", "response.output_audio.delta")]
    told = [event["audio"] for _, event in demo.events("contract", "server", "bidi_audio_stream")]

    assert "(1920 bytes of audio)" in appended
    assert all(re.fullmatch(r"\(\d+ bytes of audio\)", marker) for marker in [*appended, *deltas, *told])


def test_every_client_message_is_one_that_openai_python_knows(demo):
    adapter = TypeAdapter(RealtimeClientEvent)

    assert [adapter.validate_python(event).type for _, event in demo.events("wire", "client")]


def test_every_server_event_is_one_that_openai_python_knows(demo):
    adapter = TypeAdapter(RealtimeServerEvent)

    assert [adapter.validate_python(event).type for _, event in demo.events("wire", "server")]


# --- picture and screen -----------------------------------------------------------------------------------------------


def test_the_picture_is_a_png_of_a_size_to_read_with_every_colour_in_it(demo):
    path = demo.folder / "timeline.png"
    picture = imread(path)
    channels = np.rint(picture[:, :, :3] * 255).astype(np.uint32)
    colours = set(np.unique(channels @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)).tolist())

    assert path.read_bytes().startswith(b"\x89PNG\r\n")
    assert picture.shape[0] > 600
    assert picture.shape[1] > 1200
    for name in ("CALLER", "SENT", "HEARD", "UNHEARD", "TOOL", "CUT"):
        assert int(getattr(timeline, name).removeprefix("#"), 16) in colours, name


def test_the_screen_shows_who_said_what_with_latencies(demo):
    lines = demo.screen.splitlines()
    said = [line for line in lines if re.match(r" +\d+\.\d s  (caller|agent|tool) ", line)]

    assert [line.split()[2] for line in said] == ["caller", "tool", "agent"] * 4
    assert "eight of spades four of clubs seven of hearts" in said[0]
    assert "-> 19 points" in said[1]
    assert "It scores 19 points." in said[2]
    assert re.search(r"first sound \d\.\d\d s after the caller's last word", said[2])
    assert re.search(r"— +\[cut off about here, \d+ ms after the caller began to speak", said[5])


@pytest.mark.parametrize(
    "row",
    [
        r"length +│ 4\d\.\d s of virtual time",
        r"turns +│ 4 by the caller, 4 spoken answers",
        r"interruptions +│ 1: silent \d+ ms",
        r"first audio +│ median 1\.\d\d s",
        r"tokens in +│ [\d,]+ audio, [\d,]+ text, of them [\d,]+ cached",
        r"tokens out +│ [\d,]+ audio, [\d,]+ text",
        r"events +│ [\d,]+ received and [\d,]+ sent on the wire; [\d,]+ told to the application",
        r"engine's cost +│ \d+ µs of processor time an event",
    ],
)
def test_the_table_sums_up(demo, row):
    assert re.search(row, demo.screen), demo.screen
