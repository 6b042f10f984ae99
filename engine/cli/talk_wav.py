"""A conversation with a recording: it is sent as a microphone would, and its turns are answered."""

from typing import Final

import trio

from engine.audio.pcm import PCM_RATE_HZ, SAMPLE_BYTES, bytes_to_ms
from engine.cli.console import CommandConsole
from engine.cli.heard import Heard
from engine.cli.talk_tools import NoTools
from engine.demo.call import Call
from engine.demo.event_log import EventLog
from engine.demo.recording import Recording
from engine.demo.screen import Screen
from engine.demo.sound_card import FRAME_MS, SoundCard
from engine.errors import DeadlinePassed, ServerReported, UnsupportedContent
from engine.session import Session

HEARING_S: Final = 3.0
"""Silence after the recording in which the service must have found speech in it."""

TURN_END_S: Final = 1.5
"""Silence after the recording in which the service has found the last turn's end."""

ANSWER_DEADLINE_S: Final = 120.0
"""From the end of the recording to the end of the last answer."""


async def hold(session: Session, pcm: bytes, heard: Heard) -> None:
    """Talk until the recording is over and answered.

    Args:
        session: The session.
        pcm: What to say.
        heard: Takes the agent's voice, in step with the recording.

    Raises:
        UnsupportedContent: The service heard no speech.
        DeadlinePassed: The answer took too long.
        ServerReported: The service refused to answer.
        LimitExceeded: It calls tools on and on.
    """
    card, recording = SoundCard(), Recording()
    card.microphone.say(pcm)
    try:
        with Screen(CommandConsole(highlight=False)) as screen:
            no_tools = NoTools(lambda: len(recording.turns))
            call = Call(session, card, EventLog(), screen, recording, toolbox=no_tools.call)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call.listen, name="talk listener")
                nursery.start_soon(call.follow_playback, name="talk playback")
                nursery.start_soon(card.run, session.send_audio, name="talk sound card")
                await _answered(card, call, recording, len(pcm) / (PCM_RATE_HZ * SAMPLE_BYTES))
                nursery.cancel_scope.cancel()
    finally:
        played_ms = sum(playing.heard_ms for playing in card.loudspeaker.played.values())
        rest = card.loudspeaker.rest()
        heard.pcm += card.tape.agent + rest
        heard.voice_ms += played_ms + bytes_to_ms(len(rest))


async def _answered(card: SoundCard, call: Call, recording: Recording, length_s: float) -> None:
    await trio.sleep(length_s + TURN_END_S)
    try:
        with trio.fail_after(ANSWER_DEADLINE_S):
            while not (recording.turns and call.told(recording.turns[-1])):
                if not recording.turns and card.tape.caller_s > length_s + HEARING_S:
                    raise UnsupportedContent("the service heard no speech in the recording | listen to it yourself")
                if recording.errors:
                    break
                await trio.sleep(FRAME_MS / 1000)
    except trio.TooSlowError as error:
        raise DeadlinePassed("answer", ANSWER_DEADLINE_S) from error
    if recording.errors:
        raise ServerReported(recording.errors[-1])
