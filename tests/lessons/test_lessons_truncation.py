"""Answers that were cut off: the service is told what was heard, and our own copy keeps the words of it."""

import pybase64
import pytest
import trio
from talks import LONG, over, talking

from engine import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    ServerReported,
)
from engine.simulator import Pace, Say, Script, ScriptedResponder
from engine.simulator.formats import PCM_BYTES_PER_MS

STORY = " ".join(f"word{number}" for number in range(40))
TRUNCATE, DELETE = "conversation.item.truncate", "conversation.item.delete"


class Remembers(ScriptedResponder):
    """Keeps what the model was given to read."""

    def __init__(self, *answers):
        super().__init__(Script.of(*answers))
        self.prompts = []

    async def answer(self, prompt):
        self.prompts.append(prompt)
        return await super().answer(prompt)

    @property
    def last_read(self):
        return "".join(content.transcript or "" for item in self.prompts[-1].items for content in item.content)


async def heard_for(talk, seconds):
    """Wait until an answer was heard for so long; give its item."""
    event = await talk.wait_for(BidiAudioStreamEvent)
    await trio.sleep(seconds)
    return event.item_id


# --- openai-agents #2009, #2370 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["voice", "key"])
async def test_an_answer_that_was_cut_is_truncated_once_at_what_was_heard(how, autojump_clock):
    """openai-agents #2009: on an interruption by voice nothing was truncated, so the model believed it was heard."""
    responder = Remembers(Say(STORY), Say("as you like"))
    async with talking(responder=lambda: responder, service={"pace": Pace(cancel_ms=200)}) as talk:
        await talk.say("tell me a story")
        item_id = await heard_for(talk, 1)
        if how == "voice":
            await talk.speak()
        else:
            await talk.session.interrupt()
            await talk.say("and then?")
        await talk.settled()

        (truncated,) = talk.got(TRUNCATE)
        heard_ms = truncated["audio_end_ms"]
        assert truncated["item_id"] == item_id
        assert heard_ms == int(talk.session.playback.heard_ms(item_id))
        assert heard_ms == pytest.approx(1000, abs=100), "the service needs a moment to know speech"
        kept = await talk.session.items.retrieve(item_id)
        assert len(pybase64.b64decode(kept.content[0].audio)) == heard_ms * PCM_BYTES_PER_MS
        assert "word" not in responder.last_read, "what the service does not know to be heard is not in its context"
        assert talk.got(DELETE) == talk.refusals == []


async def test_an_answer_that_was_heard_to_its_end_is_left_whole(autojump_clock):
    """openai-agents #2370: a truncation where nothing was cut made the model say again what it had said."""
    responder = Remembers(Say(STORY), Say("as you like"))
    async with talking(responder=lambda: responder) as talk:
        await talk.say("tell me a story")
        await talk.wait_for(BidiResponseCompleteEvent)
        await talk.session.playback.heard_out()
        await talk.speak()
        await talk.settled()

        assert talk.of(BidiInterruptionEvent), "the user spoke, and the application is told"
        assert talk.got(TRUNCATE, DELETE) == talk.refusals == []
        assert STORY in responder.last_read


async def test_speech_into_silence_truncates_nothing(autojump_clock):
    """openai-agents #2370: the same, before any answer."""
    async with talking(Say("yes")) as talk:
        await talk.speak()
        await talk.settled()

        assert len(talk.of(BidiInterruptionEvent)) == 1
        assert talk.endings == ["complete"]
        assert talk.got(TRUNCATE, DELETE) == talk.refusals == []


# --- pipecat #925, #1963, #2106, #3677; livekit #6157 -----------------------------------------------------------


async def test_a_player_that_runs_ahead_of_the_audio_truncates_at_what_came(autojump_clock):
    """pipecat #925, #3677: a position by the wall clock lay past the end of the audio, which the service refuses."""
    service = {"pace": Pace(audio_speed=0.5)}
    async with talking(Say(LONG), Say("yes"), service=service) as talk:
        await talk.say("talk slowly")
        item_id = await heard_for(talk, 2.3)
        talk.session.playback.report(item_id, 2300)
        received_ms = talk.session.playback.received_ms(item_id)
        assert received_ms < 2300, "else the player was not ahead"
        await trio.sleep(0.3)
        await talk.session.interrupt()
        await talk.settled()

        (truncated,) = talk.got(TRUNCATE)
        assert truncated["audio_end_ms"] == received_ms
        assert talk.refusals == []
        assert talk.session.statistics().state == "live"


async def test_an_answer_of_which_nothing_was_heard_is_deleted_and_not_truncated_at_0(autojump_clock):
    """pipecat #1963, #2106; livekit #6157: a truncation at 0 ms is refused."""
    responder = Remembers(Say(STORY), Say("yes"))
    async with talking(responder=lambda: responder) as talk:
        frames = talk.session.audio_out()  # Nobody plays it yet.
        await talk.say("go on")
        item_id = (await talk.wait_for(BidiAudioStreamEvent)).item_id
        await talk.speak()
        await talk.settled()
        frames.close()

        assert [event["item_id"] for event in talk.got(DELETE)] == [item_id]
        assert talk.got(TRUNCATE) == talk.refusals == []
        assert STORY not in responder.last_read
        assert talk.session.history.get(item_id) is None
        assert talk.endings == ["interrupted", "complete"]


