import pytest
from harness_cases import run

from benchmarks.harness import plan, progress
from benchmarks.harness.contenders import OURS
from benchmarks.harness.scenarios import SCENARIOS


def step_of(scenario):
    return plan.steps([SCENARIOS[scenario]], OURS[:1], 1, quick=True)[0]


@pytest.mark.parametrize(
    ("scenario", "made", "words"),
    [
        ("burst", run("engine", cpu_us_per_event=13.64), "burst #1 engine: CPU per delta 13.6 µs"),
        (
            "live",
            run("engine", scenario="live", cpu_share=0.2),
            "live 100 sessions #1 engine: CPU, share of a core 20.0 %",
        ),
        (
            "expiry",
            run("engine", scenario="expiry", told="raises X"),
            "expiry #1 engine: the application is told raises X",
        ),
        ("tools", run("engine", scenario="tools", p50_ms=None), "p50 unknown"),
        ("burst", run("engine", cpu_us_per_event=1.0, limit="it was late"), "CPU per delta 1.0 µs (it was late)"),
        (
            "burst",
            run("engine", outcome="hang", words="not done after 5 s"),
            "burst #1 engine: hang: not done after 5 s",
        ),
        ("burst", None, "kept from before"),
    ],
)
def test_each_run_is_told_in_a_line(scenario, made, words):
    assert words in progress.line(step_of(scenario), made)


def test_without_a_terminal_each_run_is_a_line_on_standard_error(capsys):
    with progress.told(1) as (begin, end):
        begin(step_of("burst"))
        end(step_of("burst"), run("engine", cpu_us_per_event=2.0))
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith("s] burst #1 engine: CPU per delta 2.0 µs\n")


def test_in_a_terminal_there_is_a_bar(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress.told(1) as (begin, end):
        begin(step_of("burst"))
        end(step_of("burst"), run("engine", cpu_us_per_event=2.0))
    told = capsys.readouterr().err
    assert "1/1" in told
    assert "CPU per delta 2.0 µs" in told
