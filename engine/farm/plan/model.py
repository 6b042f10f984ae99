"""What a plan says: whom to call, what callers do, what is expected, how many at once, and what it may cost."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

from engine.config.checks import flag, instance_of
from engine.errors import ConfigError
from engine.farm.plan import checks, forms
from engine.farm.plan.checks import (
    choices_of,
    items,
    label,
    labels,
    mapping,
    number,
    one_of,
    optional,
    text,
    to_tuple,
    which_turn,
    whole,
    written_as,
)

Json = Mapping[str, Any]
Values = Mapping[str, Any]
"""What stands for `{name}` in a scenario's texts: a row of its data, and one choice of its matrix."""


SERVERS_MAX: Final = 256
"""Processes that simulate the service, on one machine."""

_OF_SIMULATOR: Final = ("voice", "script", "servers", "pace")

# --- whom to call -----------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Target:
    """Whom the sessions talk to.

    Attributes:
        kind: `simulator` (started with the run, on this machine), `service` (OpenAI's), or `url`.
        url: Base URL, of kind `url`.
        voice: Of the simulator: `tone`, or `local`, which understands English and speaks it.
        script: Of the simulator: path of a script of its answers.
        servers: Of the simulator: how many processes serve; None for one a worker, at most one a core.
        pace: Of the simulator: settings of `engine.simulator.Pace`, by name.
        key_env: Environment variable that holds the key; the simulator takes any.
    """

    kind: Literal["simulator", "service", "url"] = attrs.field(
        default="simulator", validator=one_of("target.", "simulator", "service", "url")
    )
    url: str | None = attrs.field(default=None, validator=optional(text("target.", empty=False)))
    voice: Literal["tone", "local"] = attrs.field(default="tone", validator=one_of("target.", "tone", "local"))
    script: str | None = attrs.field(default=None, validator=optional(text("target.", empty=False)))
    servers: int | None = attrs.field(default=None, validator=optional(whole("target.", 1, SERVERS_MAX, "processes")))
    pace: Json = attrs.field(factory=dict, validator=mapping("target."))
    key_env: str = attrs.field(
        default="OPENAI_API_KEY", validator=written_as("target.", forms.variable, forms.VARIABLE)
    )

    def __attrs_post_init__(self) -> None:
        if (self.kind == "url") != (self.url is not None):
            raise ConfigError("target.url", self.url, "a URL with kind = 'url', and none with another kind")
        if self.url is not None:
            forms.check_url(self.url)
        for name in _OF_SIMULATOR if self.kind != "simulator" else ():
            if getattr(self, name) != getattr(attrs.fields(Target), name).default and getattr(self, name):
                raise ConfigError(f"target.{name}", getattr(self, name), "only with kind = 'simulator'")


# --- what a caller does -----------------------------------------------------------------------------------------------


NUMBERS: Final = ("interrupt_after_ms", "wait_s", "silence_ms", "at_most", "first_audio_within_ms")
"""Fields that `from_values` may tell."""


