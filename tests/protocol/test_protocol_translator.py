"""The core of a translation as transcripts: no turns, and an end that is asked for."""

import json

import pytest

from engine.config import ClientSettings, EngineSettings, TranslationConfig
from engine.config.listening import changed_translation
from engine.errors import ConnectionLost, DeadlinePassed, RemoteViolation, SessionEnded
from engine.events import (
    BidiConnectionStartEvent,
    BidiErrorEvent,
    TranslatedAudioEvent,
    TranslationTextEvent,
)
from engine.protocol.effects import AudioDone, End, LinkOver, Opened, Rearm, Transmit
from engine.protocol.translation_succession import QUIET_S, UNSAID_MS
from engine.protocol.translator import FINISH_DEADLINE_S, Translator
from engine.wire.codec import decode_translation_server, encode
from engine.wire.translation import (
    TranslationInputAudioBufferAppend,
    TranslationSession,
    TranslationSessionClose,
    TranslationSessionUpdate,
)

SHOWN = {
    Opened: lambda _: "Opened",
    BidiConnectionStartEvent: lambda event: f"ConnectionStart {event.model}",
    TranslationTextEvent: lambda event: f"{event.of} {event.text!r} at {event.elapsed_ms}",
    TranslatedAudioEvent: lambda event: f"audio {event.audio} at {event.elapsed_ms}",
    BidiErrorEvent: lambda event: f"Error {event.code}",
    Transmit: lambda effect: f"send {effect.event.tag}",
    AudioDone: lambda effect: f"AudioDone {effect.item_id}",
    Rearm: lambda _: "Rearm",
    End: lambda effect: f"End {effect.reason}" + (f" {type(effect.error).__name__}" if effect.error else ""),
}

CREATED = 'session.created session={"type": "translation"}'
OPENED = f"""
    >> {CREATED}
    << Opened
    << ConnectionStart gpt-realtime-translate
"""


class Talk:
    """A translation and its transcript: `>>` goes in, `<<` comes out, all of it and in order."""

    def __init__(self, **settings):
        config = TranslationConfig(language="es", client=ClientSettings(api_key="key"), **settings)
        self.config = config
        self.translator = Translator(config, "connection_1")
        self.now = 100.0

    def plays(self, transcript):
        expected = [line.strip() for line in transcript.splitlines() if line.strip()]
        actual = []
        for line in expected:
            if line.startswith(">>"):
                actual += [line, *(f"<< {SHOWN[type(effect)](effect)}" for effect in self.says(line[3:]))]
        assert actual == expected
        return self

    def says(self, line):
        """Play a line: `type field=JSON ...` of the service, or what happens beside it."""
        name, *fields = line.split(" ", 1)
        happens = {
            "wait": lambda: self.wait(float(fields[0])),
            "unreadable": lambda: self.translator.violated(RemoteViolation("invalid_json", "odd"), "odd", self.now),
            "link_ended": lambda: self.translator.link_ended(ConnectionLost("gone", code=int(fields[0]))),
            "finish": lambda: self.translator.finish(self.now),
        }
        if name in happens:
            return happens[name]()
        pairs = (field.split("=", 1) for field in (fields[0].split(" & ") if fields else ()))
        event = {"type": name, **{key: json.loads(value) for key, value in pairs}}
        return self.translator.receive(decode_translation_server(json.dumps(event)), self.now)

    def wait(self, seconds):
        self.now += seconds
        return self.translator.tick(self.now)


def test_words_and_speech_are_told_as_they_come():
    Talk().plays(
        OPENED
        + """
        >> session.input_transcript.delta delta="Good" & elapsed_ms=200
        << source 'Good' at 200
        >> session.output_transcript.delta delta="Buenos"
        << translation 'Buenos' at None
        >> session.output_audio.delta delta="AAAA" & elapsed_ms=400
        << audio AAAA at 400
        >> session.updated session={"type": "translation"}
        >> session.hologram.delta
        >> session.hologram.delta
    """
    )


def test_what_is_not_known_is_counted():
    talk = Talk().plays(OPENED)
    talk.says("session.hologram.delta")
    assert talk.translator.unknown_events.snapshot() == {"session.hologram.delta": 1}


