"""A result becomes rows and is a result again: whatever is in it."""

import sqlite3
from contextlib import closing
from typing import get_args

import attrs
import orjson
from entries import full_result
from hypothesis import given
from hypothesis import strategies as st

from engine.farm.job import ErrorKind, KeptFile, Result, Span, Status, ToolUse, TurnResult, Verdict
from engine.farm.ledger.rows import INSERT_RESULT, INSERT_TURN, INTEGER_MAX, made_to_fit, result_of, rows_of, turn_of
from engine.farm.ledger.schema import TABLES

text = st.text(st.characters(codec="utf-8"), max_size=8)
number = st.floats(allow_nan=False, allow_infinity=False)
count = st.integers(0, INTEGER_MAX)
maybe = st.none() | number


def some(strategy):
    return st.lists(strategy, max_size=2).map(tuple)


tools = st.builds(
    ToolUse, name=text, arguments=text, result=text, at_ms=number, duration_ms=maybe, failed=st.booleans()
)
turn = st.builds(
    TurnResult,
    number=st.just(0),
    began=text,
    said=text,
    heard=st.none() | text,
    answer=text,
    status=text,
    began_at_ms=number,
    asked_at_ms=maybe,
    time_to_first_text_ms=maybe,
    time_to_first_audio_ms=maybe,
    time_to_first_audio_heard_ms=maybe,
    interruption_latency_ms=maybe,
    response_ms=maybe,
    audio_ms=number,
    heard_ms=number,
    interrupted=st.booleans(),
    word_error_rate=maybe,
    tools=some(tools),
    tokens=count,
)
span = st.builds(Span, lane=st.sampled_from(["caller", "agent"]), at_ms=number, until_ms=number, text=text)
files = st.builds(KeptFile, path=text, size_bytes=st.integers(0, 2**40), kind=st.sampled_from(["audio", "events"]))
results = st.builds(
    Result,
    attempt_id=text,
    job=count,
    scenario=text,
    attempt=count,
    worker=text,
    status=st.sampled_from(get_args(Status)),
    error_kind=st.none() | st.sampled_from(get_args(ErrorKind)),
    error=text,
    retry_after_s=maybe,
    began_at=number,
    duration_ms=number,
    connect_ms=maybe,
    session_id=text,
    links=count,
    turns=some(turn).map(lambda turns: tuple(attrs.evolve(each, number=at) for at, each in enumerate(turns, 1))),
    spans=some(span),
    verdicts=some(st.builds(Verdict, expected=text, held=st.booleans(), found=text)),
    tokens=count,
    input_tokens=count,
    output_tokens=count,
    cost_usd=maybe,
    audio_in_ms=number,
    audio_out_ms=number,
    audio_lost_ms=number,
    deltas=count,
    files=some(files),
    notes=some(text),
)


def through_the_tables(result):
    with closing(sqlite3.connect(":memory:")) as db:
        db.row_factory = sqlite3.Row
        db.executescript(TABLES)
        row, turns = rows_of(result)
        db.execute(INSERT_RESULT, row)
        db.executemany(INSERT_TURN, turns)
        elsewhere = "SELECT *, ? AS attempt_id, ? AS scenario, ? AS worker FROM result"
        (told,) = db.execute(elsewhere, (result.attempt_id, result.scenario, result.worker))
        return result_of(told, [turn_of(row) for row in db.execute("SELECT * FROM turn ORDER BY number")])


@given(results)
def test_a_result_goes_through_the_tables_unchanged(result):
    assert through_the_tables(result) == result


def test_the_example_has_something_in_every_field():
    for record in (full_result(), full_result().turns[0]):
        empty = [field.name for field in attrs.fields(type(record)) if getattr(record, field.name) in ("", 0, None, ())]
        assert empty in ([], ["job", "error_kind", "error"])


def test_text_that_is_no_unicode_and_numbers_without_bound_are_made_to_fit():
    hostile = attrs.evolve(
        full_result(),
        error="half \ud800 of a pair",
        tokens=10**30,
        notes=("\udfff", "<script>\0"),
        spans=(Span(lane="agent", at_ms=0.0, until_ms=1.0, text="\udc80"),),
        turns=(TurnResult(number=1, answer="é\ud83d", tools=(ToolUse(name="\udcff"),), tokens=-(10**30)),),
    )

    told = through_the_tables(hostile)

    assert (told.error, told.tokens, told.notes) == ("half ? of a pair", INTEGER_MAX, ("?", "<script>\0"))
    assert (told.spans[0].text, told.turns[0].answer, told.turns[0].tools[0].name) == ("?", "é?", "?")
    assert told.turns[0].tokens == -INTEGER_MAX


def test_a_scalar_alone_is_made_to_fit():
    assert through_the_tables(attrs.evolve(full_result(), session_id="\ud800")).session_id == "?"
    assert through_the_tables(attrs.evolve(full_result(), deltas=2**63)).deltas == INTEGER_MAX


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(json)
def test_whatever_was_made_to_fit_can_be_written_as_json(value):
    orjson.dumps(made_to_fit(value))


@given(results)
def test_what_fits_is_left_as_it_is(result):
    assert made_to_fit(result) == result