def of_numbers(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    """Allow texts with a name, by fields that are numbers."""
    for name, told in value.items() if isinstance(value, Mapping) else (("", None),):
        if name not in NUMBERS or not isinstance(told, str) or not checks.waits(told):
            raise ConfigError("from_values", value, "texts with a {name} by field, of " + ", ".join(NUMBERS))


STEP_MAX_S: Final = 3600.0
"""Longest wait, silence and answer until an interruption."""

_INTERRUPT: Final = optional(number("", 0, STEP_MAX_S * 1000, "ms"))


@attrs.frozen(kw_only=True)
class Say:
    """Speak, in real time, and hear the answer out.

    Attributes:
        say: Path of a sound file (it ends in `.wav`, `.flac`, `.ogg` or `.mp3`), or words for the local voice.
        interrupt_after_ms: Cut in on the running answer when so much of it was heard, instead of hearing it out first.
            The answer is that to the step right before, or to the last one that did not await its own.
        await_answer: False goes on without the answer to this step.
        from_values: Numbers that a job's values tell, by field, as `{"interrupt_after_ms": "{cut_ms}"}`. Other records
            with numbers have it too; a plan in TOML writes the text in the number's place.
    """

    say: str = attrs.field(validator=text("say.", empty=False))
    interrupt_after_ms: float | None = attrs.field(default=None, validator=_INTERRUPT)
    await_answer: bool = attrs.field(default=True, validator=flag("say."))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class Type:
    """Type words, and hear the answer out.

    Attributes:
        type: The words.
        interrupt_after_ms: As in `Say`.
        await_answer: False goes on without the answer.
    """

    type: str = attrs.field(validator=text("type.", empty=False))
    interrupt_after_ms: float | None = attrs.field(default=None, validator=_INTERRUPT)
    await_answer: bool = attrs.field(default=True, validator=flag("type."))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class Wait:
    """Do nothing, and send nothing, for so long."""

    wait_s: float = attrs.field(validator=number("", 0, STEP_MAX_S, "s"))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class Silence:
    """Send silence for so long, as an open microphone does."""

    silence_ms: float = attrs.field(validator=number("", 0, STEP_MAX_S * 1000, "ms"))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class Push:
    """Push telephone keys: `0` to `9`, `*`, `#`, `A` to `D`, heard as their pairs of tones (ITU-T Q.23)."""

    push: str = attrs.field(validator=written_as("", forms.telephone_keys, forms.TELEPHONE_KEYS))
    await_answer: bool = attrs.field(default=True, validator=flag("push."))


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

    name: str = attrs.field(validator=written_as("tool.", forms.tool_name, forms.TOOL_NAME))
    answer: Any = None
    description: str = attrs.field(default="", validator=text("tool."))
    parameters: Json | None = attrs.field(default=None, validator=optional(mapping("tool.")))
    takes_ms: float = attrs.field(default=0.0, validator=number("tool.", 0, STEP_MAX_S * 1000, "ms"))


@attrs.frozen(kw_only=True)
class FunctionTool:
    """A Python function: `module:name`, or `file.py:name` beside the plan."""

    function: str = attrs.field(validator=written_as("tool.", forms.function, forms.FUNCTION))


ToolPlan = CannedTool | FunctionTool


# --- what is expected -------------------------------------------------------------------------------------------------
# Each is judged after a session; `turn` counts the model's turns from 1, and -1 is the last.


@attrs.frozen(kw_only=True)
class Contains:
    """The agent's words contain a text, upper and lower case alike. Without `turn`, those of any turn."""

    contains: str = attrs.field(validator=text("expect.", empty=False))
    turn: int | None = attrs.field(default=None, validator=which_turn("expect."))


@attrs.frozen(kw_only=True)
class Matches:
    """A regular expression is found in the agent's words. Without `turn`, in those of any turn."""

    matches: str = attrs.field(validator=written_as("expect.", re.compile, "a regular expression"))
    turn: int | None = attrs.field(default=None, validator=which_turn("expect."))


@attrs.frozen(kw_only=True)
class WordErrorRate:
    """Words differ from a reference by at most a share.

    Attributes:
        reference: What should have been said or heard.
        at_most: Share of the reference's words, as 0.2.
        of: `heard` for how the service understood the caller, `agent` for what it said.
        turn: Which; all turns together without.
    """

    reference: str = attrs.field(validator=text("expect.", empty=False))
    at_most: float = attrs.field(validator=number("expect.", 0, 1, "(a share, as 0.2)"))
    of: Literal["heard", "agent"] = attrs.field(default="heard", validator=one_of("expect.", "heard", "agent"))
    turn: int | None = attrs.field(default=None, validator=which_turn("expect."))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class ToolCalled:
    """A tool was called, with at least these arguments."""

    tool_called: str = attrs.field(validator=text("expect.", empty=False))
    arguments: Json = attrs.field(factory=dict, validator=mapping("expect."))


@attrs.frozen(kw_only=True)
class FirstAudioWithin:
    """The first audio of each turn (or of one) came within so long after the caller was through."""

    first_audio_within_ms: float = attrs.field(validator=number("expect.", 1, STEP_MAX_S * 1000, "ms"))
    turn: int | None = attrs.field(default=None, validator=which_turn("expect."))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class NoError:
    """Neither the service nor a tool reported an error, and no connection was lost."""

    no_error: bool = attrs.field(default=True, validator=one_of("expect.", True))


@attrs.frozen(kw_only=True)
class JsonAnswer:
    """The last answer's words are JSON, and fit a JSON Schema where one is given."""

    json_answer: Json | bool = attrs.field(default=True)

    @json_answer.validator
    def _check(self, _: Any, value: Any) -> None:
        if value is not True and not isinstance(value, Mapping):
            raise ConfigError("expect.json_answer", value, "true, or a JSON Schema")


Expectation = Contains | Matches | WordErrorRate | ToolCalled | FirstAudioWithin | NoError | JsonAnswer


def _to_choices(value: Any) -> Any:
    return {name: to_tuple(choices) for name, choices in value.items()} if isinstance(value, Mapping) else value


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

    name: str = attrs.field(validator=label("scenario."))
    turns: tuple[Step, ...] = attrs.field(
        default=(), converter=to_tuple, validator=items("scenario.", Step, "Say, Type, Wait, Silence and Push")
    )
    session: Json = attrs.field(factory=dict, validator=mapping("scenario."))
    tools: tuple[ToolPlan, ...] = attrs.field(
        default=(), converter=to_tuple, validator=items("scenario.", ToolPlan, "CannedTool and FunctionTool")
    )
    expect: tuple[Expectation, ...] = attrs.field(
        default=(), converter=to_tuple, validator=items("scenario.", Expectation, "expectations, as Contains")
    )
    repeat: int = attrs.field(default=1, validator=whole("scenario.", 1, checks.JOBS_MAX, "times"))
    matrix: Mapping[str, tuple[Any, ...]] = attrs.field(
        factory=dict, converter=_to_choices, validator=[mapping("scenario."), choices_of("scenario.")]
    )
    rows: tuple[Values, ...] = attrs.field(
        default=({},), converter=to_tuple, validator=items("scenario.", Mapping, "tables, one a row")
    )
    data: str | None = attrs.field(default=None, validator=optional(text("scenario.", empty=False)))
    tags: tuple[str, ...] = attrs.field(default=(), converter=to_tuple, validator=labels("scenario."))
    weight: float = attrs.field(default=1.0, validator=number("scenario.", 0.001, 1000, "(a share beside others)"))
    deadline_s: float = attrs.field(
        default=300.0, validator=number("scenario.", 0.1, checks.SESSION_DEADLINE_MAX_S, "s")
    )

    def __attrs_post_init__(self) -> None:
        if not self.turns:
            raise ConfigError("scenario.turns", [], "at least one step, as { say = 'hello.wav' }")
        if not self.rows:
            raise ConfigError("scenario.rows", [], "at least one row of data")
        if twice := sorted(set(self.matrix) & set(self.rows[0])):
            raise ConfigError(f"scenario.matrix.{twice[0]}", twice[0], "a name that is no column of the data")
        names = [tool.name for tool in self.tools if isinstance(tool, CannedTool)]
        if found := checks.first_twice(names):
            raise ConfigError("scenario.tools", found[1], "tools of different names")


# --- how many, and how much -------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Stage:
    """A part of a ramp: reach a number (of sessions, or of starts a second) in so long, in a straight line."""

    duration_s: float = attrs.field(validator=number("load.stages.", 0, checks.DURATION_MAX_S, "s"))
    to: float = attrs.field(validator=number("load.stages.", 0, checks.SESSIONS_MAX, "sessions, or starts a second"))


_LOAD_FIELDS: Final = ("sessions", "rate_per_s", "duration_s", "stages")

_OF_SHAPE: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "once": ((), ()),
    "constant": (("sessions", "duration_s"), ("sessions",)),
    "ramp": (("stages",), ("stages",)),
    "arrival": (("rate_per_s", "duration_s", "stages"), ("rate_per_s", "stages")),
}
"""What each shape takes, and of what it needs one."""


