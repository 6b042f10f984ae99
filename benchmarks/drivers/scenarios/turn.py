"""What a client adds to a turn: text to first text, and the end of the user's speech to the first audio.

The server answers at once, so that what passes is the client's, the loopback's and the harness's: the floor shows how
much of it is not the client's. While and after the user speaks, the microphone goes on, as it does.
"""

import time
from collections.abc import Callable
from typing import Any

import anyio
from client import Client
from figures import FRAME, FRAME_MS, spread_ms

SPOKEN_FRAMES = 13
"""260 ms of speech: no multiple of a message of 40 or 100 ms, so that what is held back shows."""


async def play(make: Callable[[], Client], load: dict[str, Any]) -> dict[str, Any]:
    """Take `turns` of text and `spoken_turns` of speech."""
    client = make()
    await client.open()
    texts, firsts = [], []
    for _ in range(load["turns"]):
        asked = time.monotonic()
        await client.ask("say")
        text_ms, audio_ms = await heard(client, asked)
        texts.append(text_ms)
        firsts.append(audio_ms)
    spoken = [await speech(client) for _ in range(load["spoken_turns"])]
    figures = {"text": texts[1:], "audio": firsts[1:], "speech": spoken[1:]}  # The first of each warms up.
    return {f"{name}_{key}": value for name, kept in figures.items() for key, value in spread_ms(kept).items()}


async def heard(client: Client, since: float) -> tuple[float, float]:
    """Wait for the end of an answer; say when its first text and first audio came, in ms."""
    text_ms = audio_ms = None
    async for kind, _ in client.events():
        now_ms = 1000 * (time.monotonic() - since)
        if kind == "text" and text_ms is None:
            text_ms = now_ms
        elif kind == "audio" and audio_ms is None:
            audio_ms = now_ms
        elif kind == "done":
            break
    return text_ms or 0.0, audio_ms or 0.0


async def speech(client: Client) -> float:
    """Speak, then hold still with the microphone open, until the answer sounds."""
    await client.ask(f"listen {SPOKEN_FRAMES * len(FRAME)}")
    await heard(client, 0.0)
    ended = [0.0]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(microphone, client, ended)
        arrived = 0.0
        async for kind, _ in client.events():
            if kind == "audio" and not arrived:
                arrived = time.monotonic()
            elif kind == "done":
                break
        tasks.cancel_scope.cancel()
    return 1000 * (arrived - ended[0])


async def microphone(client: Client, ended: list[float]) -> None:
    """Send frames at their pace, and note when the last one of the speech was given."""
    due, sent = anyio.current_time(), 0
    while True:
        sent += 1
        if sent == SPOKEN_FRAMES:
            ended[0] = time.monotonic()
        await client.speak(FRAME)
        due += FRAME_MS / 1000
        await anyio.sleep_until(due)
