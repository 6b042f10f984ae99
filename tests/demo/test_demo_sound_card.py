"""The virtual sound card: what is said, what is heard, and that both tapes are in step."""

import pytest
import trio

from engine.demo.sound_card import FRAME_BYTES, Loudspeaker, Microphone, Place, SoundCard

ANSWER = Place("item_1", 0)
NEXT = Place("item_2", 1)
FRAME = b"\1\2" * (FRAME_BYTES // 2)


def test_a_microphone_hears_silence_and_then_what_is_said():
    microphone = Microphone()

    assert microphone.frame() == bytes(FRAME_BYTES)
    microphone.say(FRAME + FRAME[:100])
    assert microphone.hears_speech
    assert microphone.frame() == FRAME
    assert microphone.frame() == FRAME[:100].ljust(FRAME_BYTES, b"\0")
    assert not microphone.hears_speech


def test_a_loudspeaker_plays_pieces_without_a_gap_and_knows_what_was_heard():
    speaker = Loudspeaker()
    speaker.play(ANSWER, FRAME[:300])
    speaker.play(ANSWER, FRAME[300:])
    speaker.play(NEXT, FRAME[:480])

    assert speaker.frame(1.0) == FRAME
    assert speaker.now_playing.place == NEXT
    assert speaker.frame(1.02) == FRAME[:480].ljust(FRAME_BYTES, b"\0")
    assert speaker.idle
    first, second = speaker.played.values()
    assert (first.began_s, first.ended_s, first.heard_ms, first.received_ms) == (1.0, pytest.approx(1.02), 20.0, 20.0)
    assert (second.heard_ms, second.ended_s) == (10.0, pytest.approx(1.03))


def test_a_loudspeaker_that_is_stopped_tells_what_was_not_finished_and_ignores_what_comes_late():
    speaker = Loudspeaker()
    speaker.play(ANSWER, FRAME * 3)
    speaker.play(NEXT, FRAME)
    speaker.frame(0.0)

    assert [(each.place, each.heard_ms, each.received_ms) for each in speaker.stop()] == [
        (ANSWER, 20.0, 60.0),
        (NEXT, 0.0, 20.0),
    ]
    speaker.play(ANSWER, FRAME)
    assert speaker.idle
    assert speaker.now_playing is None
    assert speaker.stop() == []
    assert speaker.played["item_1"].received_ms == 80.0


def test_the_rest_can_be_had_at_once():
    speaker = Loudspeaker()
    speaker.play(ANSWER, FRAME * 2)
    speaker.frame(0.0)

    assert speaker.rest() == FRAME
    assert speaker.idle


async def test_both_tapes_run_in_step_and_the_microphone_is_sent_frame_by_frame(autojump_clock):
    card, sent = SoundCard(), []

    async def send(frame):
        sent.append((card.tape_time(trio.current_time()), frame))

    card.microphone.say(FRAME)
    card.loudspeaker.play(ANSWER, FRAME)
    assert card.tape_time(trio.current_time()) == 0.0
    with trio.move_on_after(0.105):
        await card.run(send)

    assert [round(at, 3) for at, _ in sent] == [0.02, 0.04, 0.06, 0.08, 0.1]
    assert bytes(card.tape.caller) == b"".join(frame for _, frame in sent)
    assert card.tape.caller_s == pytest.approx(0.1)
    # What is played at 20 ms sounds from 20 to 40 ms.
    assert bytes(card.tape.agent) == bytes(FRAME_BYTES) + FRAME + bytes(FRAME_BYTES * 4)
    assert card.loudspeaker.played["item_1"].began_s == pytest.approx(0.02)
    assert card.tape.length_s == pytest.approx(0.12)


async def test_a_sound_card_catches_up_after_a_send_that_took_long(autojump_clock):
    card, sent = SoundCard(), []

    async def send(frame):
        sent.append(trio.current_time())
        if len(sent) == 1:
            await trio.sleep(0.05)

    with trio.move_on_after(0.205):
        await card.run(send)

    assert len(sent) == 10
