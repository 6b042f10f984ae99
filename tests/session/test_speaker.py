"""The model's speech on its way to the application: nothing is held back for ever, whatever the service leaves out."""

import pybase64
import pytest
import trio
from rooms import audio_delta, config, live, response_created, response_done, said, speech_started

from engine import limits
from engine.audio.output import OPEN_ITEMS_MAX
from engine.audio.pcm import bytes_to_ms, ms_to_bytes, tone
from engine.audio.playback import Playback
from engine.audio.shape import AudioShape
from engine.config import AudioSettings
from engine.errors import ConfigError, RemoteViolation
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
)
from engine.protocol.effects import AudioDone
from engine.session.speaker import Speaker

OTHER_RATE = AudioSettings(output_rate=48_000)


def spoken(item_id="i1", response_id="r1", pcm=bytes(4800), text=None):
    text = pybase64.b64encode(pcm).decode() if text is None else text
    return BidiAudioStreamEvent(text, "pcm", 24_000, 1, item_id=item_id, response_id=response_id)


class Heard:
    """A speaker, and what it put into the inbox."""

    def __init__(self, audio=OTHER_RATE):
        self.clock = Playback(24_000)
        self.speaker = Speaker(audio, self.clock)
        self.events = []
        self.speaker.put = self.events.append

    def play(self, event):
        self.clock.received(event.item_id, 0, len(event.audio) // 4 * 3 // 2, event.response_id)
        self.speaker.play(event)

    def bytes_of(self, item_id):
        return sum(len(event.pcm) for event in self.events if event.item_id == item_id)


# --- items that are never ended -------------------------------------------------------------------------------------


def test_the_end_of_a_response_lets_out_what_the_filter_holds_back():
    heard = Heard()
    heard.play(spoken("i1", "r1"))
    heard.play(spoken("i2", "r2"))
    assert heard.bytes_of("i1") < 9600
    heard.speaker.response_done("r1")
    assert heard.bytes_of("i1") == 9600
    assert heard.bytes_of("i2") < 9600
    heard.speaker.done(AudioDone("i2"))
    heard.speaker.response_done("r2")
    assert heard.bytes_of("i2") == 9600


def test_items_that_nobody_ends_are_no_more_than_the_converter_keeps():
    heard = Heard()
    for n in range(OPEN_ITEMS_MAX * 3):
        heard.play(spoken(f"i{n}", f"r{n}"))
    assert len(heard.speaker._last) == OPEN_ITEMS_MAX
    for n in range(OPEN_ITEMS_MAX * 3):
        heard.speaker.response_done(f"r{n}")
    assert not heard.speaker._last
    assert heard.bytes_of(f"i{OPEN_ITEMS_MAX * 3 - 1}") == 9600


def test_what_is_no_base64_is_told_passed_over_and_kept_nowhere():
    heard = Heard()
    heard.play(spoken(text="no base64!!!"))
    assert not heard.speaker._last
    (told,) = heard.events
    assert isinstance(told, BidiErrorEvent)
    assert isinstance(told.error, RemoteViolation)
    assert (told.item_id, told.response_id, told.details) == ("i1", "r1", {"problem": "invalid_field"})
    assert not heard.clock.playing(0.0)


async def test_a_response_without_the_end_of_its_audio_is_heard_whole_before_it_is_complete(autojump_clock):
    pcm = tone(200, 300)
    async with live(config(audio=OTHER_RATE)) as (session, peer):
        phone = session.audio_out(20)
        await peer.say(response_created(), audio_delta(pcm[:4800]), audio_delta(pcm[4800:]), response_done())
        events = []
        async for event in session.receive():
            events.append(event)
            if isinstance(event, BidiResponseCompleteEvent):
                break
        sound = b"".join(event.pcm for event in events if isinstance(event, BidiAudioStreamEvent))
        assert len(sound) == 2 * len(pcm)
        with trio.fail_after(1):
            await session.stop()
        assert [frame async for frame in phone] == []


@pytest.mark.parametrize("ended", ["item", "response"])
async def test_a_short_answer_sounds_without_waiting_for_more(ended, autojump_clock):
    """Less than the jitter buffer collects: it sounds once it is known to be all."""
    pcm = tone(200, limits.AUDIO_OUT_PREBUFFER_MS - 20)
    where = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
    over = said("response.output_audio.done", **where) if ended == "item" else response_done()
    async with live() as (session, peer):
        phone = session.audio_out(20)
        await peer.say(response_created(), audio_delta(pcm), over)
        await trio.sleep(0.01)
        assert b"".join([await anext(phone) for _ in range(2)]) == pcm
        with trio.fail_after(1):
            await session.playback.heard_out()


# --- several outputs ------------------------------------------------------------------------------------------------


async def test_the_output_that_is_opened_after_the_first_is_closed_tells_what_is_heard(autojump_clock):
    heard = Heard()
    shape = AudioShape("pcm", 24_000, 1)
    first, recorder = (heard.speaker.open(shape, 20, 0) for _ in range(2))
    first.close()
    again = heard.speaker.open(shape, 20, 0)
    heard.play(spoken(pcm=bytes(ms_to_bytes(100))))
    for out, heard_ms in ((recorder, 0), (again, 20), (recorder, 20)):
        await anext(out)
        assert heard.clock.heard_ms("i1", trio.current_time()) == heard_ms


async def test_a_rate_of_nothing_is_refused(autojump_clock):
    async with live() as (session, _):
        with pytest.raises(ConfigError, match="rate_hz"):
            session.audio_out(rate=0)


async def test_an_output_of_a_session_that_is_over_ends_at_once(autojump_clock):
    async with live() as (session, _):
        await session.stop()
        assert [frame async for frame in session.audio_out()] == []


async def test_speech_that_is_dropped_before_it_is_received_is_not_waited_for(autojump_clock):
    settings = config(audio=OTHER_RATE, engine={"inbox_max_bytes": 300_000})
    async with live(settings) as (session, peer):
        await peer.say(response_created(), *(audio_delta(tone(200, 1000)) for _ in range(4)), response_done())
        await trio.sleep(1)
        assert session.statistics().inbox.dropped_audio
        received = [await anext(session.receive()) for _ in range(session.statistics().inbox.events)]
        left_ms = sum(bytes_to_ms(len(e.pcm), 48_000) for e in received if isinstance(e, BidiAudioStreamEvent))
        began = trio.current_time()
        with trio.fail_after(10):
            await session.playback.heard_out()
        assert trio.current_time() - began == pytest.approx(left_ms / 1000, abs=0.05)


# --- an interruption ------------------------------------------------------------------------------------------------


async def test_an_interruption_drops_what_the_filter_holds_back(autojump_clock):
    async with live(config(audio=OTHER_RATE)) as (session, peer):
        await peer.say(response_created(), audio_delta(tone(200, 300)), speech_started(), response_done())
        events = session.receive()
        seen = []
        async for event in events:
            seen.append(event)
            if isinstance(event, BidiResponseCompleteEvent):
                break
        at = next(n for n, event in enumerate(seen) if isinstance(event, BidiInterruptionEvent))
        assert not [event for event in seen[at:] if isinstance(event, BidiAudioStreamEvent)]
        await session.stop()
        assert [type(event) async for event in events] == [BidiConnectionCloseEvent]
