"""The core of a transcription as transcripts: turns and their words, in whatever order they come."""

import json

import pytest

from engine.config import ClientSettings, EngineSettings, TranscriptionConfig
from engine.config.listening import changed_transcription
from engine.errors import ConfigError, ConnectionLost, RemoteViolation, SessionEnded
from engine.events import (
    BidiConnectionStartEvent,
    BidiErrorEvent,
    SpeechCommittedEvent,
    SpeechStartedEvent,
    SpeechStoppedEvent,
    TranscriptEvent,
)
from engine.protocol.effects import End, LinkOver, Opened, Transmit
from engine.protocol.kept_speech import KEPT_IDLE_MS
from engine.protocol.succession import WORDS_WAIT_S
from engine.protocol.transcriber import Transcriber
from engine.protocol.transcript_turns import OPEN_TURNS_MAX
from engine.wire.client import InputAudioBufferAppend, SessionUpdate
from engine.wire.codec import decode_server, encode
from engine.wire.server import SessionUpdated
from engine.wire.session import Audio, AudioInput, Session, TurnDetection

HEARD = "conversation.item.input_audio_transcription"


def shown_words(event):
    final = " final" if event.is_final else ""
    speaker = f" by {event.speaker} {event.start_s}-{event.end_s}" if event.speaker else ""
    return f"{event.item_id} {event.text!r} of {event.transcript!r}{speaker}{final}"


SHOWN = {
    Opened: lambda _: "Opened",
    BidiConnectionStartEvent: lambda event: f"ConnectionStart {event.model}",
    SpeechStartedEvent: lambda event: f"started {event.item_id} at {event.audio_start_ms}",
    SpeechStoppedEvent: lambda event: f"stopped {event.item_id} at {event.audio_end_ms}",
    SpeechCommittedEvent: lambda event: f"committed {event.item_id} after {event.previous_item_id}",
    TranscriptEvent: shown_words,
    BidiErrorEvent: lambda event: f"Error {event.code} {event.item_id}",
    Transmit: lambda effect: f"send {effect.event.tag}",
    End: lambda effect: f"End {effect.reason}" + (f" {type(effect.error).__name__}" if effect.error else ""),
}

SERVICE = {
    "created": lambda: {"type": "session.created", "session": {"type": "transcription"}},
    "started": lambda i: {"type": "input_audio_buffer.speech_started", "item_id": i, "audio_start_ms": 100},
    "stopped": lambda i: {"type": "input_audio_buffer.speech_stopped", "item_id": i, "audio_end_ms": 900},
    "committed": lambda i, *p: {
        "type": "input_audio_buffer.committed",
        "item_id": i,
        "previous_item_id": p[0] if p else None,
    },
    "piece": lambda i, t: {"type": f"{HEARD}.delta", "item_id": i, "content_index": 0, "delta": t},
    "nothing": lambda i: {"type": f"{HEARD}.delta", "item_id": i},
    "all": lambda i, t: {"type": f"{HEARD}.completed", "item_id": i, "content_index": 0, "transcript": t},
    "part": lambda i, t: {
        "type": f"{HEARD}.segment",
        "item_id": i,
        "content_index": 0,
        "id": "seg_1",
        "text": t,
        "speaker": "A",
        "start": 0.5,
        "end": 1.5,
    },
    "failed": lambda i: {
        "type": f"{HEARD}.failed",
        "item_id": i,
        "content_index": 0,
        "error": {"type": "server_error", "code": "asr_failed", "message": "?"},
    },
    "error": lambda code: {"type": "error", "error": {"type": "server_error", "code": code, "message": "?"}},
    "updated": lambda: {"type": "session.updated", "session": {"type": "transcription"}},
    "novelty": lambda: {"type": "weekly.novelty"},
}

OPENED = """
    >> created
    << Opened
    << ConnectionStart gpt-4o-transcribe
"""


class Talk:
    """A transcription and its transcript: `>>` goes in, `<<` comes out, all of it and in order."""

    def __init__(self, **settings):
        asked = {"transcription": {"model": "gpt-4o-transcribe"}, **settings}
        self.config = TranscriptionConfig(client=ClientSettings(api_key="key"), **asked)
        self.transcriber = Transcriber(self.config, "connection_1")

    def plays(self, transcript):
        expected = [line.strip() for line in transcript.splitlines() if line.strip()]
        actual = []
        for line in expected:
            if line.startswith(">>"):
                actual += [line, *(f"<< {SHOWN[type(effect)](effect)}" for effect in self.says(*line[3:].split()))]
        assert actual == expected
        return self

    def says(self, name, *words):
        happens = {
            "commit": lambda: self.transcriber.commit(1.0),
            "clear": lambda: self.transcriber.clear(1.0),
            "unreadable": lambda: self.transcriber.violated(RemoteViolation("invalid_json", "odd"), "odd", 1.0),
            "link_ended": lambda: self.transcriber.link_ended(ConnectionLost("gone", code=1006)),
            "wait": lambda: self.transcriber.tick(1000.0),
        }
        if name in happens:
            return happens[name]()
        return self.hears(SERVICE[name](*words))

    def hears(self, event):
        return self.transcriber.receive(decode_server(json.dumps({**event, "event_id": "e"})), 1.0)


