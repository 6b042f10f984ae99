"""Talks that Strands' own `BidiAgent` holds, on asyncio, with our model or with Strands'. Runs in either family.

Each is a coroutine of a `Talk`, by name; `hold` runs one and gives what the agent saw as plain data. Needs no pytest.
"""

import asyncio
import base64
import contextlib
import importlib
import json
import math
import struct
import threading
import time
from pathlib import Path

try:
    from strands.bidi import BidiAgent
    from strands.bidi.types import AudioDelta
    from strands.types.content import TextBlock
    from strands.types.media import ImageBlock

    CURRENT = True
except ImportError:
    from strands.experimental.bidi import BidiAgent, BidiAudioInputEvent, BidiImageInputEvent, BidiTextInputEvent

    CURRENT = False

from strands import ToolContext, tool

PATIENCE_S = 8.0
STOP_BOUND_S = 4.0
RATE_HZ = 24_000

SAID = {"bidi_transcript_block", "bidi_text_block"} if CURRENT else {"bidi_transcript_stream"}
DONE = "bidi_response_stop" if CURRENT else "bidi_response_complete"
CUT_IN = "bidi_barge_in" if CURRENT else "bidi_interruption"
CLOSED = "bidi_connection_stop" if CURRENT else "bidi_connection_close"
AUDIO = "bidi_audio_delta" if CURRENT else "bidi_audio_stream"
RESTARTED = "bidi_connection_restart"


def theirs(url, **settings):
    """Make Strands' own model."""
    if CURRENT:
        module = importlib.import_module("strands.bidi.models.openai.realtime")
        module.OPENAI_REALTIME_URL = url + "/realtime"
        return module.OpenAIRealtimeModel(
            model_id="gpt-realtime", transcription_model_id="gpt-4o-transcribe", api_key="x", **settings
        )
    module = importlib.import_module("strands.experimental.bidi.models.openai_realtime")
    module.OPENAI_REALTIME_URL = url + "/realtime"
    return module.BidiOpenAIRealtimeModel(client_config={"api_key": "x", **settings})


def ours(url, **settings):
    """Make our model."""
    module = importlib.import_module("engine.integrations.strands")
    provider = {"engine": settings.pop("engine")} if "engine" in settings else None
    return module.BidiOpenAIRealtimeModel(
        provider_config=provider, client_config={"api_key": "x", "base_url": url, **settings}
    )


def tone(length_ms, level=0.4):
    """Make what the simulator hears as speech."""
    count = RATE_HZ * length_ms // 1000
    samples = (int(level * 32767 * math.sin(index * 2 * math.pi * 440 / RATE_HZ)) for index in range(count))
    return struct.pack(f"<{count}h", *samples)


TURN = [tone(100)] * 4 + [bytes(4800)] * 8
"""0.4 s of speech, and the silence that ends it."""


def audio(pcm):
    if CURRENT:
        return AudioDelta(format="pcm", source={"bytes": pcm})
    return BidiAudioInputEvent(base64.b64encode(pcm).decode(), "pcm", RATE_HZ, 1)


def image():
    if CURRENT:
        return ImageBlock(format="png", source={"bytes": b"png"})
    return BidiImageInputEvent(base64.b64encode(b"png").decode(), "image/png")


def shown(event):
    """Write an event as plain data, with sound as its length."""
    data = {key: len(base64.b64decode(value)) if key == "audio" else value for key, value in event.items()}
    return json.loads(json.dumps(data, default=repr))


def sockets():
    """Count this process's sockets."""
    open_files = Path("/proc/self/fd")
    return sum(map(_is_socket, open_files.iterdir())) if open_files.exists() else 0


def _is_socket(file):
    try:
        return str(file.readlink()).startswith("socket:")
    except OSError:  # Closed by another thread since it was listed, as that of the listing itself.
        return False


