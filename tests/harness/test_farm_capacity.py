import json
import sys
from itertools import pairwise

import attrs
import pytest

from benchmarks.farm_capacity import main, plan_of
from benchmarks.farm_findings import Found, Size, faults_of, most_at_a_time
from engine.farm.job import Result, TurnResult
from engine.farm.plan.load import load_plan, ready
from engine.farm.plan.model import Say, Wait

SIZE = Size(sessions=2, workers=1, seconds=1.0, talking=0.5, starts_per_s=2.0)


def test_the_plan_grows_with_the_size_and_keeps_its_steps():
    size = Size(sessions=200, seconds=130.0, starts_per_s=20.0)
    assert size.turns == 3
    plan = ready(plan_of(size, 8080))
    (caller,) = plan.scenarios
    assert [type(step) for step in caller.turns] == [Wait, Say, Wait, Say, Wait, Say, Wait]
    assert caller.repeat * len(caller.rows) == plan.caps.sessions == 200
    assert {round(row["phase_s"] + row["rest_s"] + 6.0, 6) for row in caller.rows} == {size.cycle_s}
    phases = sorted(row["phase_s"] for row in caller.rows)
    assert max(after - before for before, after in pairwise(phases)) < 54.0 / 20


def test_the_plan_can_be_run_by_itself():
    plan = load_plan("benchmarks/farm_capacity.toml")
    assert plan.target.kind == "simulator"
    assert len(plan.scenarios[0].rows) * plan.scenarios[0].repeat == plan.caps.sessions


def found(**changed):
    turn = TurnResult(number=1, status="completed", audio_ms=2000.0, heard_ms=2000.0)
    calls = [
        Result(
            attempt_id=f"a-{job}-1",
            job=job,
            scenario="caller",
            began_at=job / 10,
            duration_ms=5000.0,
            turns=(turn,),
            audio_in_ms=100.0 * SIZE.frame_ms,
            deltas=10,
        )
        for job in range(2)
    ]
    seen = {"requests": ["a-0-1", "a-1-1"], "crashes": 0, "open": 0, "frames": 200, "deltas": 20}
    figures = {
        "size": SIZE,
        "moments": [],
        "results": calls,
        "attempts": 2,
        "seen": [seen],
        "workers": [],
        "coordinator": {},
        "looking_cpu_s": 0.0,
        "exchanges": 1,
        "ledger_bytes": 0,
        "files_bytes": 0,
    }
    return Found(**(figures | changed))


def test_a_run_without_losses_has_no_fault():
    assert faults_of(found()) == []
    assert most_at_a_time(found().results) == 2


def seen(**changed):
    return [found().seen[0] | changed]


def first(**changed):
    one, other = found().results
    return [attrs.evolve(one, **changed), other]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seen": seen(frames=199)}, "microphone 8000 ms fed, 199 frames received"),
        ({"seen": seen(deltas=21)}, "deltas sent 21, received 20"),
        ({"seen": seen(requests=["a-0-1", "a-1-1", "b"])}, "not the ledger's"),
        ({"seen": seen(requests=["a-0-1", "a-0-1"])}, "not the ledger's"),
        ({"seen": seen(crashes=1)}, "1 crashes"),
        ({"attempts": 3}, "3 attempts"),
        ({"results": found().results[:1]}, "1 at a time"),
        ({"results": first(status="error")}, "error"),
        ({"results": first(audio_lost_ms=40.0)}, "40 ms of audio lost"),
        ({"results": first(turns=())}, "1 turns, wanted 2"),
        ({"results": first(turns=(TurnResult(number=1, status="cancelled", audio_ms=1.0),))}, "cancelled"),
        ({"results": first(began_at=-10.0)}, "1 at a time"),
    ],
)
def test_each_loss_is_told(changed, words):
    assert words in "; ".join(faults_of(found(**changed)))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.peers
def test_a_tiny_run_loses_nothing_and_is_measured(tmp_path, capsys):
    arguments = ["--sessions", "2", "--workers", "1", "--seconds", "1", "--talking", "1", "--starts", "10"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "nothing was lost" in capsys.readouterr().out
    told = json.loads((tmp_path / "out" / "capacity.json").read_text())
    assert told["faults"] == []
    figures = told["figures"]
    assert figures["turns"] == 2
    assert figures["all open (s)"] > 1
    assert figures["worker: memory when the first were open (MiB)"] > 10
    assert figures["worker: CPU while all are open (cores)"] > 0
    assert figures["bytes a session sends a second"] > figures["bytes a session receives a second"] > 100
