"""A user and their application: does what the scenario says, and keeps the ledger of it."""

import contextlib
from collections.abc import Iterator
from random import Random

import trio

from engine.config import AudioSettings, ClientSettings, EngineSettings, Reconnect, SessionConfig
from engine.errors import EngineError, SessionEnded
from engine.events import BidiTextInputEvent, ToolResultEvent, ToolUseStreamEvent
from engine.session import Session, open_session
from engine.tools import Tools

from . import marks
from .ledger import AppLedger, Push, Remembered, Typed, Wait
from .scenario import SILENCE_MS, Deed, Scenario
from .service import Service

TOOL_DEADLINE_S = 20.0


def make_tools(ledger: AppLedger) -> Tools:
    """Make the tool that the model calls: it takes its time, fails, or never ends."""
    tools = Tools()

    @tools.add(deadline_s=TOOL_DEADLINE_S)
    async def work(n: str) -> str:
        ledger.results[n] = ledger.results.get(n, 0) + 1
        return await _work(n)

    return tools


async def _work(n: str) -> str:
    """Do what the call's name says: take so long, and go well or badly or never end."""
    *_, takes_ms, how = n.split("_")
    await trio.sleep(int(takes_ms) / 1000)
    if how == "badly":
        raise LookupError(n)
    if how == "never":
        await trio.sleep_forever()
    return f"did {n}"


SPEC = {
    "name": "work",
    "description": "Works.",
    "inputSchema": {
        "json": {
            "type": "object",
            "properties": {"n": {"type": "string"}},
        }
    },
}