class Talk:
    """One agent, and what it saw.

    Args:
        model: Its model.
        patience_s: How long to wait for what must come.
    """

    def __init__(self, model, patience_s):
        self._patience_s = patience_s
        self.events = []
        self.tools = []
        self.raised = {}
        self.end = None
        self.plays_s = 0.0
        self.gate = asyncio.Event()
        self._news = asyncio.Condition()
        self._reader = None

        @tool
        async def score(hand: str) -> str:
            """Scores a hand of cards."""
            return await self._run("score", hand, "10 points")

        @tool
        async def weather(city: str) -> str:
            """Tells the weather."""
            return await self._run("weather", city, "sunny")

        @tool
        async def wait(what: str) -> str:
            """Takes its time."""
            self.tools.append(f"wait:{what}:begins")
            await self.gate.wait()
            self.tools.append(f"wait:{what}:ends")
            return f"{what} is there"

        @tool
        async def picture() -> dict:
            """Gives what the service can't take."""
            content = [{"image": {"format": "png", "source": {"bytes": b"png"}}}]
            return {"status": "success", "content": content}

        @tool(context=True)
        async def hang_up(tool_context: ToolContext) -> str:
            """Ends the talk."""
            if CURRENT:
                tool_context.agent.cancel()
            else:
                tool_context.invocation_state["request_state"]["stop_event_loop"] = True
            return "bye"

        tools = [score, weather, wait, picture, hang_up]
        self.agent = BidiAgent(model=model, tools=tools, system_prompt="You deal cards.")

    async def _run(self, name, what, result):
        self.tools.append(f"{name}:{what}:begins")
        await asyncio.sleep(0.05)
        self.tools.append(f"{name}:{what}:ends")
        return result

    # --- steps ------------------------------------------------------------------------------------------------

    async def begin(self):
        await self.agent.start()
        self.read()

    def read(self):
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        try:
            async for event in self.agent.receive():
                self.events.append(event)
                await self._tell()
                if event.get("type") == AUDIO:
                    await asyncio.sleep(self.plays_s)
            self.end = "returned"
        except Exception as error:  # noqa: BLE001 - it is told
            self.end = told(error)
        await self._tell()

    async def run(self, words):
        """Run the agent with one input, which says something and then nothing more."""
        said = [words]

        async def hear():
            if not said:
                await asyncio.Event().wait()
            return said.pop() if CURRENT else BidiTextInputEvent(said.pop())

        async def tell(event):
            self.events.append(event)
            await self._tell()

        await self.agent.run(inputs=[hear], outputs=[tell])

    async def _tell(self):
        async with self._news:
            self._news.notify_all()

    async def until(self, wanted, count=1, patience_s=None):
        """Wait for so many events of a type, or for what a function finds in what was seen."""
        ready = wanted if callable(wanted) else lambda: self.count(wanted) >= count
        async with self._news:
            async with asyncio.timeout(patience_s or self._patience_s):
                await self._news.wait_for(ready)

    def count(self, wanted):
        return sum(event.get("type") == wanted for event in self.events)

    def said(self, role="assistant"):
        """Give the final words of one side."""
        finals = [event for event in self.events if event.get("type") in SAID and event.get("is_final", True)]
        return [
            event.get("text") or event.get("transcript") for event in finals if event.get("role", "assistant") == role
        ]

    async def until_said(self, words, role="assistant"):
        await self.until(lambda: words in self.said(role))

    async def until_ran(self, what):
        async with asyncio.timeout(self._patience_s):
            while what not in self.tools:  # noqa: ASYNC110 - a list tells nobody
                await asyncio.sleep(0.005)

    async def speak(self):
        for piece in TURN:
            await self.agent.send(audio(piece))
            await asyncio.sleep(0.005)

    async def refused(self, name, action):
        """Note what an action raises."""
        try:
            await action
            self.raised[name] = None
        except Exception as error:  # noqa: BLE001 - it is told
            self.raised[name] = told(error)

    async def stop(self):
        async with asyncio.timeout(STOP_BOUND_S):
            await self.agent.stop()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)