def test_a_turn_from_its_beginning_to_its_words():
    Talk().plays(
        OPENED
        + """
        >> started item_1
        << started item_1 at 100
        >> stopped item_1
        << stopped item_1 at 900
        >> committed item_1
        << committed item_1 after None
        >> nothing item_1
        >> piece item_1 good
        << item_1 'good' of 'good'
        >> piece item_1 bye
        << item_1 'bye' of 'goodbye'
        >> all item_1 Goodbye.
        << item_1 'Goodbye.' of 'Goodbye.' final
        >> wait
        >> novelty
    """
    )


def test_the_words_of_two_turns_are_kept_apart_whatever_comes_first():
    Talk().plays(
        OPENED
        + """
        >> piece item_1 one
        << item_1 'one' of 'one'
        >> piece item_2 two
        << item_2 'two' of 'two'
        >> all item_2 two
        << item_2 'two' of 'two' final
        >> committed item_2 item_1
        << committed item_2 after item_1
        >> piece item_1 more
        << item_1 'more' of 'onemore'
    """
    )


def test_an_event_tells_the_words_so_far_as_they_were_when_it_came():
    talk = Talk().plays(OPENED)
    events = [event for text in ("a", "b", "c") for event in talk.says("piece", "item_1", text)]
    talk.says("all", "item_1", "abc")
    assert [event.transcript for event in events] == ["a", "ab", "abc"]


def test_a_speakers_part_has_its_own_words_unless_pieces_came():
    Talk().plays(
        OPENED
        + """
        >> part item_1 hello
        << item_1 'hello' of 'hello' by A 0.5-1.5
        >> piece item_2 hi
        << item_2 'hi' of 'hi'
        >> part item_2 hi
        << item_2 'hi' of 'hi' by A 0.5-1.5
    """
    )


def test_a_turn_that_can_not_be_written_down_is_told_and_forgotten():
    Talk().plays(
        OPENED
        + """
        >> piece item_1 mum
        << item_1 'mum' of 'mum'
        >> failed item_1
        << Error asr_failed item_1
        >> piece item_1 again
        << item_1 'again' of 'again'
    """
    )


def test_turns_that_never_end_are_forgotten_at_the_bound_and_counted():
    talk = Talk().plays(OPENED)
    for n in range(OPEN_TURNS_MAX + 3):
        talk.says("piece", f"item_{n}", "a")
    assert talk.transcriber.forgotten_turns == 3
    talk.plays(f"""
        >> piece item_{OPEN_TURNS_MAX} b
        << item_{OPEN_TURNS_MAX} 'b' of 'ab'
        >> piece item_0 b
        << item_0 'b' of 'b'
    """)


def test_the_end_of_a_turn_is_told_with_what_it_took_and_how_sure_it_is():
    talk = Talk().plays(OPENED)
    fields = {
        "usage": {"type": "duration", "seconds": 3},
        "languages": [{"code": "en"}],
        "logprobs": [{"token": "a", "logprob": -0.1}],
    }
    event = {**SERVICE["all"]("item_1", "a"), "event_id": "e", **fields}
    (told,) = talk.transcriber.receive(decode_server(json.dumps(event)), 1.0)
    assert told.as_dict() == {
        "type": "transcript",
        "item_id": "item_1",
        "text": "a",
        "is_final": True,
        "transcript": "a",
        **fields,
    }


def test_what_is_not_known_is_counted():
    talk = Talk().plays(OPENED)
    talk.says("novelty")
    assert talk.transcriber.unknown_events.snapshot() == {"weekly.novelty": 1}


def test_turns_by_hand_and_what_is_sent_by_hand_go_out():
    talk = Talk().plays(OPENED)
    talk.plays("""
        >> commit
        << send input_audio_buffer.commit
        >> clear
        << send input_audio_buffer.clear
    """)
    append = InputAudioBufferAppend(audio="AAAA")
    assert talk.transcriber.sent_by_hand(append, 1.0) == [Transmit(append)]


