"""Turns by hand, a silenced model, and what was heard: the parts of a session that an application holds."""

import pytest
import trio
from rooms import MS, config, live, said, simulated, take, until

from engine import open_session
from engine.errors import LocalMisuse, SessionEnded, UnsupportedContent
from engine.events import BidiAudioStreamEvent, BidiInterruptionEvent, BidiResponseCompleteEvent, BidiTextInputEvent
from engine.simulator import Say


def audio(ms, item_id="item_1", response_id="resp_1"):
    return said(
        "response.output_audio.delta",
        response_id=response_id,
        item_id=item_id,
        output_index=0,
        content_index=0,
        delta="A" * 64 * ms,
    )


def created(response_id="resp_1"):
    return said("response.created", response={"id": response_id, "conversation_id": "conv_1"})


async def test_a_turn_by_hand_is_committed_behind_its_audio_and_answered(autojump_clock):
    async with live(turn_detection=None) as (session, peer):
        await session.send_audio(MS * 130)
        await session.input.commit()
        await peer.hear("session.update")
        heard = [(await peer.hear())["type"] for _ in range(6)]
        assert heard == ["input_audio_buffer.append"] * 4 + ["input_audio_buffer.commit", "response.create"]


async def test_a_turn_without_an_answer_is_only_committed(autojump_clock):
    async with simulated(Say("never asked for")) as (simulator, client, connector):
        async with open_session(config(client=client, turn_detection=None), connector=connector) as session:
            await session.send_audio(MS * 200)
            await session.input.commit(respond=False)
            await trio.sleep(1)
            assert session.statistics().conversation.gate.requested == 0
        (ledger,) = simulator.sessions
        assert ledger.sent.counts["input_audio_buffer.committed"] == 1


async def test_less_audio_than_the_service_takes_is_not_committed(autojump_clock):
    async with live(turn_detection=None) as (session, _):
        await session.send_audio(MS * 99)
        with pytest.raises(LocalMisuse, match="99 ms can't be committed"):
            await session.input.commit()
        await session.send_audio(MS)
        await session.input.commit()
        with pytest.raises(LocalMisuse, match="0 ms"):
            await session.input.commit()


async def test_what_was_taken_back_counts_no_more(autojump_clock):
    async with live(turn_detection=None) as (session, peer):
        await session.send_audio(MS * 500)
        await session.input.clear()
        await peer.hear("input_audio_buffer.clear")
        with pytest.raises(LocalMisuse, match="0 ms"):
            await session.input.commit()


async def test_turns_that_the_service_ends_are_not_ended_by_hand(autojump_clock):
    async with live() as (session, _):
        await session.send_audio(MS * 500)
        with pytest.raises(LocalMisuse, match="turn_detection=None"):
            await session.input.commit()
        await session.stop()
        with pytest.raises(SessionEnded):
            await session.input.commit()
        with pytest.raises(SessionEnded):
            await session.input.clear()
        with pytest.raises(SessionEnded):
            await session.interrupt()


async def test_an_interruption_by_hand_drops_what_waits_and_tells_the_service(autojump_clock):
    async with live() as (session, peer):
        await peer.say(created(), audio(1000), audio(1000))
        events = session.receive()
        heard = await until(events, BidiAudioStreamEvent)
        await trio.sleep(0.25)

        await session.interrupt()

        assert isinstance(await anext(events), BidiInterruptionEvent)
        assert session.statistics().inbox.purged_audio == 1
        cancel = await peer.hear("response.cancel")
        await peer.say(said("response.done", response={"id": "resp_1", "status": "cancelled"}))
        truncate = await peer.hear()
        assert cancel["response_id"] == "resp_1"
        assert (truncate["type"], truncate["item_id"]) == ("conversation.item.truncate", heard.item_id)
        assert truncate["audio_end_ms"] == 250
        assert session.playback.heard_ms("item_1") == 250
        assert not session.playback.playing


async def test_a_player_of_the_applications_own_says_how_far_it_is(autojump_clock):
    async with live() as (session, peer):
        await peer.say(created(), audio(1000))
        await take(session, 3)
        session.playback.report("item_1", 120)
        await trio.sleep(0.7)
        session.playback.report("item_1", 580.4)

        await peer.say(said("input_audio_buffer.speech_started", item_id="item_2", audio_start_ms=0))

        assert (await peer.hear("conversation.item.truncate"))["audio_end_ms"] == 580
        assert session.playback.received_ms("item_1") == 1000
        with pytest.raises(LocalMisuse):
            session.playback.report("item_9", 1)
        with pytest.raises(UnsupportedContent):
            session.playback.report("item_1", -1)


async def test_an_answer_can_be_waited_out(autojump_clock):
    answers = simulated(Say("one two three four five"))
    async with answers as (_, client, connector), open_session(config(client=client), connector=connector) as session:
        await session.send(BidiTextInputEvent("count"))
        await until(session.receive(), BidiResponseCompleteEvent)
        began = trio.current_time()
        with trio.fail_after(30):
            await session.playback.heard_out()
        assert trio.current_time() - began > 0.5, "it is spoken for longer than it takes to come"
        assert not session.playback.playing
