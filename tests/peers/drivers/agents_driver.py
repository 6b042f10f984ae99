"""Runs in openai-agents' environment: three turns with its realtime session. One job from stdin, one answer."""

import asyncio
import base64
import json
import os
import sys
from collections import Counter

from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner

set_tracing_disabled(True)


class Talk:
    """One session, and what the client saw of it."""

    def __init__(self):
        self.seen = {"said": [], "heard": [], "calls": [], "audio_bytes": [], "errors": []}
        self.types = Counter()
        self._session = None
        self._events = None

        @function_tool
        def score(hand: str) -> str:
            """Scores a hand of cards."""
            self.seen["calls"].append({"name": "score", "arguments": {"hand": hand}})
            return json.dumps({"points": 10})

        self._agent = RealtimeAgent(name="dealer", instructions="You score hands of cards.", tools=[score])

    async def hold(self, job):
        settings = {"tracing": None, "turn_detection": {"type": "server_vad", "silence_duration_ms": 500}}
        config = {
            "url": job["url"] + "/realtime?model=gpt-realtime",
            "api_key": "sk-test",
            "initial_model_settings": settings,
        }
        async with await RealtimeRunner(self._agent).run(model_config=config) as session:
            self._session, self._events = session, aiter(session)
            for words in job["texts"]:
                await session.send_message(words)
                await self._until_answered()
            pcm = base64.b64decode(job["audio"])
            for start in range(0, len(pcm), 4800):
                await session.send_audio(pcm[start : start + 4800])
            await self._until_answered()

    async def _until_answered(self):
        """Read to the end of a response that holds no call; the session runs tools by itself."""
        audio_bytes = 0
        async for event in self._events:
            self.types[event.type] += 1
            if event.type == "audio":
                audio_bytes += len(event.audio.data)
            elif event.type == "error":
                self.seen["errors"].append(str(event.error))
            elif event.type == "raw_model_event":
                ended = self._raw(event.data)
                if ended and not any(item["type"] == "function_call" for item in ended["output"]):
                    self.seen["audio_bytes"].append(audio_bytes)
                    return

    def _raw(self, data):
        if data.type == "exception":
            self.seen["errors"].append(str(data.exception))
        if data.type != "raw_server_event":
            return None
        kind = data.data["type"]
        if kind == "response.output_audio_transcript.done":
            self.seen["said"].append(data.data["transcript"])
        elif kind == "conversation.item.input_audio_transcription.completed":
            self.seen["heard"].append(data.data["transcript"])
        return data.data["response"] if kind == "response.done" else None


async def hold(job):
    talk = Talk()
    await talk.hold(job)
    return talk.seen | {"types": talk.types}


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(asyncio.run(hold(json.loads(line)))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
