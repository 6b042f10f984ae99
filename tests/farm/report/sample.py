"""A run as it might have been: a plan, results with turns, tools, failures, retries, and stereo audio that fits them.

`write_run` puts it into a ledger; it is the same each time for the same arguments. To look at a page of one:

    python -m tests.farm.report.sample FOLDER [SESSIONS]
"""

import io
import random
import sys
from pathlib import Path

import attrs
import numpy as np
import soundfile

from engine.farm.job import Grant, KeptFile, Result, Span, ToolUse, TurnResult, Verdict
from engine.farm.ledger import Ledger, Sample
from engine.farm.plan.jobs import Jobs
from engine.farm.plan.model import Caps, Contains, FirstAudioWithin, Plan, Say, Scenario, Target, ToolCalled
from engine.farm.plan.thresholds import read_threshold
from engine.farm.report import write_report

RUN_ID = "1f3a9c02"
BEGAN_AT = 1_790_000_000.0
RATE_HZ = 8000

ORDERS = [
    ("Where is my order 4711?", "order-4711.wav", "It left our store on Monday and arrives tomorrow."),
    ("Has number 20 93 been sent yet?", "order-2093.wav", "Not yet: it waits for a spare part. Shall I cancel it?"),
    ("My parcel shows as delivered, but it is not here.", "parcel-missing.wav", "I am sorry. I open an inquiry."),
    ("Can you read me the tracking number slowly?", "tracking.wav", "Of course: seven, seven, zero, four, nine."),
]
REFUNDS = [
    ("I want my money back for the blue lamp.", "refund-lamp.wav", "I refund forty euros to your card, in three days."),
    (
        "The kettle broke after a week, what now?",
        "refund-kettle.wav",
        "Please send it back; the label is in your mail.",
    ),
]
LATE = ["Are you still there?", "Thanks, that is all.", "No wait, make that two.", "And what does it cost?"]
CLOSING = ["Yes, I am here. What else can I do?", "You are welcome. Goodbye!", "Two it is.", "Nothing at all."]
BROKEN = [
    ("connection", "ConnectionLost: closed by the peer (1011) after 3 tries to come back"),
    ("deadline", "DeadlinePassed: no answer within 15 s of the caller's end"),
    ("service", "ServerReported: server_error: The server had an error while processing your request"),
    ("tool", "look_up raised KeyError: '4711'"),
]


def plan(*, sessions=500, voices=("alloy", "marin")):
    """Give the sample's plan: two scenarios, so that they have about so many jobs together."""
    rows = [{"file": file, "words": words} for words, file, _ in ORDERS]
    other = [{"file": file, "words": words} for words, file, _ in REFUNDS]
    repeat = max(1, round(sessions / (len(voices) * (len(rows) + len(other)))))
    return Plan(
        name="Shop line, evening shift",
        target=Target(kind="simulator", voice="local"),
        scenarios=(
            Scenario(
                name="order status",
                turns=(Say(say="{file}"), Say(say="Thanks, that is all.")),
                rows=tuple(rows),
                data="prompts/orders.csv",
                matrix={"voice": voices},
                repeat=repeat,
                tags=("tools", "evening"),
                expect=(ToolCalled(tool_called="look_up"), FirstAudioWithin(first_audio_within_ms=1500)),
            ),
            Scenario(
                name="refund",
                turns=(Say(say="{file}"), Say(say="No wait", interrupt_after_ms=900)),
                rows=tuple(other),
                matrix={"voice": voices},
                repeat=repeat,
                tags=("evening",),
                expect=(Contains(contains="refund"),),
            ),
        ),
        caps=Caps(sessions=48, starts_per_s=4.0),
        thresholds=tuple(
            read_threshold(text)
            for text in (
                "p95(time_to_first_audio) < 900ms",
                "p95(time_to_first_audio{scenario: refund}) < 1200ms",
                "error_rate < 1%",
                "check_rate > 90%",
                "avg(session_cost) < 0.05 USD",
            )
        ),
    )


