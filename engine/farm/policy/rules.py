"""What a policy goes by, and the picture that it gives of itself."""

from collections.abc import Mapping

import attrs

from engine.farm.plan.model import Caps, Load, Retries


@attrs.frozen(kw_only=True)
class Rules:
    """What a policy goes by.

    Attributes:
        load: Its shape.
        caps: What must never be exceeded.
        retries: How often a job is tried.
        weights: Share of starts, by scenario.
        expected_tokens: Of one session, before the first has ended; by scenario.
        expected_usd: The same in money.
        expected_life_s: How long one lives, in s, before the first has ended; by scenario.
    """

    load: Load
    caps: Caps
    retries: Retries
    weights: Mapping[str, float]
    expected_tokens: Mapping[str, float] = attrs.field(factory=dict)
    expected_usd: Mapping[str, float] = attrs.field(factory=dict)
    expected_life_s: Mapping[str, float] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class PolicyStatistics:
    """How a policy stands at one moment.

    Attributes:
        active: Sessions that count as active.
        waiting: Jobs that wait for a further try.
        starts: Sessions that were let go, less those taken back.
        pace_per_s: Starts a second that are allowed just now.
        target: What the load asks for just now: sessions at a time, or starts a second of `arrival`; None where it
            asks for all that the caps allow.
        held_back: What holds starts back, in words; empty where nothing but the load does.
        dropped: Starts that `arrival` asked for and the caps, or workers without room, did not let go in time.
        tokens: That ended sessions took.
        cost_usd: That ended sessions cost.
        presumed_tokens: That sessions are presumed to have taken which could not tell (a worker died with them).
        presumed_usd: The same in money, and of sessions whose price is not known.
        reserved_tokens: That active sessions are expected to take.
        reserved_usd: The same in money.
        tokens_in_minute: What counts against the cap of tokens a minute.
        over: Why nothing will ever start again; empty before.
    """

    active: int = 0
    waiting: int = 0
    starts: int = 0
    pace_per_s: float = 0.0
    target: float | None = None
    held_back: str = ""
    dropped: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    presumed_tokens: float = 0.0
    presumed_usd: float = 0.0
    reserved_tokens: float = 0.0
    reserved_usd: float = 0.0
    tokens_in_minute: float = 0.0
    over: str = ""
