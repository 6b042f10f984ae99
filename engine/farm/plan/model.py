"""What a plan says: whom to call, what callers do, what is expected, how many at once, and what it may cost."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

Json = Mapping[str, Any]
Values = Mapping[str, Any]
"""What stands for `{name}` in a scenario's texts: a row of its data, and one choice of its matrix."""


# --- whom to call ------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Target:
    """Whom the sessions talk to.

    Attributes:
        kind: `simulator` (started with the run, on this machine), `service` (OpenAI's), or `url`.
        url: Base URL, of kind `url`.
        voice: Of the simulator: `tone`, or `local`, which understands English and speaks it.
        script: Of the simulator: path of a script of its answers.
        servers: Of the simulator: how many processes serve; None for one a worker.
        pace: Of the simulator: settings of `engine.simulator.Pace`, by name.
        key_env: Environment variable that holds the key; the simulator takes any.
    """

    kind: Literal["simulator", "service", "url"] = "simulator"
    url: str | None = None
    voice: Literal["tone", "local"] = "tone"
    script: str | None = None
    servers: int | None = None
    pace: Json = attrs.field(factory=dict)
    key_env: str = "OPENAI_API_KEY"


# --- what a caller does ------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Say:
    """Speak, in real time, and hear the answer out.

    Attributes:
        say: Path of a sound file (it ends in `.wav`, `.flac`, `.ogg` or `.mp3`), or words for the local voice.
        interrupt_after_ms: Cut in on the running answer when so much of it was heard, instead of hearing it out first.
        await_answer: False goes on without the answer.
    """

    say: str
    interrupt_after_ms: float | None = None
    await_answer: bool = True


@attrs.frozen(kw_only=True)
class Type:
    """Type words, and hear the answer out.

    Attributes:
        type: The words.
        interrupt_after_ms: As in `Say`.
        await_answer: False goes on without the answer.
    """

    type: str
    interrupt_after_ms: float | None = None
    await_answer: bool = True


@attrs.frozen(kw_only=True)
class Wait:
    """Do nothing, and send nothing, for so long."""

    wait_s: float


@attrs.frozen(kw_only=True)
class Silence:
    """Send silence for so long, as an open microphone does."""

    silence_ms: float


@attrs.frozen(kw_only=True)
class Push:
    """Push telephone keys: `0` to `9`, `*`, `#`, `A` to `D`, heard as their pairs of tones (ITU-T Q.23)."""

    push: str
    await_answer: bool = True


Step = Say | Type | Wait | Silence | Push


@attrs.frozen(kw_only=True)
class CannedTool:
    """A tool that always answers the same.

    Attributes:
        name: As the model calls it.
        answer: The result: text, or any JSON value.
        description: For the model.
        parameters: JSON Schema of its arguments.
        takes_ms: How long it takes.
    """

    name: str
    answer: Any = None
    description: str = ""
    parameters: Json | None = None
    takes_ms: float = 0.0


@attrs.frozen(kw_only=True)
class FunctionTool:
    """A Python function: `module:name`, or `file.py:name` beside the plan."""

    function: str


ToolPlan = CannedTool | FunctionTool


# --- what is expected --------------------------------------------------------------------------------------------------
# Each is judged after a session; `turn` counts the model's turns from 1, and -1 is the last.


@attrs.frozen(kw_only=True)
class Contains:
    """The agent's words contain a text, upper and lower case alike. Without `turn`, those of any turn."""

    contains: str
    turn: int | None = None


@attrs.frozen(kw_only=True)
class Matches:
    """A regular expression is found in the agent's words. Without `turn`, in those of any turn."""

    matches: str
    turn: int | None = None


@attrs.frozen(kw_only=True)
class WordErrorRate:
    """Words differ from a reference by at most a share.

    Attributes:
        reference: What should have been said or heard.
        at_most: Share of the reference's words, as 0.2.
        of: `heard` for how the service understood the caller, `agent` for what it said.
        turn: Which; all turns together without.
    """

    reference: str
    at_most: float
    of: Literal["heard", "agent"] = "heard"
    turn: int | None = None


@attrs.frozen(kw_only=True)
class ToolCalled:
    """A tool was called, with at least these arguments."""

    tool_called: str
    arguments: Json = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class FirstAudioWithin:
    """The first audio of each turn (or of one) came within so long after the caller was through."""

    first_audio_within_ms: float
    turn: int | None = None


@attrs.frozen(kw_only=True)
class NoError:
    """Neither the service nor a tool reported an error, and no connection was lost."""

    no_error: bool = True


@attrs.frozen(kw_only=True)
class JsonAnswer:
    """The last answer's words are JSON, and fit a JSON Schema where one is given."""

    json_answer: Json | bool = True


Expectation = Contains | Matches | WordErrorRate | ToolCalled | FirstAudioWithin | NoError | JsonAnswer