async def test_an_item_that_was_deleted_in_mid_answer_stays_deleted_in_the_history(autojump_clock):
    """pipecat #1963: what was taken back is nobody's any more, however late its end is told."""
    async with talking(Say(STORY), Say("yes")) as talk:
        frames = talk.session.audio_out()  # Nobody plays it yet.
        await talk.say("go on")
        item_id = (await talk.wait_for(BidiAudioStreamEvent)).item_id
        await talk.session.interrupt()
        await talk.settled()
        frames.close()

        assert [event["item_id"] for event in talk.got(DELETE)] == [item_id]
        assert talk.refusals == []
        assert talk.session.history.get(item_id) is None


async def test_an_interruption_before_the_first_sound_is_no_error(autojump_clock):
    """livekit #6157: speech into an answer that has begun and made no sound yet."""
    service = {"pace": Pace(think_ms=3000)}
    async with talking(Say(LONG), Say("yes"), service=service) as talk:
        await talk.say("go on")
        await talk.wait_for(BidiResponseStartEvent)
        await talk.speak()
        await talk.settled()

        assert talk.got(TRUNCATE) == talk.refusals == []
        assert talk.endings == ["interrupted", "complete"]


def counts_less(event):
    """The service has less of the item than it has sent, as where it counts in another way."""
    return {**event, "audio_end_ms": 10**6} if event["type"] == TRUNCATE else event


async def test_a_truncation_that_the_service_refuses_costs_nothing(autojump_clock):
    """pipecat #3677: the refusal of a truncation was a fatal error."""
    async with talking(Say(LONG), Say("yes"), line=over(sent=counts_less)) as talk:
        await talk.say("go on")
        await heard_for(talk, 1)
        await talk.speak()
        await talk.settled()

        assert ["already shorter than" in error["message"] for error in talk.refusals] == [True]
        assert talk.told == []
        assert talk.endings == ["interrupted", "complete"]


@pytest.mark.parametrize("audio_end_ms", [0, 10**6])
async def test_a_wrong_truncation_by_hand_is_told_to_who_asked(audio_end_ms, autojump_clock):
    """pipecat #925, #1963: the same, where the application truncates."""
    async with talking(Say("short"), Say("yes")) as talk:
        await talk.say()
        item_id = (await talk.wait_for(BidiAudioStreamEvent)).item_id
        await talk.settled()
        with pytest.raises(ServerReported) as refused:
            await talk.session.items.truncate(item_id, audio_end_ms)

        assert not refused.value.fatal
        await talk.say()
        await talk.settled()
        assert talk.told == []
        assert talk.endings == ["complete"] * 2


# --- openai-agents-js #523, #1173 -------------------------------------------------------------------------------


async def test_the_words_that_were_heard_outlive_the_truncation(autojump_clock):
    """openai-agents-js #523: the service drops a truncated item's transcript, and the client's history lost it too."""
    async with talking(Say(STORY), service={"pace": Pace(audio_speed=100)}) as talk:
        await talk.say("tell me a story")
        item_id = await heard_for(talk, 1)
        assert talk.endings == ["complete"], "all of its words have come"
        await talk.session.interrupt()
        await talk.settled()

        kept = await talk.session.items.retrieve(item_id)
        assert kept.content[0].transcript is None, "the service knows no words of it any more"
        *_, answer = talk.session.history.messages()
        (words,) = [block["text"] for block in answer["content"]]
        assert answer["role"] == "assistant"
        assert STORY.startswith(words)
        assert "word0" in words
        assert len(words) < len(STORY) / 2, "and of those that came, those that were heard"


async def test_the_user_can_cut_in_as_long_as_the_answer_plays_though_all_of_it_was_sent(autojump_clock):
    """openai-agents-js #1173: once the response was done there was no interruption, and the audio played on."""
    async with talking(Say(LONG), Say("yes"), service={"pace": Pace(audio_speed=100)}) as talk:
        frames = []

        async def play(out):
            async for frame in out:
                frames.append((trio.current_time(), any(frame)))  # noqa: PERF401 - looked at while they come

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play, talk.session.audio_out())
            await talk.say("go on")
            await talk.wait_for(BidiResponseCompleteEvent)
            await trio.sleep(1)
            assert frames[-1][1], "it plays"
            await talk.speak()
            event = await talk.wait_for(BidiInterruptionEvent)
            await talk.settled()
            nursery.cancel_scope.cancel()

        (truncated,) = talk.got(TRUNCATE)
        _, began = talk.at(talk.ledger.sent, "response.created")
        sounds = [at for at, sounds in frames if sounds]
        assert truncated["audio_end_ms"] == pytest.approx(1000, abs=200)
        assert began - event.received_at > 0.5
        assert not [at for at in sounds if event.received_at < at < began]
        assert talk.endings == ["complete", "complete"]
        assert talk.refusals == []