class _Call:
    """Makes one session up."""

    def __init__(self, job, chance, slower):
        self.job, self.chance, self.slower = job, chance, slower
        self.at_ms = chance.uniform(80, 220)
        self.connect_ms = self.at_ms
        self.turns, self.spans = [], []

    def latency_ms(self):
        slow = self.chance.random() < 0.04
        return self.chance.lognormvariate(6.15, 0.28) * (2.6 if slow else 1.0) * self.slower

    def turn(self, words, answer, *, cut_in=False, tool=None):
        chance, began = self.chance, self.at_ms + self.chance.uniform(100, 400)
        asked = began + 260 * len(words.split()) + 200
        first = self.latency_ms() + (tool.duration_ms if tool else 0)
        said_ms = 300.0 * len(answer.split())
        heard_ms = min(said_ms, 1100.0) if cut_in else said_ms
        start = asked + first + 40
        self.spans.append(Span(lane="caller", at_ms=began, until_ms=asked, text=words))
        self.spans.append(Span(lane="agent", at_ms=asked + first, until_ms=asked + first + said_ms * 0.3, text=answer))
        self.spans.append(Span(lane="heard", at_ms=start, until_ms=start + heard_ms, text=answer))
        if tool:
            tool = attrs.evolve(tool, at_ms=asked + 180)
            self.spans.append(
                Span(lane="tool", at_ms=tool.at_ms, until_ms=tool.at_ms + tool.duration_ms, text=tool.name)
            )
        if cut_in:
            self.spans.append(Span(lane="mark", at_ms=start + heard_ms, until_ms=start + heard_ms, text="interrupted"))
        misheard = chance.random() < 0.15
        heard = words.replace("order", "border").replace("lamp", "lamb").lower() if misheard else words.lower()
        wrong = sum(a != b for a, b in zip(heard.split(), words.lower().split(), strict=True))
        self.turns.append(
            TurnResult(
                number=len(self.turns) + 1,
                began="speech",
                said=words,
                heard=heard.rstrip("?.!"),
                answer=answer,
                status="cancelled" if cut_in else "completed",
                began_at_ms=began,
                asked_at_ms=asked,
                time_to_first_text_ms=first * 0.8,
                time_to_first_audio_ms=first,
                time_to_first_audio_heard_ms=first + 40,
                interruption_latency_ms=chance.uniform(60, 190) if cut_in else None,
                response_ms=first + said_ms * 0.3,
                audio_ms=said_ms,
                heard_ms=heard_ms,
                interrupted=cut_in,
                word_error_rate=wrong / len(words.split()),
                tools=(tool,) if tool else (),
                tokens=int(80 + said_ms / 10),
            )
        )
        self.at_ms = start + heard_ms


def _result(job, attempt, run_id, began_at, slower, seed):
    chance = random.Random(f"{seed}-{job.number}-{attempt}")
    call = _Call(job, chance, slower)
    words, answer = job.values["words"], next(a for w, _, a in ORDERS + REFUNDS if w == job.values["words"])
    tool = None
    if job.scenario == "order status" and chance.random() < 0.96:
        tool = ToolUse(name="look_up", arguments='{"order": 4711}', result='{"sent": "Monday"}', duration_ms=120.0)
    call.turn(words, answer, cut_in=job.scenario == "refund", tool=tool)
    late = chance.randrange(len(LATE))
    call.turn(LATE[late], CLOSING[late])
    broken = chance.random() < 0.035 * slower
    kind, error = (None, "")
    if broken:
        kind, error = BROKEN[chance.randrange(len(BROKEN))]
        call.turns[-1] = attrs.evolve(
            call.turns[-1], status="lost", answer="", audio_ms=0.0, heard_ms=0.0, time_to_first_audio_ms=None,
            time_to_first_text_ms=None, time_to_first_audio_heard_ms=None, response_ms=None,
        )  # fmt: skip
        call.spans = [*call.spans[:-2], Span(lane="mark", at_ms=call.at_ms, until_ms=call.at_ms, text=error)]
    verdicts = _verdicts(job, call, tool)
    failed = not all(verdict.held for verdict in verdicts)
    tokens = sum(turn.tokens for turn in call.turns)
    return Result(
        attempt_id=f"{run_id}-{job.number}-{attempt}",
        job=job.number,
        scenario=job.scenario,
        attempt=attempt,
        worker=f"process-{job.number % 2}",
        status="error" if broken else "failed" if failed else "passed",
        error_kind=kind,
        error=error,
        began_at=began_at,
        duration_ms=call.at_ms + 300,
        connect_ms=call.connect_ms,
        session_id=f"sess_{seed}{job.number:05d}",
        links=1,
        turns=tuple(call.turns),
        spans=tuple(call.spans),
        verdicts=verdicts,
        tokens=tokens,
        input_tokens=tokens // 3,
        output_tokens=tokens - tokens // 3,
        cost_usd=None if chance.random() < 0.01 else tokens * 3.2e-5,
        audio_in_ms=sum((turn.asked_at_ms or 0) - turn.began_at_ms for turn in call.turns),
        audio_out_ms=sum(turn.audio_ms for turn in call.turns),
        deltas=int(sum(turn.audio_ms for turn in call.turns) / 100),
    )


def _verdicts(job, call, tool):
    if job.scenario == "refund":
        said = call.turns[0].answer
        held = "refund" in said
        return (Verdict(expected="an answer contains 'refund'", held=held, found="" if held else said),)
    worst = max(turn.time_to_first_audio_ms or 0 for turn in call.turns)
    return (
        Verdict(expected="tool look_up is called", held=tool is not None, found="" if tool else "no tool was called"),
        Verdict(expected="first audio within 1500 ms", held=worst <= 1500, found=f"turn 1 took {worst:.0f} ms"),
    )


