"""What the ledger's tests write: a plan, grants, results."""

from engine.farm.job import Grant, Job, KeptFile, Result, Span, ToolUse, TurnResult, Verdict
from engine.farm.plan.model import Caps, Contains, Plan, Scenario, Type

RUN = "1f3a9c02"
PLAN = Plan(
    name="two kinds",
    scenarios=(
        Scenario(name="greet", turns=(Type(type="hello"),), expect=(Contains(contains="hi"),), tags=("short",)),
        Scenario(name="order", turns=(Type(type="tea"), Type(type="bye")), tags=("long", "money")),
    ),
    caps=Caps(sessions=10),
)


class Clock:
    """A clock that a test sets."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


def attempt_id(job, attempt=1):
    return f"{RUN}-{job}-{attempt}"


def grant(number, attempt=1, scenario="greet", index=None, **values):
    job = Job(number=number, scenario=scenario, index=number if index is None else index, values=values)
    return Grant(attempt_id=attempt_id(number, attempt), job=job, attempt=attempt)


def leases(*numbers, attempt=1, worker="w1", **options):
    return [(grant(number, attempt, **options), worker) for number in numbers]


def result(number, attempt=1, status="passed", **fields):
    fields = {"scenario": "greet", "worker": "w1", "began_at": 1000.0, **fields}
    return Result(attempt_id=attempt_id(number, attempt), job=number, attempt=attempt, status=status, **fields)


def broken(number, attempt=1, **fields):
    return result(number, attempt, "error", **{"error_kind": "connection", "error": "it broke", **fields})


def finals(*results):
    return {each.attempt_id for each in results}


def full_result(number=0, attempt=1, **fields):
    """A result that has something in every field."""
    turns = (
        TurnResult(
            number=1,
            began="speech",
            said="What time is it?",
            heard="what time is it",
            answer="It is noon.",
            status="completed",
            began_at_ms=100.0,
            asked_at_ms=900.0,
            time_to_first_text_ms=200.0,
            time_to_first_audio_ms=250.5,
            time_to_first_audio_heard_ms=260.0,
            interruption_latency_ms=40.0,
            response_ms=1800.0,
            audio_ms=1500.0,
            heard_ms=700.0,
            interrupted=True,
            word_error_rate=0.25,
            tools=(
                ToolUse(name="clock", arguments='{"zone": "UTC"}', result="12:00", at_ms=1000.0, duration_ms=20.0),
                ToolUse(name="lamp", failed=True),
            ),
            tokens=70,
        ),
        TurnResult(number=2, answer="Anything else?", interruption_latency_ms=None),
    )
    fields = {
        "retry_after_s": 2.5,
        "began_at": 1000.25,
        "duration_ms": 4000.0,
        "connect_ms": 35.0,
        "session_id": "sess_1",
        "links": 2,
        "turns": turns,
        "spans": (Span(lane="caller", at_ms=100.0, until_ms=900.0, text="What time is it?"),),
        "verdicts": (
            Verdict(expected="contains 'noon'", held=True),
            Verdict(expected="no error", held=False, found="an error"),
        ),
        "tokens": 100,
        "input_tokens": 60,
        "output_tokens": 40,
        "cost_usd": 0.0125,
        "audio_in_ms": 800.0,
        "audio_out_ms": 1500.0,
        "audio_lost_ms": 10.0,
        "deltas": 15,
        "files": (
            KeptFile(path="sessions/0000/x/audio.flac", size_bytes=5000, kind="audio"),
            KeptFile(path="sessions/0000/x/transcript.jsonl", size_bytes=300, kind="transcript"),
        ),
        "notes": ("no room for its events",),
        **fields,
    }
    return result(number, attempt, **fields)
