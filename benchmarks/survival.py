"""Sessions that outlive their connections, under load, in real time. `python -m benchmarks.survival --help`.

- `renewal`: 200 sessions talk while a server ends each connection after 20 s, and move on before; wanted: the gap of
  each at most 250 ms, no sample of the microphone lost or doubled, and every talk goes on with its context.
- `kills`: 50 sessions talk to a server that is killed and started again on its port 20 times; wanted: all come back,
  each turn is answered exactly once, none hangs.

The server is a process of its own, the clients another. Each piece of microphone audio bears the number of its caller
and its own, and the server tells which ones each connection got. The server's answer names how many turns of the user
it knows, so that an answer of another number shows that a turn was lost, or heard twice.
"""

import argparse
import json
import random
import signal
import socket
import statistics
import subprocess
import sys
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
import trio

import engine
from engine.config import Reconnect
from engine.simulator import Say, ScriptedResponder, SimulatorSettings, serve
from engine.simulator.responder import Part, Prompt, SpeechDetector
from engine.wire.items import MessageItem
from engine.wire.session import TurnDetection

FRAME_MS: Final = 200
FRAME_SAMPLES: Final = 24 * FRAME_MS
FRAME_BYTES: Final = 2 * FRAME_SAMPLES

CALLER_DIGITS, NUMBER_DIGITS = 3, 5
"""Of base 16, each in the low bits of a sample at a frame's beginning."""

SPOKEN_FRAMES: Final = 3
GAP_WANTED_MS: Final = 250.0
TURN_BOUND_S: Final = 60.0
"""A turn that has no answer by then hangs."""

START_BOUND_S: Final = 30.0


# --- audio that bears numbers -----------------------------------------------------------------------------------------


def frame(caller: int, number: int, *, loud: bool) -> bytes:
    """Make a piece of a caller's audio: a rough tone, or next to nothing."""
    digits = f"{caller:0{CALLER_DIGITS}x}{number:0{NUMBER_DIGITS}x}"
    samples = array("h", _LOUD if loud else _QUIET)
    for place, digit in enumerate(digits):
        samples[place] = (samples[place] & ~15) | int(digit, 16)
    return samples.tobytes()


_LOUD: Final = array("h", [8000 if at // 40 % 2 else -8000 for at in range(FRAME_SAMPLES)]).tobytes()
_QUIET: Final = bytes(FRAME_BYTES)


def numbers(pcm: bytes) -> tuple[int, int]:
    """Read whose frame it is, and which."""
    digits = [f"{sample & 15:x}" for sample in array("h", pcm[: 2 * (CALLER_DIGITS + NUMBER_DIGITS)])]
    return int("".join(digits[:CALLER_DIGITS]), 16), int("".join(digits[CALLER_DIGITS:]), 16)


# --- the server -------------------------------------------------------------------------------------------------------


class Notes:
    """Which frames each connection got, in the order of connections."""

    def __init__(self) -> None:
        self.got: dict[int, list[list[int]]] = {}

    def take(self, caller: int, number: int) -> None:
        """Note a frame, as a part of a run of frames that follow each other."""
        runs = self.got.setdefault(caller, [])
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])


class _Ear:
    def __init__(self, inner: SpeechDetector, notes: Notes) -> None:
        self._inner, self._notes, self._held = inner, notes, bytearray()

    def push(self, pcm: bytes) -> Sequence[tuple[int, float]]:
        self._held += pcm
        while len(self._held) >= FRAME_BYTES:
            self._notes.take(*numbers(bytes(self._held[:FRAME_BYTES])))
            del self._held[:FRAME_BYTES]
        return self._inner.push(pcm)

    def reset(self) -> None:
        self._inner.reset()


class Counting(ScriptedResponder):
    """Answers with the number of the user's turns that it knows."""

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self._notes = notes

    def detector(self, settings: TurnDetection) -> SpeechDetector:
        """Give the ear, which notes what it gets."""
        return _Ear(super().detector(settings), self._notes)

    async def transcribe(self, pcm: bytes) -> str:  # noqa: ARG002 - the interface's
        """Give words that tell nothing."""
        return "something"

    async def answer(self, prompt: Prompt) -> Sequence[Part]:
        """Count."""
        turns = sum(isinstance(item, MessageItem) and item.role == "user" for item in prompt.items)
        return (Say(f"answer {turns}"),)