def told(error):
    """Write an exception as plain data."""
    return {"classes": [each.__name__ for each in type(error).__mro__], "text": str(error)}


# --- the talks --------------------------------------------------------------------------------------------------


async def two_tools(talk):
    """One turn in which the model calls two tools at once."""
    await talk.begin()
    await talk.agent.send("Score my hand, and tell me the weather.")
    await talk.until_said("Ten points, and it is sunny.")
    await talk.until("bidi_usage", 2)
    await talk.stop()


async def spoken(talk):
    """One turn by voice."""
    await talk.begin()
    await talk.speak()
    await talk.until_said("I heard you.")
    await talk.until_said("ten of clubs", "user")
    await talk.until(DONE)
    await talk.stop()


async def restart(talk):
    """The time is over between two turns; the agent goes on with another session."""
    await talk.begin()
    await talk.agent.send("Remember seven.")
    await talk.until_said("Seven, noted.")
    await talk.until(DONE)
    await talk.until(RESTARTED)
    await talk.agent.send("What was it?")
    await talk.until_said("It was seven.")
    await talk.until(DONE, 2)
    await talk.stop()


async def restart_under_tools(talk):
    """The time is over while two tools run; their results go to the next session."""
    await talk.begin()
    await talk.agent.send("Look for both.")
    await talk.until_ran("wait:one:begins")
    await talk.until_ran("wait:two:begins")
    await talk.until(RESTARTED)
    talk.gate.set()
    await talk.until_said("Both are there.")
    await talk.until(DONE, 2)
    await talk.stop()


async def scheduled_restart(talk):
    """The agent starts the session anew by its own timer, before the time is over, while a tool runs."""
    await talk.begin()
    await talk.agent.send("Look for it.")
    await talk.until_ran("wait:one:begins")
    await talk.until(RESTARTED, patience_s=15.0)
    talk.gate.set()
    await talk.until_said("It is there.")
    await talk.stop()


async def interruption(talk):
    """The user speaks into a long answer."""
    await talk.begin()
    await talk.agent.send("Tell me a story.")
    await talk.until(AUDIO, 3)
    await talk.speak()
    await talk.until(CUT_IN)
    await talk.until_said("Go on.")
    await talk.stop()


async def late_interruption(talk):
    """A long answer has come whole, and waits to be played when the user speaks."""
    talk.plays_s = 0.03
    await talk.begin()
    await talk.agent.send("Tell me a story.")
    await talk.until(AUDIO, 3)
    await talk.speak()
    await talk.until(CUT_IN)
    await talk.until_said("Go on.")
    await talk.stop()


async def stop_under_audio(talk):
    """The application has read nothing of a long answer for a while, and stops."""
    await talk.agent.start()
    await talk.agent.send("Tell me a story.")
    await asyncio.sleep(0.5)
    await talk.stop()
    talk.end = "stopped"


async def stop_twice(talk):
    """Stops, starts again with what it remembers, and stops twice."""
    await talk.begin()
    await talk.agent.send("Remember seven.")
    await talk.until_said("Seven, noted.")
    await talk.until(DONE)
    await talk.stop()
    await talk.begin()
    await talk.agent.send("What was it?")
    await talk.until_said("It was seven.")
    await talk.stop()
    await talk.stop()


async def hang_up(talk):
    """A tool of the agent's ends the talk."""
    await talk.begin()
    await talk.agent.send("Goodbye.")
    await talk.until(lambda: talk.end is not None)
    await talk.stop()


async def devices(talk):
    """The agent runs between an input and an output of the application's, up to a tool that ends the talk."""
    await asyncio.wait_for(talk.run("Goodbye."), PATIENCE_S)
    talk.end = "returned"


async def cancelled(talk):
    """The application gives up on a running agent, in the midst of an answer."""
    running = asyncio.create_task(talk.run("Tell me a story."))
    await talk.until(AUDIO, 2)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=STOP_BOUND_S)
    talk.end = "cancelled" if done and running.cancelled() else "goes on"