def test_speech_says_its_own_shape_and_is_one_stream():
    talk = Talk().plays(OPENED)
    (plain,) = talk.says('session.output_audio.delta delta="AAAA"')
    (odd,) = talk.says('session.output_audio.delta delta="AAAA" & sample_rate=16000 & channels=2')
    assert (plain.format, plain.sample_rate, plain.channels) == ("pcm", 24_000, 1)
    assert (odd.sample_rate, odd.channels) == (16_000, 2)
    assert plain.item_id == odd.item_id
    assert plain.received_at == talk.now


def test_it_begins_with_its_settings():
    talk = Talk(noise_reduction="near_field")
    (effect,) = talk.translator.begin()
    assert json.loads(encode(effect.event))["session"] == {
        "audio": {"input": {"noise_reduction": {"type": "near_field"}}, "output": {"language": "es"}}
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"language": "fr"}, {"output": {"language": "fr"}}),
        ({"noise_reduction": None}, {"input": {"noise_reduction": None}}),
        ({"transcription": None}, {"input": {"transcription": None}}),
        (
            {"language": "fr", "transcription": {"model": "gpt-realtime-whisper"}},
            {"input": {"transcription": {"model": "gpt-realtime-whisper"}}, "output": {"language": "fr"}},
        ),
    ],
)
def test_a_change_says_what_changes_and_what_is_turned_off(changes, said):
    talk = Talk(transcription={"model": "gpt-realtime-whisper"}, noise_reduction="near_field").plays(OPENED)
    _, session = changed_translation(talk.config, changes)
    (effect,) = talk.translator.configure(session)
    assert json.loads(encode(effect.event))["session"] == {"audio": said}


def test_all_comes_after_it_was_finished_then_the_end():
    talk = Talk().plays(OPENED)
    assert not talk.translator.finishing
    talk.plays("""
        >> finish
        << send session.close
        << Rearm
        >> finish
        >> session.output_audio.delta delta="AAAA"
        << audio AAAA at None
        >> session.closed
        << AudioDone translation
        << End complete
        >> session.output_audio.delta delta="AAAA"
        >> link_ended 1000
        >> wait 1000
    """)
    assert talk.translator.finishing
    for ask in (
        lambda: talk.translator.finish(0),
        lambda: talk.translator.configure(talk.config.to_wire()),
        lambda: talk.translator.sent_by_hand(TranslationSessionClose(), 0),
    ):
        with pytest.raises(SessionEnded):
            ask()


def test_a_service_that_is_silent_after_it_was_asked_to_finish_is_given_up():
    talk = Talk().plays(OPENED)
    assert talk.translator.deadline is None
    talk.plays("""
        >> wait 1000
        >> finish
        << send session.close
        << Rearm
        >> wait 29
        >> session.output_transcript.delta delta="y"
        << translation 'y' at None
        >> wait 29
    """)
    assert talk.translator.deadline == talk.now - 29 + FINISH_DEADLINE_S
    *_, end = talk.wait(1)
    assert isinstance(end.error, DeadlinePassed)
    assert talk.translator.deadline is None


def test_a_service_that_is_not_listened_to_is_not_silent():
    talk = Talk().plays(OPENED)
    talk.says("finish")
    talk.translator.held_back = lambda: True
    assert not talk.wait(1000)
    talk.translator.held_back = lambda: False
    assert not talk.wait(FINISH_DEADLINE_S - 1)
    assert len(talk.wait(1)) == 2


def test_an_end_that_was_asked_for_by_hand_is_waited_for_as_well():
    talk = Talk().plays(OPENED)
    append = TranslationInputAudioBufferAppend(audio="AAAA")
    assert talk.translator.sent_by_hand(append, talk.now) == [Transmit(append)]
    assert talk.translator.deadline is None
    close = TranslationSessionClose(event_id="mine")
    assert talk.translator.sent_by_hand(close, talk.now)[0] == Transmit(close)
    assert talk.translator.deadline == talk.now + FINISH_DEADLINE_S


@pytest.mark.parametrize(
    "last",
    [
        """
        >> link_ended 1006
        << AudioDone translation
        << End error ConnectionLost
        """,
        """
        >> link_ended 1000
        << AudioDone translation
        << End complete
        """,
        """
        >> error error={"code": "insufficient_quota", "message": "no money"}
        << AudioDone translation
        << Error insufficient_quota
        << End error ServerReported
        """,
    ],
)
def test_however_it_ends_the_last_of_the_speech_comes_first(last):
    Talk().plays(OPENED).plays(last)