def test_errors_and_the_end_are_told_and_nothing_goes_out_after_it():
    talk = Talk().plays(OPENED)
    talk.plays("""
        >> error odd
        << Error odd None
        >> unreadable
        << Error RemoteViolation None
        >> link_ended
        << End error ConnectionLost
        >> piece item_1 late
    """)
    for ask in (
        lambda: talk.transcriber.commit(1.0),
        lambda: talk.transcriber.clear(1.0),
        lambda: talk.transcriber.configure(talk.config.to_wire()),
        lambda: talk.transcriber.sent_by_hand(InputAudioBufferAppend(audio="AAAA"), 1.0),
    ):
        with pytest.raises(SessionEnded):
            ask()


def test_it_begins_with_its_settings():
    talk = Talk(turn_detection=None, noise_reduction="far_field", include=["item.input_audio_transcription.logprobs"])
    (effect,) = talk.transcriber.begin()
    assert json.loads(encode(effect.event))["session"] == {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "gpt-4o-transcribe"},
                "noise_reduction": {"type": "far_field"},
                "turn_detection": None,
            }
        },
        "include": ["item.input_audio_transcription.logprobs"],
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"noise_reduction": None}, {"audio": {"input": {"noise_reduction": None}}}),
        ({"turn_detection": None}, {"audio": {"input": {"turn_detection": None}}}),
        ({"include": None}, {"include": None}),
        (
            {"transcription": {"model": "whisper-1"}, "include": []},
            {"audio": {"input": {"transcription": {"model": "whisper-1"}}}, "include": []},
        ),
    ],
)
def test_a_change_says_what_changes_and_what_is_turned_off(changes, said):
    talk = Talk(noise_reduction="far_field", include=["item.input_audio_transcription.logprobs"]).plays(OPENED)
    config, session = changed_transcription(talk.config, changes)
    (effect,) = talk.transcriber.configure(session)
    assert json.loads(encode(effect.event))["session"] == {"type": "transcription", **said}
    assert config.client is talk.config.client


@pytest.mark.parametrize(
    ("changes", "told"),
    [({}, "at least one"), ({"language": "es"}, "language"), ({"transcription": None}, "transcription")],
)
def test_a_change_of_nothing_or_of_what_is_fixed_is_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        changed_transcription(Talk().config, changes)


# --- from one connection to the next ------------------------------------------------------------------------------


def heard(talk, item_id, audio_start_ms=0, audio_end_ms=400):
    """Let the service hear a turn, of 400 ms of audio."""
    for number in range(10):
        talk.transcriber.speech_sent(
            "append", f'{{"type":"input_audio_buffer.append","audio":"{number}"}}', 40.0, number
        )
    begin = {"type": "input_audio_buffer.speech_started", "item_id": item_id, "audio_start_ms": audio_start_ms}
    end = {"type": "input_audio_buffer.speech_stopped", "item_id": item_id, "audio_end_ms": audio_end_ms}
    (began,), (ended,) = (talk.hears(event) for event in (begin, end))
    talk.says("committed", item_id)
    return began.audio_start_ms, ended.audio_end_ms


def moved(talk, broken=True, **audio_input):
    """Move to another connection; give what it is told, and what is said again."""
    succession = talk.transcriber.succession
    handover, replay = succession.handover()
    told = handover.begin()
    if audio_input:
        session = Session(audio=Audio(input=AudioInput(**audio_input)))
        handover.receive(SessionUpdated(session=session), 1.0)
    if broken:
        assert succession.link_down(2.0, ConnectionLost("gone")) == ()
    return told, succession.link_up(handover, replay, 3.0, broken=broken)


def test_a_turn_without_words_is_said_again_and_told_where_it_was():
    talk = Talk().plays(OPENED)
    assert heard(talk, "item_1") == (0, 400)
    talk.says("all", "item_1", "one")
    assert heard(talk, "item_2", 400, 800) == (400, 800)
    _, takeover = moved(talk)
    assert [length_ms for _, length_ms in takeover.speech] == [40.0] * 10
    assert (takeover.replayed_items, takeover.left_out_items, takeover.asked_again) == (1, 0, True)
    assert heard(talk, "item_3") == (400, 800)
    (told,) = talk.says("committed", "item_4")
    assert told.previous_item_id == "item_1"


def test_what_was_said_again_is_not_said_twice_over_a_third_connection():
    talk = Talk().plays(OPENED)
    heard(talk, "item_1")
    _, second = moved(talk)
    for text, length_ms in second.speech[:6]:
        talk.transcriber.speech_sent("append", text, length_ms, 1.0)
    _, third = moved(talk)
    assert third.speech == second.speech[:6]  # The rest never went out, and still waits in its lane.


