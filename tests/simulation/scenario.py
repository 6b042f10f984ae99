"""What happens to one user, as data drawn from a seed: what they do, what becomes of their connections, and when."""

from random import Random
from typing import Any, Final

import attrs

from .carriers import CARRIERS
from .link import Fault, Weather


@attrs.frozen(kw_only=True)
class Deed:
    """Something that the user does.

    Attributes:
        at_s: When, in seconds since they came; later where they are not done with what is before it.
        kind: `speak`, `type`, `interrupt`, `update`, `give_up_typing`, `give_up_speaking`, `stop_listening`, `aside`.
        number: Of the turn; with `stop_listening`, for how many ms.
        ms: Length of the speech, or how long they wait until they give up.
        pause_ms: Silence in its middle; 0 for none.
        quiet_ms: Silence behind it.
    """

    at_s: float
    kind: str
    number: int = 0
    ms: int = 0
    pause_ms: int = 0
    quiet_ms: int = 0


@attrs.frozen(kw_only=True)
class Scenario:
    """One user from beginning to end.

    Attributes:
        seed: Of what is random beside this: the service's answers, its ids, the jitter.
        hours: How long they stay.
        deeds: In order.
        faults: In order.
        weather: Of their connections.
        engine: Settings of the engine.
        timeout_s: Lifetime of a connection, as the application wants it.
        session_max_s: The service's own.
        pace: Of the service's answers, as `Pace` takes it.
        server_ping_s: Between two pings of the service.
        audio: The model speaks; else it writes.
        tools: `run` by the engine's own runner, or answered by `hand`.
        chatty: Share of answers that call a tool first.
        pieces_ms: Length of a piece of microphone audio.
        quiet_s: Time without deeds and faults at the end; 0 leaves in the middle of whatever is going on.
        carrier: What carries their connections; see `tests.simulation.carriers`.
    """

    seed: str
    hours: float
    deeds: tuple[Deed, ...]
    faults: tuple[Fault, ...]
    weather: Weather
    engine: dict[str, Any]
    timeout_s: float
    session_max_s: float
    pace: dict[str, float]
    server_ping_s: float
    audio: bool
    tools: str
    chatty: float
    pieces_ms: int
    quiet_s: float
    carrier: str

    @property
    def lasts_s(self) -> float:
        """How long the user stays."""
        return self.hours * 3600


QUIET_S: Final = 120.0
"""Time in which all that is under way comes to its end: more than every deadline of the engine."""

TURNS_AN_HOUR: Final = 20

SILENCE_MS: Final = 200
"""Silence that ends a turn."""

KINDS: Final = (
    ("reset", 4),
    ("crash", 2),
    ("cut", 2),
    ("eof", 2),
    ("close", 4),
    ("half_open", 2),
    ("deaf", 1),
    ("mute", 1),
    ("corrupt", 1),
    ("stall", 4),
    ("duplicate", 2),
)
_KIND_NAMES: Final = [name for name, _ in KINDS]
_KIND_WEIGHTS: Final = [weight for _, weight in KINDS]

MOMENTS: Final = (
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "response.output_item.added",
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_text.delta",
    "response.output_item.done",
    "response.function_call_arguments.done",
    "response.done",
    "session.created",
    "session.updated",
)
"""Server events at which it hurts most when the connection breaks."""

CODES: Final = (1000, 1001, 1005, 1006, 1008, 1011, 1012, 1013, 3000, 4000)
STATUSES: Final = (429, 500, 502, 503)


