"""What coordinator, workers and ledger tell each other: a job, a grant to try it, and what came of the try."""

from collections.abc import Mapping
from typing import Any, Literal

import attrs

Status = Literal["passed", "failed", "error", "lost", "stopped"]
"""How a try ended: as expected; the session ran and an expectation did not hold; the session broke; its worker went
away with it; or it was stopped with the run, and is to be run again by `--resume`."""

ErrorKind = Literal[
    "connection",  # no connection, or it was lost and could not be made anew
    "rate_limited",  # 429, or the service's error of that name: the pace must go down
    "quota",  # the account is out of quota: nothing more will work
    "refused",  # key, model or settings are not accepted: each further try is refused too
    "service",  # the service reported another error, or its response failed
    "deadline",  # a wait or the whole session took too long
    "caller",  # the plan can't be carried out: a file can't be read, a value is missing
    "tool",  # a tool of the plan raised
    "crash",  # a fault of the engine or the farm
    "worker",  # its worker died, stalled or was cut off
]


@attrs.frozen(kw_only=True)
class Job:
    """One session that is to be had, once.

    Attributes:
        number: From 0, fixed by the plan: people say "call 37".
        scenario: Its name.
        index: Of the job in its scenario, from 0.
        values: For `{name}` in the scenario's texts.
    """

    number: int
    scenario: str
    index: int
    values: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class KeepFiles:
    """Which files of one session are kept, and how large they may be together.

    Attributes:
        audio: Its audio.
        events: Its wire events.
        audio_of_failed: Its audio, where it does not pass.
        events_of_failed: Its wire events, where it does not pass.
        max_bytes: Of all of its files.
    """

    audio: bool = True
    events: bool = True
    audio_of_failed: bool = False
    events_of_failed: bool = False
    max_bytes: int = 64 * 2**20


@attrs.frozen(kw_only=True)
class Grant:
    """Leave to try a job once, on one worker.

    Attributes:
        attempt_id: Names the try everywhere: in the ledger, in file names, and to the service in the header
            `X-Client-Request-Id`. `RUN-NUMBER-ATTEMPT`, as `1f3a9c02-37-1`.
        job: What to try.
        attempt: 1 for the first.
        keep: Which files are kept.
        base_url: Where to connect; None where the plan's target says it.
    """

    attempt_id: str
    job: Job
    attempt: int = 1
    keep: KeepFiles = attrs.field(factory=KeepFiles)
    base_url: str | None = None


@attrs.frozen(kw_only=True)
class ToolUse:
    """A call of a tool in a turn. Times are ms since the session's start."""

    name: str
    arguments: str = ""
    result: str = ""
    at_ms: float = 0.0
    duration_ms: float | None = None
    failed: bool = False


@attrs.frozen(kw_only=True)
class TurnResult:
    """One turn: what the caller did, and the agent's answer. Times are ms since the session's start.

    Attributes:
        number: 1 for the first.
        began: As in `engine.metering.TurnRecord.began`.
        said: What the caller was to say or type, as the plan has it; one a line where an answer is to several. Empty
            for what the caller did not begin, and for what it goes on with after a pause.
        heard: How the service understood it; None where it was not told.
        answer: The agent's words.
        status: Of its last response: `completed`, `cancelled`, `failed`, `incomplete`, `lost`, `unanswered`.
        began_at_ms: When the caller began.
        asked_at_ms: When the caller was through, as in `TurnRecord.asked_at`: for speech when the service told of its
            end. None where nobody asked: what the agent began by itself (`idle`, `service`, a `tool` that was late)
            has no latencies.
        time_to_first_text_ms: See `TurnRecord`.
        time_to_first_audio_ms: See `TurnRecord`.
        time_to_first_audio_heard_ms: See `TurnRecord`.
        interruption_latency_ms: See `TurnRecord`.
        response_ms: From the caller's end to the end of the last response; None where there is none.
        audio_ms: Of the answer, as received.
        heard_ms: Of the answer, as the caller heard it.
        interrupted: The caller cut in on the answer.
        word_error_rate: Of `heard` against `said`, where both are known words.
        tools: Calls in it.
        tokens: That its responses took.
    """

    number: int
    began: str = ""
    said: str = ""
    heard: str | None = None
    answer: str = ""
    status: str = "unanswered"
    began_at_ms: float = 0.0
    asked_at_ms: float | None = None
    time_to_first_text_ms: float | None = None
    time_to_first_audio_ms: float | None = None
    time_to_first_audio_heard_ms: float | None = None
    interruption_latency_ms: float | None = None
    response_ms: float | None = None
    audio_ms: float = 0.0
    heard_ms: float = 0.0
    interrupted: bool = False
    word_error_rate: float | None = None
    tools: tuple[ToolUse, ...] = ()
    tokens: int = 0


