"""The timeline of a call: who sounded when, tools, and what happened."""

from collections.abc import Iterable, Sequence

from engine.audio.pcm import PCM_RATE_HZ
from engine.farm.caller.heard import Stretch
from engine.farm.caller.kept import Mark
from engine.farm.caller.mouth import Spoken
from engine.farm.caller.turns import Telling, cut
from engine.farm.job import Span, TurnResult

JOIN_S = 0.3
"""Stretches of one answer that are so close are one bar: a pause in its delivery, not in the talk."""

SPANS_MAX = 2_000
"""Bars and marks that a result keeps; of a call that has more, the last ones are left out."""

MARK_MAX_CHARS = 200

WORDS_MAX_CHARS = 500
"""What a bar quotes of an answer, which may have many bars; its turn has all of it."""


def spans_of(telling: Telling, said: Sequence[Spoken], turns: Sequence[TurnResult]) -> tuple[Span, ...]:
    """Give all bars and marks, in order of time."""
    spans = [
        *_caller(telling, said),
        *_agent(telling),
        *_heard(telling),
        *_tools(turns),
        *_marks(telling, telling.ear.marks),
    ]
    return tuple(sorted(spans, key=lambda span: span.at_ms)[:SPANS_MAX])


def _caller(telling: Telling, said: Sequence[Spoken]) -> Iterable[Span]:
    """Give what the caller said, and typed, which takes no time."""
    for uttered in telling.uttered:
        sound = said[uttered.sound] if uttered.sound is not None and uttered.sound < len(said) else None
        at = uttered.began_at if sound is None else sound.at
        until = at if sound is None else sound.until
        yield Span(
            lane="caller", at_ms=telling.ms(at), until_ms=telling.ms(until), text=cut(uttered.said)[:WORDS_MAX_CHARS]
        )


def _agent(telling: Telling) -> Iterable[Span]:
    """Give when each response's audio came."""
    for response_id, sent in telling.ear.sent.items():
        words = telling.ear.words_of(response_id)[:WORDS_MAX_CHARS]
        yield Span(lane="agent", at_ms=telling.ms(sent.first_at), until_ms=telling.ms(sent.last_at), text=words)


def _heard(telling: Telling) -> Iterable[Span]:
    joined: list[list[Stretch]] = []
    for stretch in telling.ear.heard.stretches:
        last = joined[-1][-1] if joined else None
        if last and last.response_id == stretch.response_id and stretch.starts_at - last.ends_at < JOIN_S:
            joined[-1].append(stretch)
        else:
            joined.append([stretch])
    for group in joined:
        words = telling.ear.words_of(group[0].response_id)[:WORDS_MAX_CHARS]
        yield Span(
            lane="heard", at_ms=telling.ms(group[0].starts_at), until_ms=telling.ms(group[-1].ends_at), text=words
        )


def _tools(turns: Sequence[TurnResult]) -> Iterable[Span]:
    for use in (use for turn in turns for use in turn.tools):
        yield Span(lane="tool", at_ms=use.at_ms, until_ms=use.at_ms + (use.duration_ms or 0.0), text=use.name)


def _marks(telling: Telling, marks: Sequence[Mark]) -> Iterable[Span]:
    for mark in marks:
        at = telling.ms(mark.at)
        yield Span(lane="mark", at_ms=at, until_ms=at, text=mark.words[:MARK_MAX_CHARS])


def samples_at(telling: Telling, at: float) -> int:
    """Give a clock time as a place in the call's sound."""
    return max(0, round((at - telling.began_at) * PCM_RATE_HZ))