def draw(seed: str, *, hours: float = 1.0, survives: bool = True, carrier: str | None = None) -> Scenario:
    """Draw a user's scenario.

    Args:
        seed: The same gives the same.
        hours: How long they stay.
        survives: The session renews and reconnects, but for a few; False for sessions that end with their link.
        carrier: What carries their connections; drawn when None.
    """
    chance = Random(seed)
    deeds = _deeds(chance, hours)
    timeout_s = chance.choices((3000.0, 1200.0, 600.0), (8, 1, 1))[0]
    lasting = survives and chance.random() < 0.95
    bounds = _engine(chance, lasting=lasting)
    weather = _weather(chance)
    return Scenario(
        seed=seed,
        hours=hours,
        deeds=deeds,
        faults=_faults(chance, hours, deeds),
        weather=weather,
        engine=bounds,
        timeout_s=timeout_s,
        session_max_s=chance.choice((3600.0, 3600.0, 3600.0, max(timeout_s * 0.7, 400.0))),
        pace=_pace(chance),
        server_ping_s=chance.choice((600.0, 600.0, 600.0, 600.0, 600.0, 600.0, 60.0, 20.3)),
        audio=chance.random() < 0.5,
        tools=chance.choice(("run", "run", "hand")),
        chatty=chance.choices((0.0, 0.1, 0.5), (4, 5, 1))[0],
        pieces_ms=chance.choices((400, 200, 40), (15, 4, 1))[0],
        quiet_s=QUIET_S if chance.random() < 0.85 else 0.0,
        # By a chance of its own, so that a seed is the same talk over each of them.
        carrier=carrier or Random(f"{seed}:carrier").choice(CARRIERS),
    )


def _weather(chance: Random) -> Weather:
    calm = Weather()
    slow = Weather(delay_ms=chance.choice((5, 40, 200)), jitter_ms=chance.choice((0, 30, 300)))
    return chance.choice(
        (
            calm,
            calm,
            Weather(eager=True),
            slow,
            attrs.evolve(slow, fragments=0.02),
            Weather(fragments=0.2),
            Weather(buffer_bytes=1000),
        )
    )


def _engine(chance: Random, *, lasting: bool) -> dict[str, Any]:
    patient = chance.random() < 0.8
    ping_s = chance.choice((120.0, 120.0, 120.0, 120.0, 120.0, 120.0, 120.0, 20.0))
    settings: dict[str, Any] = {"input_frame_ms": 200, "ping_interval_s": ping_s}
    if not lasting:
        return {**settings, "on_timeout": chance.choice(("raise", "renew")), "reconnect": None}
    if not patient:
        settings["reconnect"] = {"attempts": chance.randrange(1, 5), "total_s": chance.choice((5.0, 20.0))}
    return settings


def _pace(chance: Random) -> dict[str, float]:
    quick = chance.random() < 0.6
    return {
        "think_ms": 0 if quick else chance.choice((50, 200, 1500)),
        "first_delta_ms": 0 if quick else chance.choice((0, 100)),
        "text_delta_ms": 0 if quick else 15,
        "audio_delta_ms": chance.choice((1000, 1000, 400)),
        "audio_speed": chance.choice((6, 6, 2)),
        "cancel_ms": chance.choice((0, 20)),
        "rate_limits_ms": 0,
        "transcription_ms": chance.choice((0, 150, 150, 2000)),
        "transcription_delta_ms": 0,
    }


def _deeds(chance: Random, hours: float) -> tuple[Deed, ...]:
    """Draw the turns of an hour: in bursts, some into the answer before them, a few other things between."""
    lasts_s = hours * 3600 - QUIET_S
    turns = round(hours * (TURNS_AN_HOUR + chance.randrange(3)))
    deeds: list[Deed] = []
    number = 0
    burst: float = chance.uniform(0.0, 5.0)
    # What happens at the same moment to many users costs less than at moments of its own.
    on_the_second = chance.random() < 0.8
    for turn in range(turns):
        number += 1
        at_s = float(round(burst)) if on_the_second else burst
        deeds.append(_spoken(chance, at_s, number))
        if chance.random() < 0.25:
            number += 1
            deeds.append(_other(chance, at_s + chance.uniform(0.0, 6.0), number))
        near = chance.random() < 0.4
        left_s = lasts_s - burst - 10 * (turns - turn)
        burst += chance.uniform(1.0, 8.0) if near else max(5.0, chance.uniform(0.3, 1.7) * left_s / (turns - turn))
    return tuple(sorted(deeds, key=lambda deed: deed.at_s))