class User:
    """One user.

    Args:
        scenario: What they do.
        service: Whom they talk to.
    """

    def __init__(self, scenario: Scenario, service: Service) -> None:
        self._scenario = scenario
        self._service = service
        self._chance = Random(f"{scenario.seed}:user")
        self._block = 0
        self._listening = trio.CancelScope()
        self._deaf_s = 0.0
        self.ledger = AppLedger()

    def _config(self) -> SessionConfig:
        scenario, engine = self._scenario, dict(self._scenario.engine)
        if engine.get("reconnect"):
            engine["reconnect"] = Reconnect(**engine["reconnect"])
        return SessionConfig(
            client=ClientSettings(api_key="sk-sim", base_url="ws://localhost/v1", timeout_s=scenario.timeout_s),
            engine=EngineSettings(**engine),
            audio=AudioSettings(),
            output_modalities=("audio",) if scenario.audio else ("text",),
            tools=[SPEC],
            turn_detection={"type": "server_vad", "silence_duration_ms": SILENCE_MS},
        )

    async def live(self) -> None:
        """Come, talk, and leave."""
        ledger = self.ledger
        ledger.came_s = trio.current_time()
        try:
            with self._waits("session"):
                async with open_session(self._config(), connector=self._service.connect) as session:
                    await self._talk(session)
                    ledger.stopping_s = trio.current_time()
        except EngineError as error:
            ledger.error = error
        ledger.left_s = trio.current_time()

    async def _talk(self, session: Session) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, session, nursery, scope, name="user listens")
                nursery.start_soon(self._service.suffer, name="user's faults")
                await self._act(session, nursery)
                await trio.sleep_until(self.ledger.came_s + self._scenario.lasts_s)
                self._look_back(session)
                self.ledger.stopping_s = trio.current_time()
                with self._waits("stop"):
                    await session.stop()
                nursery.cancel_scope.cancel()

    def _look_back(self, session: Session) -> None:
        if self._scenario.quiet_s:
            self.ledger.calm = True
            self.ledger.history = [
                Remembered(each.item.id or "", each.item.tag, each.transcript, each.heard_transcript, each.heard_ms)
                for each in session.history
            ]

    # --- ears -------------------------------------------------------------------------------------------------------

    async def _listen(self, session: Session, nursery: trio.Nursery, scope: trio.CancelScope) -> None:
        tools = make_tools(self.ledger) if self._scenario.tools == "run" else None
        try:
            while True:
                with trio.CancelScope() as self._listening:
                    stream = session.receive() if tools is None else session.run(tools)
                    async for event in stream:
                        self.ledger.hear(trio.current_time(), event)
                        if tools is None and isinstance(event, ToolUseStreamEvent):
                            nursery.start_soon(self._answer_by_hand, session, event)
                    return
                await trio.sleep(self._deaf_s)
        except SessionEnded as error:  # It ended while nobody listened.
            self.ledger.error = error.__cause__ or error
            scope.cancel()
        except EngineError as error:
            self.ledger.error = error
            scope.cancel()

    async def _answer_by_hand(self, session: Session, event: ToolUseStreamEvent) -> None:
        use = event.current_tool_use
        asked = use["input"]
        self.ledger.results[asked["n"]] = self.ledger.results.get(asked["n"], 0) + 1
        status, text = "success", ""
        try:
            with trio.fail_after(TOOL_DEADLINE_S):
                text = await _work(asked["n"])
        except (LookupError, trio.TooSlowError) as error:
            status, text = "error", f"{type(error).__name__} {asked['n']}"
        result = {"toolUseId": use["toolUseId"], "status": status, "content": [{"text": text}]}
        with contextlib.suppress(EngineError), self._waits("result"):
            await session.send(ToolResultEvent(result))

    # --- mouth and hands --------------------------------------------------------------------------------------------

    async def _act(self, session: Session, nursery: trio.Nursery) -> None:
        mouth = [deed for deed in self._scenario.deeds if deed.kind in ("speak", "give_up_speaking")]
        hands = [deed for deed in self._scenario.deeds if deed.kind not in ("speak", "give_up_speaking")]
        nursery.start_soon(self._do_all, session, mouth, name="user's mouth")
        nursery.start_soon(self._do_all, session, hands, name="user's hands")
        await trio.lowlevel.checkpoint()

    async def _do_all(self, session: Session, deeds: list[Deed]) -> None:
        for deed in deeds:
            await trio.sleep_until(self.ledger.came_s + deed.at_s)
            with contextlib.suppress(EngineError):
                await getattr(self, f"_{deed.kind}")(session, deed)

    async def _speak(self, session: Session, deed: Deed) -> None:
        self.ledger.spoken[deed.number] = trio.current_time()
        size = self._scenario.pieces_ms // marks.BLOCK_MS
        spoken = _blocks_of(deed)
        for at in range(0, len(spoken), size):
            await self._push(session, spoken[at : at + size])
            await trio.sleep(len(spoken[at : at + size]) * marks.BLOCK_MS / 1000)

    async def _push(self, session: Session, utterances: list[int]) -> None:
        first = self._block
        pcm = b"".join(marks.blocks(first + at, 1, utterance) for at, utterance in enumerate(utterances))
        with self._waits("send_audio"):
            await session.send_audio(pcm)
        self.ledger.speech_blocks.update(first + at for at, utterance in enumerate(utterances) if utterance)
        self._block += len(utterances)
        self.ledger.pushes.append(Push(trio.current_time(), first, len(utterances)))

    async def _give_up_speaking(self, session: Session, deed: Deed) -> None:
        with trio.move_on_after(deed.ms / 1000):
            await self._push(session, [0] * 10)

    async def _type(self, session: Session, deed: Deed) -> None:
        words = f"t{deed.number}"
        with self._waits("send"):
            await session.send(BidiTextInputEvent(words))
        self.ledger.typed.append(Typed(trio.current_time(), words))

    async def _give_up_typing(self, session: Session, deed: Deed) -> None:
        with trio.move_on_after(deed.ms / 1000) as scope:
            await self._type(session, deed)
        if scope.cancelled_caught:
            self.ledger.given_up.append(f"t{deed.number}")

    async def _interrupt(self, session: Session, _: Deed) -> None:
        with self._waits("interrupt"):
            await session.interrupt()

    async def _update(self, session: Session, deed: Deed) -> None:
        with self._waits("update"):
            await session.update(instructions=f"be brief {deed.number}")

    async def _aside(self, session: Session, deed: Deed) -> None:
        with self._waits("aside"):
            stream = await session.responses.create(conversation="none", metadata={"n": str(deed.number)})
            await stream.done()

    async def _stop_listening(self, _: Session, deed: Deed) -> None:
        self._deaf_s = deed.ms / 1000
        self._listening.cancel()
        await trio.lowlevel.checkpoint()

    @contextlib.contextmanager
    def _waits(self, what: str) -> Iterator[None]:
        began, error = trio.current_time(), ""
        try:
            yield
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            self.ledger.waits.append(Wait(what, began, trio.current_time(), error))


def _blocks_of(deed: Deed) -> list[int]:
    half = deed.ms // 2 // marks.BLOCK_MS
    whole = deed.ms // marks.BLOCK_MS
    speech = [deed.number] * half + [0] * (deed.pause_ms // marks.BLOCK_MS) + [deed.number] * (whole - half)
    return speech + [0] * (deed.quiet_ms // marks.BLOCK_MS)