def test_an_error_and_a_message_that_can_not_be_read_are_told():
    Talk().plays(OPENED).plays("""
        >> error error={"code": "odd", "message": "odd"}
        << Error odd
        >> unreadable
        << Error RemoteViolation
    """)


# --- from one connection to the next ------------------------------------------------------------------------------


def moved(talk):
    """Lose the connection and move to another; give what it is told, and what goes along."""
    succession = talk.translator.succession
    handover, replay = succession.handover()
    assert succession.link_down(talk.now, ConnectionLost("gone")) == (AudioDone(succession.stream_id),)
    return handover.begin(), succession.link_up(handover, replay, talk.now, broken=True)


def sent(talk, count):
    for _ in range(count):
        talk.translator.speech_sent("append", "{}", 200.0, talk.now)
        talk.now += 0.2


@pytest.mark.parametrize(
    ("on_timeout", "ends"),
    [("renew", [LinkOver]), ("raise", [AudioDone, End])],
)
def test_a_connection_whose_time_is_over_ends_the_session_only_where_that_was_asked_for(on_timeout, ends):
    talk = Talk(engine=EngineSettings(on_timeout=on_timeout)).plays(OPENED)
    told = talk.says('error error={"code": "session_expired", "message": "60 minutes"}')
    assert [type(effect) for effect in told] == ends


def test_audio_since_the_last_word_of_the_translation_goes_along():
    talk = Talk().plays(OPENED)
    sent(talk, 5)
    talk.says('session.output_transcript.delta delta="y"')
    sent(talk, 2)
    talk.says('session.input_transcript.delta delta="z"')
    talk.translator.speech_sent("commit", "{}", 0.0, talk.now)
    _, takeover = moved(talk)
    assert takeover.speech == [("{}", 200.0)] * 2
    assert (takeover.asked_again, takeover.replayed_items, takeover.left_out_items) == (False, 0, 0)
    assert moved(talk)[1].speech == []


def test_silence_goes_along_only_as_far_as_a_translation_may_lag():
    talk = Talk().plays(OPENED)
    sent(talk, 50)
    talk.translator.speech_arrived(talk.now)
    sent(talk, 1)
    assert sum(length_ms for _, length_ms in moved(talk)[1].speech) == UNSAID_MS


def test_what_is_said_over_another_connection_goes_on_where_the_last_one_was():
    talk = Talk().plays(OPENED)
    talk.says('session.output_audio.delta delta="AAAA" & elapsed_ms=400')
    moved(talk)
    (words,) = talk.says('session.output_transcript.delta delta="y" & elapsed_ms=200')
    (audio,) = talk.says('session.output_audio.delta delta="AAAA" & elapsed_ms=200')
    assert (words.elapsed_ms, audio.elapsed_ms, audio.item_id) == (600, 600, "translation_2")
    talk.plays("""
        >> link_ended 1006
        << AudioDone translation_2
        << End error ConnectionLost
    """)


def test_it_is_at_a_boundary_when_nothing_is_told_for_a_while():
    talk = Talk().plays(OPENED)
    at_boundary = talk.translator.succession.at_boundary
    assert at_boundary(talk.now)
    for told in ("input_transcript", "output_transcript", "output_audio"):
        talk.says(f'session.{told}.delta delta="AAAA"')
        assert not at_boundary(talk.now + QUIET_S - 0.1)
        talk.now += QUIET_S
        assert at_boundary(talk.now)
    talk.says("finish")
    assert not at_boundary(talk.now + 10)


def test_changes_by_hand_go_along_as_well():
    talk = Talk()
    (begin,) = talk.translator.begin()
    talk.plays(OPENED).says('session.updated session={"type": "translation"}')
    mine = TranslationSessionUpdate(session=TranslationSession(), event_id="mine")
    talk.translator.sent_by_hand(mine, talk.now)
    told, takeover = moved(talk)
    assert told == [begin.event]
    assert takeover.events == (mine,)


def test_an_end_that_was_asked_for_is_asked_for_again_and_waited_for_anew():
    talk = Talk().plays(OPENED)
    assert talk.translator.is_open
    talk.says("finish")
    talk.now += FINISH_DEADLINE_S + 10
    _, takeover = moved(talk)
    assert takeover.effects == [Transmit(TranslationSessionClose(), again=True), Rearm()]
    assert talk.translator.deadline == talk.now + FINISH_DEADLINE_S