def _spoken(chance: Random, at_s: float, number: int) -> Deed:
    return Deed(
        at_s=at_s,
        kind="speak",
        number=number,
        ms=chance.choices((200, 400, 1000), (5, 5, 1))[0],
        pause_ms=chance.choices((0, 160), (8, 1))[0],
        quiet_ms=chance.choices((400, 1000), (9, 1))[0],
    )


def _other(chance: Random, at_s: float, number: int) -> Deed:
    kind = chance.choice(("type", "type", "type", "interrupt", "update", "give_up_typing", "give_up_speaking", "aside"))
    if kind == "type" and chance.random() < 0.2:
        return Deed(at_s=at_s, kind="stop_listening", number=number, ms=chance.choice((20, 500, 3000)))
    return Deed(at_s=at_s, kind=kind, number=number, ms=chance.choice((0, 0, 1, 20, 500)))


def _faults(chance: Random, hours: float, deeds: tuple[Deed, ...]) -> tuple[Fault, ...]:
    many = chance.choices((0, 1, 2, 4), (4, 8, 4, 1))[0]
    faults = [_fault(chance, _moment(chance, hours, deeds)) for _ in range(round(many * max(1.0, hours)))]
    return tuple(sorted(faults, key=lambda fault: fault.at_s))


def trial(number: int) -> Scenario:
    """Draw a user to whom much happens in four minutes: they hardly stop to talk, and no connection lasts long."""
    chance = Random(f"trial:{number}")
    drawn = draw(f"trial:{number}", hours=(TRIAL_S + QUIET_S) / 3600)
    deeds: list[Deed] = []
    at_s = 0.0
    while at_s < TRIAL_S:
        at_s += chance.choice((1.0, 3.0, 5.0, 9.0))
        deeds.append(_spoken(chance, at_s, len(deeds) + 1))
        for _ in range(chance.randrange(3)):
            deeds.append(_other(chance, at_s + chance.uniform(0.0, 4.0), len(deeds) + 1))
    deeds.sort(key=lambda deed: deed.at_s)
    faults = sorted((_fault(chance, _moment(chance, TRIAL_S / 3600, tuple(deeds))) for _ in range(6)), key=_when)
    engine = {"input_frame_ms": 200, "ping_interval_s": 8.0, "session_max_s": 60.0, "renew_margin_s": 15.0}
    return attrs.evolve(
        drawn,
        deeds=tuple(deeds),
        faults=tuple(faults),
        engine=engine,
        timeout_s=chance.choice((20.0, 35.0)),
        session_max_s=3600.0,
        chatty=0.3,
        quiet_s=QUIET_S,
    )


TRIAL_S: Final = 120.0


def _when(fault: Fault) -> float:
    return fault.at_s


def _moment(chance: Random, hours: float, deeds: tuple[Deed, ...]) -> float:
    if chance.random() < 0.2 or not deeds:
        return chance.uniform(0.0, max(1.0, hours * 3600 - 2 * QUIET_S))
    return max(0.0, chance.choice(deeds).at_s + chance.uniform(-0.5, 5.0))


def _fault(chance: Random, at_s: float) -> Fault:
    kind = chance.choices(_KIND_NAMES, _KIND_WEIGHTS)[0]
    on = chance.choice(MOMENTS) if chance.random() < 0.5 else ""
    # What a new connection finds: it comes back at once, it is refused, it is slow, there is none for a while.
    then = chance.choice(("", "", "", "refuse", "slow", "none", "silent"))
    return Fault(
        at_s=at_s,
        kind=kind,
        on=on,
        after=chance.random() < 0.5,
        seconds=chance.choice((0.05, 0.5, 3.0, 8.0, 25.0)),
        number=_number(chance, kind),
        then=then,
        then_number=chance.choice((1, 1, 2, 3)),
        then_status=chance.choice(STATUSES),
        then_seconds=chance.choice((0.0, 0.3, 2.0, 5.0)),
    )


def _number(chance: Random, kind: str) -> int:
    match kind:
        case "close":
            return chance.choice(CODES)
        case "duplicate":
            return chance.choice((1, 1, 3, 10))
        case _:
            return chance.randrange(3)
