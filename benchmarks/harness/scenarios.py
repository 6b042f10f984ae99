"""What is measured: the scenarios of the drivers with their loads, figures and time bounds."""

from typing import Any, Final

from benchmarks.harness.scenario import Metric, Scenario, Variant
from benchmarks.harness.settle import settle_barge_in, settle_live, settle_stall, settle_tools


def _sessions(number: int, **more: Any) -> Variant:
    earlier = {500: "100 sessions", 1000: "500 sessions"}.get(number)
    title = "1 session" if number == 1 else f"{number} sessions"
    load = {"sessions": number, "seconds": 5}
    return Variant(
        name=title,
        load=load,
        bound_s=60 + number / 10,
        quick=number == 100,
        needs=earlier,
        quick_load={"seconds": 2},
        **more,
    )


BURST: Final = Scenario(
    name="burst",
    title="Burst",
    told="20,000 audio deltas of 100 ms at once, received as typed events; then 5,000 microphone frames, sent at once",
    driver="burst",
    variants=[
        Variant(load={"deltas": 20_000, "frames": 5_000}, bound_s=90, quick_load={"deltas": 5_000, "frames": 1_000})
    ],
    metrics=[
        Metric("cpu_us_per_event", "CPU per delta", "µs", ratio=True),
        Metric("frame_cpu_us", "CPU per 20 ms frame", "µs", ratio=True),
        Metric("events_per_s", "deltas a second", "", digits=0, more_is_better=True),
        Metric("lost", "lost", "", digits=0),
    ],
)

LIVE: Final = Scenario(
    name="live",
    title="Live",
    told="N sessions in real time: 20 ms microphone frames out, 100 ms deltas in",
    driver="live",
    variants=[
        _sessions(1),
        _sessions(10),
        _sessions(100),
        Variant(
            name="100 sessions, TLS",
            load={"sessions": 100, "seconds": 5},
            bound_s=70,
            quick=False,
            tls=True,
        ),
        _sessions(500),
        _sessions(1000),
    ],
    metrics=[
        Metric("cpu_share", "CPU, share of a core", "%", scale=100, ratio=True),
        Metric("p50_ms", "latency added, p50", "ms", digits=2),
        Metric("p99_ms", "latency added, p99", "ms", digits=2, ratio=True),
        Metric("max_ms", "latency added, most", "ms", digits=1),
        Metric("talking_kib_a_session", "memory a session while talking", "KiB", digits=0, ratio=True),
        Metric("lost", "deltas lost", "", digits=0),
        Metric("mic_lost_ms", "microphone audio lost", "ms", digits=0),
        Metric("in_time", "kept real time", ""),
    ],
    settle=settle_live,
)

MEMORY: Final = Scenario(
    name="memory",
    title="Memory",
    told="sessions that are open and quiet, then each after one short turn",
    driver="memory",
    variants=[
        Variant(name="100 sessions", load={"sessions": 100}, bound_s=60),
        Variant(name="1000 sessions", load={"sessions": 1000}, bound_s=180, quick=False),
    ],
    metrics=[
        Metric("idle_kib_a_session", "idle session", "KiB", ratio=True),
        Metric("used_kib_a_session", "after a turn", "KiB", ratio=True),
        Metric("process_mib", "process", "MiB", digits=0),
    ],
)

TURN: Final = Scenario(
    name="turn",
    title="Turn",
    told="what the client adds: a text to the first words and the first audio, the end of speech to the first audio",
    driver="turn",
    variants=[
        Variant(load={"turns": 200, "spoken_turns": 20}, bound_s=120, quick_load={"turns": 40, "spoken_turns": 4})
    ],
    metrics=[
        Metric("text_p50_ms", "text to first words, p50", "ms", digits=2, ratio=True),
        Metric("text_p99_ms", "p99", "ms", digits=2),
        Metric("audio_p50_ms", "text to first audio, p50", "ms", digits=2),
        Metric("speech_p50_ms", "end of speech to first audio, p50", "ms", digits=2, ratio=True),
        Metric("speech_max_ms", "most", "ms", digits=1),
    ],
)

_CUT_IN: Final = {"rounds": 1, "round_bound_s": 45}
BARGE_IN: Final = Scenario(
    name="barge-in",
    title="Barge-in",
    told="`speech_started` on the wire to the application, which takes audio at the pace at which it is heard",
    driver="barge_in",
    variants=[
        Variant(name="nothing queued", load={"queued_s": 0, **_CUT_IN, "rounds": 20}, bound_s=90),
        Variant(name="5 s queued", load={"queued_s": 5, **_CUT_IN}, bound_s=60),
        Variant(name="30 s queued", load={"queued_s": 30, **_CUT_IN}, bound_s=60, quick=False),
    ],
    metrics=[
        Metric("told_ms", "told after", "ms", digits=2, ratio=True),
        Metric("stale", "stale audio after it", "deltas", digits=0),
        Metric("never_told", "never told", "", digits=0),
    ],
    settle=settle_barge_in,
)

