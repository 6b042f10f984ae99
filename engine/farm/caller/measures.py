"""What a call took, and its sound: read from its session when it is over."""

from collections.abc import Sequence
from decimal import Decimal

import attrs

from engine.farm.caller.audio_file import Placed, Sound
from engine.farm.caller.mouth import Spoken
from engine.farm.caller.spool import Spool
from engine.farm.caller.timeline import SPANS_MAX, samples_at, spans_of
from engine.farm.caller.turns import Telling
from engine.farm.job import Result
from engine.farm.plan.model import Target
from engine.session import Session


def measured_result(result: Result, session: Session, telling: Telling, said: Sequence[Spoken]) -> Result:
    """Add the session's figures and the timeline to a result."""
    figures, settings = session.statistics(), session.settings
    tokens, links = figures.totals.tokens, figures.links
    deltas = figures.events_received.get("response.output_audio.delta", 0)
    mean_ms = figures.audio_received_ms / deltas if deltas else 0.0
    lost_ms = links.dropped_audio_ms + figures.audio_lane.dropped + figures.inbox.dropped_audio * mean_ms
    spans = spans_of(telling, said, result.turns)
    return attrs.evolve(
        result,
        session_id=(settings.id if settings is not None else None) or "",
        links=links.carried,
        spans=spans,
        tokens=tokens.total,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        audio_in_ms=figures.audio_fed_ms + figures.microphone.filled_ms,
        audio_out_ms=figures.audio_received_ms,
        audio_lost_ms=lost_ms,
        deltas=deltas,
        notes=(*result.notes, *_left_out(len(spans), figures.totals.forgotten)),
    )


def _left_out(spans: int, forgotten: int) -> list[str]:
    """Tell what a bound cost the result."""
    notes = [f"its first {forgotten} turns are left out: the log keeps the newest"] if forgotten else []
    if spans >= SPANS_MAX:
        notes.append(f"the timeline ends early: it has {SPANS_MAX:,} bars and marks")
    return notes


def priced(result: Result, session: Session, target: Target) -> Result:
    """Add the cost, in US dollars, where it is known."""
    if target.kind == "simulator":
        return attrs.evolve(result, cost_usd=0.0)
    cost = session.cost()
    if cost is None or cost.currency != "USD":
        return result
    if not cost.is_complete:
        words = f"its cost is not known: no price of {', '.join(cost.unpriced)}"
        return attrs.evolve(result, notes=(*result.notes, words))
    return attrs.evolve(result, cost_usd=float(cost.total.quantize(Decimal("1e-9"))))


def sound_of(result: Result, telling: Telling, said: Sequence[Spoken], spool: Spool) -> Sound:
    """Place all that was heard in the call."""
    caller = [Placed(samples_at(telling, each.at), each.samples, each.pcm) for each in said]
    agent = [
        Placed(samples_at(telling, each.starts_at), each.samples, None, each.source_samples)
        for each in telling.ear.heard.stretches
    ]
    return Sound(caller, agent, spool.path, round(result.duration_ms * 24))
