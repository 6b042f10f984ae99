"""What a run may take: caps, a budget, tries, and room for files."""

from typing import Literal

import attrs

from engine.errors import ConfigError
from engine.farm.plan import checks
from engine.farm.plan.checks import number, one_of, optional, whole


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