CHURN: Final = Scenario(
    name="churn",
    title="Churn",
    told="10,000 sessions opened and closed, 8 at a time",
    driver="churn",
    variants=[Variant(load={"sessions": 10_000, "at_once": 8}, bound_s=300, quick_load={"sessions": 300})],
    metrics=[
        Metric("sessions_per_s", "sessions a second", "", digits=0, more_is_better=True),
        Metric("cpu_ms_a_session", "CPU a session", "ms", digits=2, ratio=True),
        Metric("grown_kib_a_session", "memory kept a session", "KiB", digits=3),
        Metric("closes_hung", "closes that hung", "", digits=0),
    ],
)

TOOLS: Final = Scenario(
    name="tools",
    title="Tools",
    told="16 parallel calls, their results given at once; the model goes on when it has them all",
    driver="tools",
    variants=[Variant(load={"calls": 16, "rounds": 20, "round_bound_s": 3}, bound_s=120, quick_load={"rounds": 4})],
    metrics=[
        Metric("p50_ms", "last call to the answer that knows all, p50", "ms", ratio=True),
        Metric("max_ms", "most", "ms"),
        Metric("cpu_ms_a_round", "CPU a round", "ms", ratio=True),
        Metric("refused_creates", "requests refused", "", digits=0),
        Metric("unanswered", "rounds without that answer", "", digits=0),
    ],
    settle=settle_tools,
)

STOP: Final = Scenario(
    name="stop",
    title="Stop",
    told="`stop()` after 100 of 20,000 deltas",
    driver="stop",
    variants=[Variant(load={"deltas": 20_000, "close_bound_s": 30}, bound_s=50, quick_load={"close_bound_s": 5})],
    metrics=[Metric("stop_s", "takes", "ms", scale=1000), Metric("hangs", "not back at the bound", "")],
)

_UNREAD: Final = {"deltas": 20_000, "read_bound_s": 30}
STALL: Final = Scenario(
    name="stall",
    title="Stall",
    told="a consumer that stops in the midst of 96 MB of audio, reads nothing for a while, then all; once with a "
    "server that pings and ends a connection whose pong takes 4 s",
    driver="stall",
    variants=[
        Variant(
            name="4 s",
            load={**_UNREAD, "stall_s": 4, "ping_s": 0},
            bound_s=60,
            quick_load={"read_bound_s": 10},
        ),
        Variant(name="12 s, pings", load={**_UNREAD, "stall_s": 12, "ping_s": 4}, bound_s=70, quick=False),
    ],
    metrics=[
        Metric("grown_mib", "memory grows by", "MiB"),
        Metric("delivered", "deltas delivered", "", digits=0, more_is_better=True),
        Metric("pongs", "pings answered", "", digits=0, more_is_better=True),
        Metric("ended", "ends with", ""),
    ],
    settle=settle_stall,
)

EXPIRY: Final = Scenario(
    name="expiry",
    title="Expiry",
    told="the end of a session's life, as the service tells it: `session_expired`, then a close with code 1001",
    driver="expiry",
    variants=[Variant(load={}, bound_s=30)],
    metrics=[Metric("told", "the application is told", "")],
)

FOOTPRINT: Final = Scenario(
    name="footprint",
    title="Footprint",
    told="import in a fresh process, and what is installed",
    driver=None,
    variants=[Variant(load={}, bound_s=60)],
    metrics=[
        Metric("used_cpu_ms", "import what is used, CPU", "ms", digits=0, ratio=True),
        Metric("import_cpu_ms", "of it the bare import", "ms", digits=0, ratio=True),
        Metric("used_ms", "import, on the clock", "ms", digits=0, ratio=True),
        Metric("modules", "modules", "", digits=0),
        Metric("installed_mib", "installed", "MiB"),
        Metric("distributions", "distributions", "", digits=0),
    ],
)

START: Final = Scenario(
    name="start",
    title="Start",
    told="a fresh process until its first session is open, the interpreter and anyio included",
    driver="start",
    variants=[Variant(load={}, bound_s=30)],
    metrics=[Metric("cpu_ms", "CPU", "ms", digits=0, ratio=True), Metric("process_mib", "process", "MiB", digits=0)],
)

SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (BURST, LIVE, MEMORY, TURN, BARGE_IN, CHURN, TOOLS, STOP, STALL, EXPIRY, FOOTPRINT, START)
}