@attrs.frozen(kw_only=True)
class Span:
    """A bar or a mark of the session's timeline. Times are ms since the session's start.

    Attributes:
        lane: Whose: `caller` (speech or text in), `agent` (as sent), `heard` (the agent as the caller heard it),
            `tool`, `mark` (interruptions, errors, reconnects).
        at_ms: Begin.
        until_ms: End; the begin for a mark.
        text: Words, name of a tool, or what happened.
    """

    lane: Literal["caller", "agent", "heard", "tool", "mark"]
    at_ms: float
    until_ms: float
    text: str = ""


@attrs.frozen(kw_only=True)
class Verdict:
    """An expectation, judged: what was expected, whether it held, and what was found instead."""

    expected: str
    held: bool
    found: str = ""


@attrs.frozen(kw_only=True)
class KeptFile:
    """A file of a session: its path below the run's folder, its size, and what it holds."""

    path: str
    size_bytes: int
    kind: Literal["audio", "events", "transcript"]


@attrs.frozen(kw_only=True)
class Result:
    """What came of a try; written to the ledger before it counts.

    Attributes:
        attempt_id: Of the grant.
        job: Its number.
        scenario: Its name.
        attempt: Of the grant.
        worker: Who tried; filled in by the coordinator.
        status: How it ended.
        error_kind: Why it broke; None where it did not.
        error: In words, one line; empty where it did not.
        retry_after_s: The service's own wish, where it told one.
        began_at: Unix time of its start, in s.
        duration_ms: From start to end.
        connect_ms: Until the session was open; None where it never was.
        session_id: As the service named it.
        links: Connections that it took; 1 where none was lost or renewed, 0 where none came about.
        turns: In order.
        spans: Timeline.
        verdicts: One for each expectation.
        tokens: That the service counted.
        input_tokens: Of these, what went in.
        output_tokens: Of these, what came out.
        cost_usd: What it cost; None where a price is not known.
        audio_in_ms: Audio that the caller sent.
        audio_out_ms: Audio that the agent sent.
        audio_lost_ms: Audio, either way, that a bound cost.
        deltas: Audio deltas received.
        files: What was kept.
        notes: What people should know, as "no room for its audio".
    """

    attempt_id: str
    job: int
    scenario: str
    attempt: int = 1
    worker: str = ""
    status: Status = "passed"
    error_kind: ErrorKind | None = None
    error: str = ""
    retry_after_s: float | None = None
    began_at: float = 0.0
    duration_ms: float = 0.0
    connect_ms: float | None = None
    session_id: str = ""
    links: int = 0
    turns: tuple[TurnResult, ...] = ()
    spans: tuple[Span, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    audio_in_ms: float = 0.0
    audio_out_ms: float = 0.0
    audio_lost_ms: float = 0.0
    deltas: int = 0
    files: tuple[KeptFile, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class RateLimit:
    """What the service told of the account's limit of tokens (`rate_limits.updated`)."""

    limit: float
    remaining: float
    reset_s: float
