"""Conversations of the seed and of our facade with our simulator, whose script says what it answers."""

import base64
import math
import struct
from typing import Final

import attrs
from scenarios import ASK, SCORE, completed, do, opened, result
from service_events import Json

from engine.simulator import Call, Fail, Incomplete, Say, Script, Unheard


@attrs.frozen
class Simulated:
    """One conversation.

    Attributes:
        steps: What the application does.
        script: What the simulator says and hears.
        least_events: That the application must get.
    """

    steps: list[Json]
    script: Script
    least_events: int


def speech(speech_ms: int = 800, silence_ms: int = 900) -> list[Json]:
    """Steps that send a tone and silence, in 100 ms pieces."""
    tone = b"".join(
        struct.pack("<h", round(9000 * math.sin(2 * math.pi * 220 * sample / 24000)))
        for sample in range(24 * speech_ms)
    )
    pcm = bytes(48 * 100) + tone + bytes(48 * silence_ms)
    pieces = [pcm[start : start + 4800] for start in range(0, len(pcm), 4800)]
    return [do("send", audio=base64.b64encode(piece).decode()) for piece in pieces]


CALL_ID: Final = "call_0123456789abcdef"
# Plain ASCII inside JSON text, which the two sides escape each in its own way: the simulator counts its tokens.

HISTORY: Final = [
    {"role": "user", "content": [{"text": "Hello."}]},
    {
        "role": "assistant",
        "content": [{"text": "Hm."}, {"toolUse": {"toolUseId": "past", "name": "score", "input": {"hand": "ten"}}}],
    },
    {
        "role": "user",
        "content": [{"toolResult": {"toolUseId": "past", "status": "success", "content": [{"text": "10"}]}}],
    },
]

SIMULATED: Final = {
    "simulated_text_turns": Simulated(
        [*opened(), ASK, completed(1), do("send", text="And now?"), completed(2)],
        Script.of(Say("Ten points — ♣."), Say("Still ten.")),
        12,
    ),
    "simulated_written_answer": Simulated(
        [
            do(
                "make",
                client_config={"api_key": "sk-test"},
                provider_config={"inference": {"output_modalities": ["text"], "max_output_tokens": 200}},
            ),
            *opened()[1:],
            ASK,
            completed(),
        ],
        Script.of(Say("Ten points in text.")),
        5,
    ),
    "simulated_audio_turn": Simulated(
        [
            *opened(),
            *speech(),
            do("await", type="bidi_interruption"),
            completed(),
            *speech(560),
            completed(2),
            ASK,  # When this is answered, all words of the turns before have come.
            completed(3),
        ],
        Script.of(Say("I heard you."), Say("Again."), Say("Ten."), transcripts=("ten of clubs", "two of hearts")),
        16,
    ),
    "simulated_silent_transcription": Simulated(
        [*opened(), *speech(), completed(), ASK, completed(2)],
        Script.of(Say("Pardon?"), Say("Ten."), transcripts=(Unheard(),)),
        6,
    ),
    "simulated_tool_call": Simulated(
        [*opened(tools=[SCORE]), ASK, completed(1), result(CALL_ID, {"json": {"points": 10}}), completed(2)],
        Script.of(Call("score", '{"hand": "♣10"}', CALL_ID), Say("Ten.")),
        9,
    ),
    "simulated_history": Simulated(
        [*opened(tools=[SCORE], messages=HISTORY), ASK, completed()],
        Script(echo="Heard: {text}"),
        5,
    ),
    "simulated_failures": Simulated(
        [*opened(), ASK, completed(1), ASK, completed(2), ASK, completed(3)],
        Script.of((Fail(),), (Say("It goes on"), Incomplete()), (Say("Well."),)),
        14,
    ),
}
