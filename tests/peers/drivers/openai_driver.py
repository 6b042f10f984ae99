"""Runs in openai-python's environment: three turns with its realtime client. One job from stdin, one answer."""

import asyncio
import base64
import json
import os
import sys
from collections import Counter

from openai import AsyncOpenAI

TOOL = {
    "type": "function",
    "name": "score",
    "description": "Scores a hand of cards.",
    "parameters": {"type": "object", "properties": {"hand": {"type": "string"}}, "required": ["hand"]},
}
SESSION = {
    "type": "realtime",
    "instructions": "You score hands of cards.",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
    },
    "tools": [TOOL],
}


class Talk:
    """One session, and what the client saw of it."""

    def __init__(self, connection):
        self._connection = connection
        self.seen = {"said": [], "heard": [], "calls": [], "audio_bytes": [], "errors": []}
        self.types = Counter()
        self.classes = Counter()

    async def until_response_done(self):
        """Read to the end of a response that does not end in calls; answer those that do."""
        audio_bytes = 0
        async for event in self._connection:
            self.types[event.type] += 1
            self.classes[type(event).__name__] += 1
            if event.type == "response.output_audio.delta":
                audio_bytes += len(base64.b64decode(event.delta))
            elif event.type == "response.output_audio_transcript.done":
                self.seen["said"].append(event.transcript)
            elif event.type == "conversation.item.input_audio_transcription.completed":
                self.seen["heard"].append(event.transcript)
            elif event.type == "error":
                self.seen["errors"].append(event.to_dict())
            elif event.type == "response.done":
                calls = [item for item in event.response.output if item.type == "function_call"]
                for call in calls:
                    await self._answer(call)
                if not calls:
                    self.seen["audio_bytes"].append(audio_bytes)
                    return

    async def _answer(self, call):
        self.seen["calls"].append({"name": call.name, "arguments": json.loads(call.arguments)})
        output = {"type": "function_call_output", "call_id": call.call_id, "output": json.dumps({"points": 10})}
        await self._connection.conversation.item.create(item=output)
        await self._connection.response.create()

    async def text(self, words):
        """Take a text turn."""
        content = [{"type": "input_text", "text": words}]
        await self._connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await self._connection.response.create()
        await self.until_response_done()

    async def audio(self, pcm):
        """Take a spoken turn."""
        for start in range(0, len(pcm), 4800):
            piece = base64.b64encode(pcm[start : start + 4800]).decode()
            await self._connection.input_audio_buffer.append(audio=piece)
        await self.until_response_done()


async def hold(job):
    client = AsyncOpenAI(api_key="sk-test", websocket_base_url=job["url"])
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(session=SESSION)
        talk = Talk(connection)
        await talk.text(job["texts"][0])
        await talk.text(job["texts"][1])
        await talk.audio(base64.b64decode(job["audio"]))
    return talk.seen | {"types": talk.types, "classes": talk.classes}


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(asyncio.run(hold(json.loads(line)))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
