"""pipecat-ai 1.14.0: `OpenAIRealtimeLLMService` in a pipeline, between the aggregators that text and tools need.

The last processor stands for the output transport: it takes the audio, and drops what waits when the user interrupts.
"""

import asyncio
import os

os.environ.setdefault("LOGURU_LEVEL", "WARNING")  # What an application in production sets; it must come first.

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    StartFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.turns.user_start import ExternalUserTurnStartStrategy
from pipecat.turns.user_stop import ExternalUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from peers.plain import INSTRUCTIONS, KEY, MODEL, TOOL, TOOLS, TURN_DETECTION, Answers, Mailbox, message, trust

BACKEND = "asyncio"
PARAMETERS = TOOLS[0]["parameters"]
SCHEMA = FunctionSchema(TOOL, TOOLS[0]["description"], PARAMETERS["properties"], [])


class Output(FrameProcessor):
    """Hands frames to the application."""

    def __init__(self, mailbox):
        super().__init__()
        self._mailbox = mailbox
        self.started = asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self._mailbox.put(("audio", frame.audio))
        elif isinstance(frame, LLMTextFrame):
            self._mailbox.put(("text", frame.text))
        elif isinstance(frame, InterruptionFrame):
            self._mailbox.interrupt()
        elif isinstance(frame, LLMFullResponseEndFrame):
            self._mailbox.put(("done", None))
        elif isinstance(frame, StartFrame):
            self.started.set()
        await self.push_frame(frame, direction)


class Client:
    """One pipeline; TLS is OpenSSL's default."""

    def __init__(self, url, **options):
        trust(options.get("ca"))
        self._url = url
        self._mailbox = Mailbox()
        self._answers = Answers()
        self._talked = False

    def _service(self):
        vad = events.TurnDetection(**TURN_DETECTION)
        audio = events.AudioConfiguration(
            input=events.AudioInput(turn_detection=vad), output=events.AudioOutput(voice="alloy")
        )
        properties = events.SessionProperties(audio=audio)
        settings = OpenAIRealtimeLLMService.Settings(
            model=MODEL, system_instruction=INSTRUCTIONS, session_properties=properties
        )
        return OpenAIRealtimeLLMService(api_key=KEY, base_url=f"{self._url}/realtime", settings=settings)

    async def open(self):
        self._llm = self._service()
        self._llm.register_function(TOOL, self._look_up)
        context = LLMContext(tools=ToolsSchema(standard_tools=[SCHEMA]))
        # Named here, or each session loads a model for turn detection before the service names them.
        stop = ExternalUserTurnStopStrategy(wait_for_transcript=False)
        turns = UserTurnStrategies(start=[ExternalUserTurnStartStrategy()], stop=[stop])
        pair = LLMContextAggregatorPair(context, user_params=LLMUserAggregatorParams(user_turn_strategies=turns))
        output = Output(self._mailbox)
        pipeline = Pipeline([pair.user(), self._llm, output, pair.assistant()])
        params = PipelineParams(audio_in_sample_rate=24000, audio_out_sample_rate=24000)
        lean = {"idle_timeout_secs": None, "enable_rtvi": False, "enable_turn_tracking": False}
        self._worker = PipelineWorker(pipeline, params=params, **lean)
        self._runner = WorkerRunner(handle_sigint=False)
        await self._runner.add_workers(self._worker)
        self._task = asyncio.create_task(self._runner.run())
        await output.started.wait()

    async def _look_up(self, params):
        self._mailbox.put(("call", (params.tool_call_id, params.function_name)))
        await params.result_callback(await self._answers.wait(params.tool_call_id))

    async def ask(self, text):
        if (
            not self._talked
        ):  # The context begins the conversation; the service takes no later texts of the user from it.
            self._talked = True
            appended = LLMMessagesAppendFrame(messages=[{"role": "user", "content": text}], run_llm=True)
            await self._worker.queue_frame(appended)
            return
        item = events.ConversationItem(**message(text))
        await self._llm.send_client_event(events.ConversationItemCreateEvent(item=item))
        await self._llm.send_client_event(events.ResponseCreateEvent())

    async def speak(self, pcm):
        await self._worker.queue_frame(InputAudioRawFrame(audio=pcm, sample_rate=24000, num_channels=1))

    async def give(self, call_id, output):
        self._answers.give(call_id, output)

    async def events(self):
        async for event in self._mailbox:
            yield event

    async def close(self):
        await self._runner.cancel()
        await self._task
        self._mailbox.close()