async def wrong_input(talk):
    """What can't be sent is refused, and the talk goes on."""
    await talk.begin()
    await talk.refused("half a sample", talk.agent.send(audio(b"\0\0\0")))
    if CURRENT:
        await talk.refused("no bytes", talk.agent.send(AudioDelta(format="pcm", source={"location": {}})))
        await talk.refused("mp3", talk.agent.send(AudioDelta(format="mp3", source={"bytes": b"mp3"})))
    else:
        await talk.refused("image", talk.agent.send(image()))
        await talk.refused("no base64", talk.agent.send(BidiAudioInputEvent("!", "pcm", RATE_HZ, 1)))
        await talk.refused("role", talk.agent.send(BidiTextInputEvent("Hi", "system")))
    await talk.refused("other", talk.agent.model.send({"type": "bidi_text_input"}))
    await talk.agent.send("Hello")
    await talk.until_said("Good day.")
    await talk.until(DONE)
    await talk.stop()


async def wrong_result(talk):
    """A tool gives what the service can't take: the agent raises, and reads on."""
    await talk.begin()
    await talk.agent.send("Show me.")
    await talk.until(lambda: talk.end is not None)
    talk.raised["result"] = talk.end
    talk.read()
    await talk.agent.send("Never mind.")
    await talk.until_said("Good day.")
    await talk.stop()


async def pictures(talk):
    """Text and images in one message, in any order."""
    await talk.begin()
    await talk.agent.send(["What is this,", image(), "and that?"])
    await talk.until_said("A card.")
    await talk.until(DONE)
    await talk.agent.send([TextBlock("And this?"), image()])
    await talk.until_said("Another card.")
    await talk.until(DONE, 2)
    await talk.stop()


async def service_leaves(talk):
    """The service ends the connection in order: the reader must not wait for ever."""
    await talk.begin()
    await talk.agent.send("Hello")
    await talk.until(lambda: talk.end is not None)
    await talk.refused("late", talk.agent.send("Are you there?"))
    await talk.stop()


TALKS = {
    each.__name__: each
    for each in (
        two_tools,
        spoken,
        restart,
        restart_under_tools,
        scheduled_restart,
        interruption,
        late_interruption,
        stop_under_audio,
        stop_twice,
        hang_up,
        devices,
        cancelled,
        wrong_input,
        wrong_result,
        pictures,
        service_leaves,
    )
}


async def _hold(name, make, url, patience_s, settings):
    talk = Talk(make(url, **settings), patience_s)
    failure = None
    try:
        await TALKS[name](talk)
    except Exception as error:  # noqa: BLE001 - it is told
        failure = told(error)
        with contextlib.suppress(Exception):
            await talk.stop()
    left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    return {
        "events": [shown(event) for event in talk.events],
        "said": talk.said(),
        "heard": talk.said("user"),
        "messages": [plain(message) for message in talk.agent.messages],
        "tools": talk.tools,
        "raised": talk.raised,
        "end": talk.end,
        "failure": failure,
        "tasks_left": left,
    }


def plain(message):
    """Give a message's role and blocks."""
    return {"role": message["role"], "content": json.loads(json.dumps(message["content"], default=repr))}


def hold(name, side, url, patience_s=PATIENCE_S, **settings):
    """Hold a talk in a loop of its own.

    Args:
        name: Which.
        side: `ours` or `theirs`: whose model.
        url: The server's base URL.
        patience_s: How long to wait for what must come.
        **settings: Of the model.
    """
    threads, open_sockets = set(threading.enumerate()), sockets()
    seen = asyncio.run(_hold(name, {"ours": ours, "theirs": theirs}[side], url, patience_s, settings))
    seen["threads_left"] = [each.name for each in threading.enumerate() if each not in threads]
    until = time.monotonic() + PATIENCE_S
    while (left := sockets() - open_sockets) > 0 and time.monotonic() < until:
        time.sleep(0.01)  # The server's end may be of this process, and closes after ours.
    seen["sockets_left"] = left
    return seen
