"""Playback as an event loop sees it, when the session is over, too."""

import anyio
from every_host import in_trio, model, on_every_host, settle, simulated, started, until
from rooms import audio_delta, response_created

from engine import BidiTextInputEvent, ClientSettings, SessionConfig, open_session
from engine.simulator import Say
from engine.testing import MemoryConnector


async def _heard(client):
    """Hear an answer; give its session and item, when the session is over."""
    settings = SessionConfig(client=ClientSettings(api_key="any", **client))
    async with open_session(settings) as session:
        await session.send(BidiTextInputEvent("hello"))
        async for event in session.receive():
            if event.type == "bidi_audio_stream":
                item_id = event.item_id
            if event.type == "bidi_response_complete":
                break
    return session, item_id


@on_every_host
async def test_when_the_session_is_over_its_playback_goes_on():
    async with simulated(*[Say("one two")] * 2) as (_, client):
        for _ in range(2):  # Each is the only one: what it lived in is over.
            session, item_id = await _heard(client)
            playback = session.playback
            assert playback.playing
            assert 0 <= playback.heard_ms(item_id) < playback.received_ms(item_id)
            with anyio.fail_after(20):
                await playback.heard_out()
            assert not playback.playing
            assert playback.heard_ms(item_id) == playback.received_ms(item_id)
            playback.report(item_id, 1.0)
            assert playback.heard_ms(item_id) == 1.0


@on_every_host
async def test_what_is_read_when_the_session_is_over_counts_as_played():
    connector = MemoryConnector()
    subject = model(connector)
    peer = await started(subject, connector)
    session = subject.session
    await peer.say(response_created("r1"), audio_delta(bytes(48_000)))
    await in_trio(hang_up, peer)
    await until(lambda: session.statistics().state == "closed")
    stream = subject.receive()
    events = [await anext(stream) for _ in range(3)]
    item_id = events[-1].item_id
    await settle(30)
    assert session.playback.heard_ms(item_id) > 20
    await subject.stop()


async def hang_up(peer):
    peer.transport.hang_up(1011, "oops")