def results(plan, *, run_id=RUN_ID, slower=1.0, seed=1, jobs=None):
    """Give the results of each job, in the order in which they ended, with a retry after most of what broke."""
    numbered = Jobs(plan)
    for number in range(numbered.total or 0) if jobs is None else jobs:
        began_at = BEGAN_AT + number / plan.caps.starts_per_s
        first = _result(numbered.numbered(number), 1, run_id, began_at, slower, seed)
        yield first
        if first.status == "error" and number % 3:
            yield _result(numbered.numbered(number), 2, run_id, began_at + first.duration_ms / 1000 + 2, slower, seed)


def sound(result):
    """Give stereo FLAC that fits the timeline: a hum for the caller, a deeper one for the agent."""
    samples = np.zeros((int(result.duration_ms * RATE_HZ / 1000), 2), np.float32)
    for span in result.spans:
        if span.lane not in ("caller", "heard"):
            continue
        begin, end = (int(ms * RATE_HZ / 1000) for ms in (span.at_ms, span.until_ms))
        time_s = np.arange(min(end, len(samples)) - begin) / RATE_HZ
        pitch_hz = 210 if span.lane == "caller" else 130
        voice = sum(np.sin(2 * np.pi * pitch_hz * k * time_s + np.sin(3 * time_s)) / k for k in range(1, 6))
        syllables = np.clip(np.sin(2 * np.pi * 3.3 * time_s) + 0.35, 0, 1)
        samples[begin : begin + len(time_s), 0 if span.lane == "caller" else 1] = 0.16 * voice * syllables
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="FLAC")
    return file.getvalue()


def with_files(folder, result):
    """Write a session's files, and give its result with them."""
    below = f"sessions/{result.job // 1000:04d}/{result.attempt_id}"
    contents = {
        "audio": (f"{below}/audio.flac", sound(result)),
        "transcript": (f"{below}/transcript.jsonl", b'{"role": "user"}\n'),
    }
    for path, content in contents.values():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    kept = [KeptFile(path=path, size_bytes=len(content), kind=kind) for kind, (path, content) in contents.items()]
    return attrs.evolve(result, files=tuple(kept))


def write_run(
    folder, *, sessions=500, sounds=12, run_id=RUN_ID, slower=1.0, seed=1, change=None, the_plan=None, finish=True
):
    """Write a run into a folder.

    Args:
        folder: New.
        sessions: About how many.
        sounds: Sessions whose audio is written; of 20 times as many, that of those that did not pass.
        run_id: Of the run.
        slower: Factor of latencies, and of how many break.
        seed: Another gives other values of the same kind.
        change: Called with each result, gives the one to write; a job without a final result is not over.
        the_plan: Instead of the sample's.
        finish: False leaves it as a run that goes on, or was killed.
    """
    folder, made, clock = Path(folder), the_plan or plan(sessions=sessions), [BEGAN_AT]
    with Ledger.create(folder, made, run_id=run_id, unix_time=lambda: clock[0]) as ledger:
        ledger.begin_session()
        told = list(results(made, run_id=run_id, slower=slower, seed=seed))
        last = {result.job: result.attempt_id for result in told}
        for batch in _batches(told if change is None else [change(result) for result in told]):
            clock[0] = max(clock[0], batch[0].began_at)
            _write(ledger, batch, Jobs(made), clock, frozenset(last.values()), sounds)
        ledger.sample([Sample(name="memory_bytes", value=9e7, worker="process-0")])
        ledger.note("service", "rate limit told: 40,000 tokens a minute")
        if finish:
            ledger.finish("all jobs done")
    return folder


def _batches(told):
    """Give results in batches in which no job comes twice."""
    batch = []
    for result in told:
        if len(batch) == 200 or any(result.job == other.job for other in batch[-3:]):
            yield batch
            batch = []
        batch.append(result)
    yield batch


def _write(ledger, batch, jobs, clock, final, sounds):
    ledger.lease(
        [
            (Grant(attempt_id=one.attempt_id, job=jobs.numbered(one.job), attempt=one.attempt), one.worker)
            for one in batch
        ]
    )
    batch = [with_files(ledger.folder, one) if _sounds(one, sounds) else one for one in batch]
    clock[0] = max(clock[0], *(one.began_at + one.duration_ms / 1000 for one in batch))
    ledger.record(batch, {one.attempt_id for one in batch if one.status != "stopped"} & final)


def _sounds(result, sounds):
    return result.job < sounds or (result.job < 20 * sounds and result.status != "passed")


if __name__ == "__main__":
    print(write_report(write_run(sys.argv[1], sessions=int(sys.argv[2]) if len(sys.argv) > 2 else 500)))