@attrs.frozen(kw_only=True)
class Scenario:
    """What one kind of caller does, how often, and what is to come of it.

    Attributes:
        name: Told everywhere.
        turns: The caller's steps, in order.
        session: Settings of `SessionConfig` (and of `audio`, `engine` below it) that differ from the plan's.
        tools: That the model may call.
        expect: What must hold for a session to pass.
        repeat: Sessions of each row and choice.
        matrix: Names and the values that each takes; every combination is run.
        rows: The data set, read: one mapping a row; one empty row without a data set.
        data: Where the rows came from, for people.
        tags: For thresholds, filters and reports.
        weight: Its share of starts, beside other scenarios.
        deadline_s: Longest that one session may take.
    """

    name: str
    turns: tuple[Step, ...] = ()
    session: Json = attrs.field(factory=dict)
    tools: tuple[ToolPlan, ...] = ()
    expect: tuple[Expectation, ...] = ()
    repeat: int = 1
    matrix: Mapping[str, tuple[Any, ...]] = attrs.field(factory=dict)
    rows: tuple[Values, ...] = ({},)
    data: str | None = None
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    deadline_s: float = 300.0


# --- how many, and how much --------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Stage:
    """A part of a ramp: reach a number (of sessions, or of starts a second) in so long, in a straight line."""

    duration_s: float
    to: float


@attrs.frozen(kw_only=True)
class Load:
    """The shape of load.

    Attributes:
        shape: `once`: each job once, as many at a time as the caps allow. `constant`: so many sessions at a time.
            `ramp`: sessions at a time along `stages`. `arrival`: starts a second, at `rate_per_s` or along `stages`,
            whether or not earlier sessions have ended. All but `once` begin the jobs again when they are through, until
            `duration_s` (or the stages) are over; without one they end with the jobs.
        sessions: At a time, of `constant`.
        rate_per_s: Of `arrival`.
        duration_s: Of `constant` and `arrival`.
        stages: Of `ramp`; of `arrival` in place of `rate_per_s`.
    """

    shape: Literal["once", "constant", "ramp", "arrival"] = "once"
    sessions: int | None = None
    rate_per_s: float | None = None
    duration_s: float | None = None
    stages: tuple[Stage, ...] = ()


@attrs.frozen(kw_only=True)
class Caps:
    """What must never be exceeded, over all workers together.

    Attributes:
        sessions: At a time.
        starts_per_s: New sessions a second, retries too.
        tokens_per_min: Tokens that the service counts, over any minute.
        budget_tokens: Tokens of the whole run; nothing starts past it.
        budget_usd: Money of the whole run, in US dollars; nothing starts past it.
    """

    sessions: int = 100
    starts_per_s: float = 10.0
    tokens_per_min: float | None = None
    budget_tokens: int | None = None
    budget_usd: float | None = None


@attrs.frozen(kw_only=True)
class Retries:
    """How often a job is tried when its session broke for a reason that may pass.

    Attributes:
        attempts: At most, the first one counted.
        wait_s: Before the second; twice as long before each further one.
        wait_max_s: At most.
    """

    attempts: int = 3
    wait_s: float = 1.0
    wait_max_s: float = 60.0


@attrs.frozen(kw_only=True)
class Keep:
    """What files are kept of sessions.

    Attributes:
        audio: Share of sessions whose audio is kept, 0 to 1. Sessions that fail are always kept where there is room.
        events: Share of sessions whose wire events are kept.
        format: Of audio.
        max_bytes: Of all files together; nothing more is kept past it, and it is told.
        session_max_bytes: Of one session's files.
    """

    audio: float = 1.0
    events: float = 1.0
    format: Literal["flac", "opus"] = "flac"
    max_bytes: int = 2 * 2**30
    session_max_bytes: int = 64 * 2**20


@attrs.frozen(kw_only=True)
class Threshold:
    """What must hold over the whole run, as `p95(time_to_first_audio) < 800ms`.

    Attributes:
        text: As it was written.
        statistic: `p50` (any percentile), `avg`, `min`, `max`, `count`, `rate`.
        metric: A name of `engine.farm.metrics.METRICS`.
        below: True where the figure must be below the bound, False where above.
        inclusive: `<=` and `>=`.
        bound: In the metric's own unit (ms, share, count, USD).
        scenario: Of this scenario alone; None for all.
        tag: Of sessions with this tag alone; None for all.
    """

    text: str
    statistic: str
    metric: str
    below: bool
    inclusive: bool
    bound: float
    scenario: str | None = None
    tag: str | None = None


@attrs.frozen(kw_only=True)
class Plan:
    """Everything that a run needs to know; made by `load_plan`, or in Python.

    Attributes:
        name: Told everywhere.
        target: Whom the sessions talk to.
        session: Settings of `SessionConfig`, by name.
        scenarios: What callers do.
        load: How many at a time.
        caps: What must never be exceeded.
        retries: How often a job is tried.
        keep: What files are kept.
        thresholds: What decides the exit code.
        folder: Absolute path of the folder that paths in the plan start from.
        source: File that it was read from, for messages.
    """

    name: str
    scenarios: tuple[Scenario, ...]
    target: Target = attrs.field(factory=Target)
    session: Json = attrs.field(factory=dict)
    load: Load = attrs.field(factory=Load)
    caps: Caps = attrs.field(factory=Caps)
    retries: Retries = attrs.field(factory=Retries)
    keep: Keep = attrs.field(factory=Keep)
    thresholds: tuple[Threshold, ...] = ()
    folder: str = "."
    source: str | None = None


SOUND_SUFFIXES: Final = (".wav", ".flac", ".ogg", ".mp3")
"""What `say` takes for a file."""