def _not_of_shape(name: str, shape: str, takes: tuple[str, ...]) -> str:
    theirs = " or ".join(repr(one) for one, (fields, _) in _OF_SHAPE.items() if name in fields)
    with_it = f"; shape = {shape!r} takes {', '.join(takes)}" if takes else f"; shape = {shape!r} takes none"
    return f"it with shape = {theirs}{with_it}"


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

    shape: Literal["once", "constant", "ramp", "arrival"] = attrs.field(
        default="once", validator=one_of("load.", "once", "constant", "ramp", "arrival")
    )
    sessions: int | None = attrs.field(
        default=None, validator=optional(whole("load.", 1, checks.SESSIONS_MAX, "sessions at a time"))
    )
    rate_per_s: float | None = attrs.field(
        default=None, validator=optional(number("load.", 0.001, checks.SESSIONS_MAX, "starts a second"))
    )
    duration_s: float | None = attrs.field(
        default=None, validator=optional(number("load.", 0.1, checks.DURATION_MAX_S, "s"))
    )
    stages: tuple[Stage, ...] = attrs.field(
        default=(), converter=to_tuple, validator=items("load.", Stage, "stages, as { duration_s = 60, to = 100 }")
    )

    def __attrs_post_init__(self) -> None:
        takes, needs = _OF_SHAPE[self.shape]
        given = [name for name in _LOAD_FIELDS if getattr(self, name) not in (None, ())]
        for name in given:
            if name not in takes:
                raise ConfigError(f"load.{name}", getattr(self, name), _not_of_shape(name, self.shape, takes))
        if needs and not set(needs) & set(given):
            words = " or ".join(needs)
            message = f"load.shape = {self.shape!r} needs {words}, which says how many | add it to [load]"
            raise ConfigError("load.shape", self.shape, f"with {words}", message=message)
        if "stages" in given and (extra := [name for name in given if name != "stages"]):
            raise ConfigError(f"load.{extra[0]}", getattr(self, extra[0]), "none beside stages, which say it")
        if self.stages and not sum(stage.duration_s for stage in self.stages) > 0:
            raise ConfigError("load.stages", "0 s", "stages that last longer than 0 s together")
        if self.stages and not any(stage.to > 0 for stage in self.stages):
            raise ConfigError("load.stages", "to = 0", "a stage that goes above 0")


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

    sessions: int = attrs.field(default=100, validator=whole("caps.", 1, checks.SESSIONS_MAX, "sessions at a time"))
    starts_per_s: float = attrs.field(
        default=10.0, validator=number("caps.", 0.001, checks.SESSIONS_MAX, "starts a second")
    )
    tokens_per_min: float | None = attrs.field(
        default=None, validator=optional(number("caps.", 1, 1e12, "tokens a minute"))
    )
    budget_tokens: int | None = attrs.field(default=None, validator=optional(whole("caps.", 1, 10**15, "tokens")))
    budget_usd: float | None = attrs.field(default=None, validator=optional(number("caps.", 0.000001, 1e9, "USD")))