def test_when_all_is_written_down_nothing_is_said_again():
    talk = Talk().plays(OPENED)
    assert talk.transcriber.is_open
    heard(talk, "item_1")
    talk.says("all", "item_1", "one")
    _, takeover = moved(talk)
    assert (takeover.speech, takeover.effects, takeover.asked_again) == ([], (), False)


def test_words_that_come_before_the_end_of_their_turn_are_heard():
    talk = Talk().plays(OPENED)
    talk.says("started", "item_1")
    talk.says("all", "item_1", "one")
    talk.says("committed", "item_1")
    assert talk.transcriber.kept_speech.items == 0
    assert talk.transcriber.succession.at_boundary(1.0)


def test_it_is_at_a_boundary_when_nobody_speaks_and_all_is_written_down():
    talk = Talk().plays(OPENED)
    succession = talk.transcriber.succession
    assert succession.at_boundary(1.0)
    talk.says("started", "item_1")
    assert not succession.at_boundary(2.0)
    talk.says("committed", "item_1")
    assert not succession.at_boundary(3.0)
    assert not succession.at_boundary(3.0 + WORDS_WAIT_S - 0.1)
    assert succession.at_boundary(3.0 + WORDS_WAIT_S)
    talk.says("all", "item_1", "one")
    assert succession.at_boundary(4.0)


@pytest.mark.parametrize("kept_speech_s", [0, 30])
def test_it_is_at_no_boundary_while_somebody_speaks_whatever_is_kept(kept_speech_s):
    talk = Talk(engine=EngineSettings(kept_speech_s=kept_speech_s)).plays(OPENED)
    talk.says("started", "item_1")
    assert not talk.transcriber.succession.at_boundary(1.0)
    talk.hears({"type": "input_audio_buffer.cleared"})
    assert talk.transcriber.succession.at_boundary(1.0)


def test_what_was_not_committed_by_hand_is_no_boundary():
    talk = Talk(turn_detection=None).plays(OPENED)
    talk.transcriber.speech_sent("append", "{}", 200.0, 1.0)
    assert not talk.transcriber.succession.at_boundary(1.0)
    talk.transcriber.speech_sent("clear", "{}", 0.0, 1.0)
    talk.hears({"type": "input_audio_buffer.cleared"})
    assert talk.transcriber.succession.at_boundary(1.0)


def test_a_commit_that_was_refused_leaves_the_audio_to_be_said_again():
    talk = Talk(turn_detection=None).plays(OPENED)
    talk.transcriber.speech_sent("append", "{}", 40.0, 1.0)
    talk.transcriber.speech_sent("commit", "{}", 0.0, 1.0)
    talk.says("error", "input_audio_buffer_commit_empty")
    _, takeover = moved(talk)
    assert takeover.speech == [("{}", 40.0)]


def test_what_the_next_connection_says_of_turns_counts():
    talk = Talk().plays(OPENED)
    talk.says("started", "item_1")
    moved(talk, turn_detection=None)
    assert not talk.transcriber.kept_speech.detects_turns
    talk.says("updated")
    assert not talk.transcriber.kept_speech.detects_turns
    moved(talk, turn_detection=TurnDetection(type="server_vad"))
    assert talk.transcriber.kept_speech.detects_turns


def test_changes_by_hand_go_along_as_well():
    talk = Talk()
    (begin,) = talk.transcriber.begin()
    talk.plays(OPENED).says("updated")
    mine = SessionUpdate(session=Session(type="transcription", include=()), event_id="mine")
    talk.transcriber.sent_by_hand(mine, 1.0)
    told, takeover = moved(talk)
    assert told == [begin.event]
    assert takeover.events == (mine,)
    talk.says("updated")
    told, takeover = moved(talk)
    assert (told, takeover.events) == ([begin.event, mine], ())


@pytest.mark.parametrize(("on_timeout", "end"), [("renew", LinkOver), ("raise", End)])
def test_a_connection_whose_time_is_over_ends_the_session_only_where_that_was_asked_for(on_timeout, end):
    talk = Talk(engine=EngineSettings(on_timeout=on_timeout)).plays(OPENED)
    (told,) = talk.says("error", "session_expired")
    assert isinstance(told, end)


def test_what_has_arrived_need_not_be_kept():
    talk = Talk().plays(OPENED)
    for number in range(200):
        talk.transcriber.speech_sent("append", "{}", 40.0, number * 0.04)
    assert talk.transcriber.kept_speech.held_ms == 8000
    talk.transcriber.speech_arrived(8.0)
    talk.transcriber.speech_sent("append", "{}", 40.0, 8.0)
    assert talk.transcriber.kept_speech.held_ms == KEPT_IDLE_MS