async def serve_until_told(port: int, session_max_s: float) -> None:
    """Serve until standard input ends; then tell which frames came."""
    notes = Notes()
    settings = SimulatorSettings(session_max_s=session_max_s, ledger_max_events=0)
    async with serve(settings, lambda: Counting(notes), port=port):
        print("serving", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
    print(json.dumps(notes.got), flush=True)


class Server:
    """A server in a process of its own, always on the same port.

    Args:
        session_max_s: A connection's longest life.
    """

    def __init__(self, session_max_s: float) -> None:
        self._session_max_s = session_max_s
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None

    @property
    def base_url(self) -> str:
        """Where it is."""
        return f"ws://127.0.0.1:{self._port}/v1"

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [sys.executable, "-m", "benchmarks.survival", "serve", str(self._port), str(self._session_max_s)]
        self._process = await trio.to_thread.run_sync(
            lambda: subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        with trio.fail_after(START_BOUND_S):
            said = await trio.to_thread.run_sync(self._running.stdout.readline, abandon_on_cancel=True)  # type: ignore[union-attr]
        if said.strip() != "serving":
            raise RuntimeError(f"the server says {said!r}")

    def kill(self) -> None:
        """Kill it: the kernel resets its connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None

    async def end(self) -> dict[int, list[list[int]]]:
        """End it in order; give which frames of each caller came, as runs of numbers."""
        told, _ = await trio.to_thread.run_sync(self._running.communicate)
        self._process = None
        return {int(caller): runs for caller, runs in json.loads(told).items()}

    @property
    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None
        return self._process


@asynccontextmanager
async def serving(session_max_s: float) -> AsyncIterator[Server]:
    """Run a server for the length of a block."""
    server = Server(session_max_s)
    try:
        await server.start()
        yield server
    finally:
        server.kill()


# --- the clients ------------------------------------------------------------------------------------------------------


@attrs.define
class Talk:
    """What became of one caller's session.

    Attributes:
        number: The caller's.
        frames: Frames that were sent.
        turns: Turns that were spoken.
        answers: Answers that came whole, by their words.
        gaps_ms: Of each restart.
        hung: A turn had no answer in time.
        error: What ended it too early.
    """

    number: int
    frames: int = 0
    turns: int = 0
    answers: Counter[str] = attrs.field(factory=Counter)
    gaps_ms: list[float] = attrs.field(factory=list)
    hung: bool = False
    error: str = ""

    @property
    def is_right(self) -> bool:
        """Each turn was answered once, by one who knew all before it."""
        return self.answers == {f"answer {turn}": 1 for turn in range(1, self.turns + 1)}


class Caller:
    """Speaks, and listens; the microphone is always on.

    Args:
        talk: Takes down what becomes of it.
        until: When it may end, on Trio's clock.
        pause_s: From an answer to the next turn, drawn between these.
    """

    def __init__(self, talk: Talk, until: trio.Event, pause_s: tuple[float, float], dice: random.Random) -> None:
        self._talk, self._until, self._pause_s, self._dice = talk, until, pause_s, dice
        self._speaks = 0
        self._came = trio.Event()

    async def run(self, config: engine.SessionConfig) -> None:
        """Talk until it is time, and the last turn has its answer."""
        try:
            async with engine.open_session(config) as session, trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, session)
                microphone = trio.CancelScope()
                nursery.start_soon(self._speak, session, microphone)
                await self._converse()
                microphone.cancel()
                await _all_sent(session)
                nursery.cancel_scope.cancel()
        except* engine.EngineError as group:
            self._talk.error = repr(group.exceptions[0])

    async def _converse(self) -> None:
        talk = self._talk
        while not self._until.is_set():
            talk.turns += 1
            self._speaks = SPOKEN_FRAMES
            with trio.move_on_after(TURN_BOUND_S) as bound:
                while not talk.answers[f"answer {talk.turns}"]:
                    await self._came.wait()
            if bound.cancelled_caught:
                talk.hung = True
                return
            await trio.sleep(self._dice.uniform(*self._pause_s))
        await trio.sleep(1.0)  # What is doubled may come late.

    async def _speak(self, session: engine.Session, microphone: trio.CancelScope) -> None:
        at = trio.current_time()
        with microphone:
            while True:
                loud, self._speaks = self._speaks > 0, max(0, self._speaks - 1)
                await session.send_audio(frame(self._talk.number, self._talk.frames, loud=loud))
                self._talk.frames += 1
                at += FRAME_MS / 1000
                await trio.sleep_until(at)

    async def _listen(self, session: engine.Session) -> None:
        words: dict[str | None, str] = {}
        async for event in session.receive():
            if isinstance(event, engine.BidiTranscriptStreamEvent) and event.is_final and event.role == "assistant":
                words[event.response_id] = event.current_transcript or ""
            elif isinstance(event, engine.BidiResponseCompleteEvent) and event.stop_reason == "complete":
                self._talk.answers[words.get(event.response_id, "")] += 1
            elif isinstance(event, engine.BidiConnectionRestartEvent):
                self._talk.gaps_ms.append(event.gap_ms)
            self._came.set()
            self._came = trio.Event()


async def _all_sent(session: engine.Session) -> None:
    """Wait until the microphone's audio is on the socket, which `stop` does not wait for long."""
    with trio.move_on_after(TURN_BOUND_S):
        while session.statistics().audio_lane.waiting:  # noqa: ASYNC110 - a snapshot sets no event
            await trio.sleep(0.05)


def settings(base_url: str, timeout_s: float = 3000.0, **bounds: Any) -> engine.SessionConfig:
    """Make a session's settings."""
    return engine.SessionConfig(
        client=engine.ClientSettings(api_key="sk-local", base_url=base_url, timeout_s=timeout_s),
        engine=engine.EngineSettings(input_frame_ms=FRAME_MS, **bounds),
    )


@asynccontextmanager
async def callers(
    count: int, config: engine.SessionConfig, pause_s: tuple[float, float], spread_s: float
) -> AsyncIterator[list[Talk]]:
    """Let so many talk for the length of the block, and until each has the answer to its last turn."""
    talks = [Talk(number) for number in range(count)]
    over = trio.Event()

    async def call(talk: Talk) -> None:
        await trio.sleep(spread_s * talk.number / count)
        await Caller(talk, over, pause_s, random.Random(talk.number)).run(config)

    async with trio.open_nursery() as nursery:
        for talk in talks:
            nursery.start_soon(call, talk)
        try:
            yield talks
        finally:
            over.set()


# --- figures ----------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Figures:
    """What was measured.

    Attributes:
        sessions: How many talked.
        restarts: Of all together.
        gaps_ms: All of them.
        turns: That were spoken.
        wrong: Sessions in which a turn had no answer, two, or one that knew another past.
        hung: Sessions that waited in vain.
        errors: Of sessions that ended too early.
        lost: Frames that no connection got.
        doubled: Frames that came more than once.
        samples: That were sent; 0 where nobody can count what came.
    """

    sessions: int
    restarts: int
    gaps_ms: Sequence[float]
    turns: int
    wrong: int
    hung: int
    errors: Sequence[str]
    lost: int = 0
    doubled: int = 0
    samples: int = 0

    @property
    def most_gap_ms(self) -> float:
        """The longest gap."""
        return max(self.gaps_ms, default=0.0)

    def __str__(self) -> str:
        gaps = sorted(self.gaps_ms) or [0.0]
        told = (
            f"gap p50 {statistics.median(gaps):.1f} ms, p95 {gaps[int(len(gaps) * 0.95)]:.1f} ms, max {gaps[-1]:.1f} ms"
        )
        fates = f"not answered exactly once: {self.wrong}; hung: {self.hung}; ended early: {len(self.errors)}"
        lines = [
            f"{self.sessions} sessions, {self.restarts} restarts; {told}",
            f"{self.turns} turns; sessions with a turn {fates}",
        ]
        if self.samples:
            missed = f"lost {self.lost * FRAME_SAMPLES:,}, doubled {self.doubled * FRAME_SAMPLES:,}"
            lines.append(f"microphone: {self.samples:,} samples; {missed}")
        return "\n".join(lines)


def figures(talks: Sequence[Talk], got: dict[int, list[list[int]]] | None = None) -> Figures:
    """Sum up."""
    lost, doubled = _missed(talks, got) if got is not None else (0, 0)
    return Figures(
        sessions=len(talks),
        restarts=sum(len(talk.gaps_ms) for talk in talks),
        gaps_ms=[gap for talk in talks for gap in talk.gaps_ms],
        turns=sum(talk.turns for talk in talks),
        wrong=sum(not talk.is_right for talk in talks),
        hung=sum(talk.hung for talk in talks),
        errors=[talk.error for talk in talks if talk.error],
        lost=lost,
        doubled=doubled,
        samples=sum(talk.frames for talk in talks) * FRAME_SAMPLES if got is not None else 0,
    )


def _missed(talks: Sequence[Talk], got: dict[int, list[list[int]]]) -> tuple[int, int]:
    lost = doubled = 0
    for talk in talks:
        came = Counter(number for first, last in got.get(talk.number, []) for number in range(first, last + 1))
        lost += sum(number not in came for number in range(talk.frames))
        doubled += sum(count - 1 for count in came.values())
    return lost, doubled


# --- what is measured -------------------------------------------------------------------------------------------------


async def renewal(sessions: int = 200, session_s: float = 20.0, lasts_s: float = 45.0) -> Figures:
    """Let many talk to a server that ends connections, and move on before it does."""
    # Time enough to find a turn's end: speech that is cut by force is told twice, that it be whole.
    times = {"session_max_s": session_s, "renew_margin_s": session_s * 0.1}
    async with serving(session_s) as server:
        config = settings(server.base_url, session_s * 0.5, **times)
        # They begin, and so renew, all over the time between two renewals: a machine has its own bound.
        async with callers(sessions, config, (0.5, 2.5), session_s * 0.5) as talks:
            await trio.sleep(lasts_s)
        return figures(talks, await server.end())


POLICY: Final = Reconnect(attempts=100, total_s=60.0, first_delay_s=0.2, max_delay_s=1.0, stable_s=1.0)


async def kills(sessions: int = 50, count: int = 20, between_s: tuple[float, float] = (1.0, 4.0)) -> Figures:
    """Let some talk to a server that is killed again and again."""
    dice = random.Random(4)
    async with serving(3600.0) as server:
        config = settings(server.base_url, reconnect=POLICY)
        async with callers(sessions, config, (0.1, 1.0), 1.0) as talks:
            # A session whose first connection is refused never was one.
            while not all(talk.turns for talk in talks):  # noqa: ASYNC110 - a figure sets no event
                await trio.sleep(0.05)
            for _ in range(count):
                await trio.sleep(dice.uniform(*between_s))
                server.kill()
                await server.start()
            await trio.sleep(2.0)
        return figures(talks)


def report(told: Figures, wanted: Iterator[tuple[str, bool]]) -> bool:
    """Print, and say whether it is as wanted."""
    print(told)
    for error in told.errors[:5]:
        print(f"  ended early: {error}")
    rows = list(wanted)
    for words, fine in rows:
        print(f"  {'ok ' if fine else 'BAD'} {words}")
    return all(fine for _, fine in rows)


def wanted_of_all(told: Figures) -> Iterator[tuple[str, bool]]:
    """Say what every run is to show."""
    yield "each turn answered exactly once, by one who knows all before it", told.wrong == 0 and told.turns > 0
    yield "no session hangs or ends early", told.hung == 0 and not told.errors


def wanted_of_renewal(told: Figures) -> Iterator[tuple[str, bool]]:
    """Say what a run of `renewal` is to show."""
    yield from wanted_of_all(told)
    yield (
        f"each session renewed, each gap below {GAP_WANTED_MS:g} ms",
        (told.restarts >= told.sessions and told.most_gap_ms < GAP_WANTED_MS),
    )
    yield "no sample of the microphone lost or doubled", told.lost == 0 and told.doubled == 0


def wanted_of_kills(told: Figures) -> Iterator[tuple[str, bool]]:
    """Say what a run of `kills` is to show."""
    yield from wanted_of_all(told)
    yield "all came back", told.restarts >= told.sessions


def main() -> None:
    """Measure and print; the exit status is 1 when it is not as wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    renewing = commands.add_parser("renewal", help="connections that end by their time")
    renewing.add_argument("--sessions", type=int, default=200)
    renewing.add_argument("--session-s", type=float, default=20.0, help="a connection's life (default: %(default)s)")
    renewing.add_argument("--lasts-s", type=float, default=45.0, help="of the whole run (default: %(default)s)")
    killing = commands.add_parser("kills", help="a server that is killed and comes back")
    killing.add_argument("--sessions", type=int, default=50)
    killing.add_argument("--kills", type=int, default=20)
    server = commands.add_parser("serve", help="what the others start as the server")
    server.add_argument("port", type=int)
    server.add_argument("session_max_s", type=float)
    asked = parser.parse_args()
    if asked.command == "serve":
        trio.run(serve_until_told, asked.port, asked.session_max_s)
        return
    if asked.command == "renewal":
        told = trio.run(renewal, asked.sessions, asked.session_s, asked.lasts_s)
        fine = report(told, wanted_of_renewal(told))
    else:
        told = trio.run(kills, asked.sessions, asked.kills)
        fine = report(told, wanted_of_kills(told))
    raise SystemExit(0 if fine else 1)


if __name__ == "__main__":
    main()