@attrs.frozen(kw_only=True)
class Retries:
    """How often a job is tried when its session broke for a reason that may pass.

    Attributes:
        attempts: At most, the first one counted.
        wait_s: Before the second; twice as long before each further one.
        wait_max_s: At most.
    """

    attempts: int = attrs.field(default=3, validator=whole("retries.", 1, 100, "attempts, the first one counted"))
    wait_s: float = attrs.field(default=1.0, validator=number("retries.", 0, 3600, "s"))
    wait_max_s: float = attrs.field(default=60.0, validator=number("retries.", 0, 3600, "s"))

    def __attrs_post_init__(self) -> None:
        if self.wait_s > self.wait_max_s:
            raise ConfigError("retries.wait_s", self.wait_s, f"at most wait_max_s, which is {self.wait_max_s:g} s")


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

    audio: float = attrs.field(default=1.0, validator=number("keep.", 0, 1, "(a share of sessions)"))
    events: float = attrs.field(default=1.0, validator=number("keep.", 0, 1, "(a share of sessions)"))
    format: Literal["flac", "opus"] = attrs.field(default="flac", validator=one_of("keep.", "flac", "opus"))
    max_bytes: int = attrs.field(default=2 * 2**30, validator=whole("keep.", 0, 2**50, "bytes"))
    session_max_bytes: int = attrs.field(default=64 * 2**20, validator=whole("keep.", 0, 2**40, "bytes"))


@attrs.frozen(kw_only=True)
class Threshold:
    """What must hold over the whole run, as `p95(time_to_first_audio) < 800ms`.

    Attributes:
        text: As it was written.
        statistic: `p50` (any percentile), `avg`, `min`, `max`, `count` (of values), `total` (their sum), `rate` (the
            share of a metric of kind `rate`).
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

    name: str = attrs.field(validator=label(""))
    scenarios: tuple[Scenario, ...] = attrs.field(
        converter=to_tuple, validator=items("", Scenario, "scenarios, at least one")
    )
    target: Target = attrs.field(factory=Target, validator=instance_of("", Target, "a Target"))
    session: Json = attrs.field(factory=dict, validator=mapping(""))
    load: Load = attrs.field(factory=Load, validator=instance_of("", Load, "a Load"))
    caps: Caps = attrs.field(factory=Caps, validator=instance_of("", Caps, "Caps"))
    retries: Retries = attrs.field(factory=Retries, validator=instance_of("", Retries, "Retries"))
    keep: Keep = attrs.field(factory=Keep, validator=instance_of("", Keep, "a Keep"))
    thresholds: tuple[Threshold, ...] = attrs.field(
        default=(), converter=to_tuple, validator=items("", Threshold, "thresholds, made by read_threshold")
    )
    folder: str = attrs.field(default=".", validator=text("", empty=False))
    source: str | None = None

    def __attrs_post_init__(self) -> None:
        if not self.scenarios:
            raise ConfigError("scenario", "(none)", "at least one [[scenario]]: what a caller does")
        if found := checks.first_twice(scenario.name for scenario in self.scenarios):
            raise ConfigError(f"scenarios[{found[0]}].name", found[1], "a name that no other scenario has")


SOUND_SUFFIXES: Final = (".wav", ".flac", ".ogg", ".mp3")
"""What `say` takes for a file."""
