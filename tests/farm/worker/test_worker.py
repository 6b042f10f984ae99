"""The worker: starts what it is granted, keeps results until they are acknowledged, ends with its lease."""

from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
from crewed import Calls, grant_of, passed, plan_of

from engine.farm.backends import WorkerSpec
from engine.farm.backends.local import LocalBackend
from engine.farm.codec import from_json, to_json
from engine.farm.job import KeptFile, TurnResult
from engine.farm.link import Down, Up
from engine.farm.metrics import METRICS
from engine.farm.worker.outcomes import RESULT_MAX_BYTES, UP_MAX_BYTES
from engine.farm.worker.worker import LIVE_METRICS, Worker


@asynccontextmanager
async def working(call, **how):
    worker = Worker("worker-1", call, **how)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        yield worker
        nursery.cancel_scope.cancel()


def down(*numbers, **more):
    return Down(grants=tuple(map(grant_of, numbers)), starts_per_s=more.pop("starts_per_s", 1000.0), **more)


async def test_a_result_is_told_at_each_roll_until_it_is_acknowledged(autojump_clock):
    async with working(Calls()) as worker:
        await worker.exchange(down(1, linger_s=0.0))
        first = await worker.exchange(down(linger_s=5.0))
        meanwhile = await worker.exchange(down(linger_s=0.0))
        again = await worker.exchange(down(linger_s=0.0, roll=True))
        after = await worker.exchange(down(linger_s=0.0, roll=True, acknowledged=("cafe0001-1-1",)))
    assert [result.attempt_id for result in first.results] == ["cafe0001-1-1"]
    assert meanwhile.results == ()
    assert again.results == first.results
    assert (again.roll, again.active) == ((), 0)
    assert after.results == ()


async def test_what_sessions_under_way_have_taken_is_told_with_the_next_exchange_once(autojump_clock):
    async def call(grant, sink, watch):
        watch.took(grant.attempt_id, 40)
        watch.took(grant.attempt_id, 70)
        await trio.sleep(1.0)
        watch.took(grant.attempt_id, 90)
        return passed(grant, tokens=90)

    async with working(call) as worker:
        await worker.exchange(down(1, linger_s=0.0))
        told = [(await worker.exchange(down(linger_s=0.1))).tokens for _ in range(2)]
        last = await worker.exchange(down(linger_s=5.0))
    assert told == [{"cafe0001-1-1": 70}, {}]
    assert (last.tokens, [result.tokens for result in last.results]) == ({}, [90])


async def test_what_they_have_taken_is_told_again_at_a_roll_for_it_may_never_have_come(autojump_clock):
    async def call(grant, sink, watch):
        if grant.job.number == 1:
            watch.took(grant.attempt_id, 40)
        await trio.sleep(10.0)
        return passed(grant, tokens=40)

    async with working(call) as worker:
        await worker.exchange(down(1, 2, linger_s=0.0))
        await trio.sleep(1.0)
        told = [(await worker.exchange(down(linger_s=0.0, roll=roll))).tokens for roll in (False, True, False)]
        await trio.sleep(10.0)
        told.append((await worker.exchange(down(linger_s=0.0, roll=True))).tokens)
    assert told == [{"cafe0001-1-1": 40}, {"cafe0001-1-1": 40}, {}, {}]


async def test_results_that_are_not_acknowledged_hold_no_others_back(autojump_clock):
    """On a disk that is slow: 8 MiB wait for it, and more sessions end."""

    def outcome(grant):
        return {"turns": tuple(TurnResult(number=n, answer="x" * 1000) for n in range(3000))}

    async with working(Calls(length_s=1.0, outcome=outcome)) as worker:
        await worker.exchange(down(*range(8), linger_s=0.0))
        await trio.sleep(2.0)
        told = []
        for _ in range(4):
            told += [result.job for result in (await worker.exchange(down(linger_s=0.0))).results]
        assert sorted(told) == list(range(8))
        began = trio.current_time()
        assert (await worker.exchange(down(linger_s=1.0))).results == ()
        assert trio.current_time() - began == pytest.approx(1.0)


async def test_it_answers_at_once_when_a_session_ends_and_else_when_the_linger_is_over(autojump_clock):
    async with working(Calls(length_s=3.0)) as worker:
        began = trio.current_time()
        quiet = await worker.exchange(down(1, linger_s=2.0))
        assert (quiet.results, trio.current_time() - began) == ((), 2.0)
        await worker.exchange(down(linger_s=60.0))
        assert trio.current_time() - began == pytest.approx(3.0, abs=0.1)


async def test_it_counts_what_runs_and_what_waits_and_names_them_when_asked(autojump_clock):
    async with working(Calls(length_s=60.0)) as worker:
        await worker.exchange(down(1, 2, 3, starts_per_s=0.1, linger_s=1.0))
        up = await worker.exchange(down(starts_per_s=0.1, linger_s=0.0, roll=True))
        assert (up.active, up.waiting) == (3, 2)
        assert sorted(up.roll) == ["cafe0001-1-1", "cafe0001-2-1", "cafe0001-3-1"]
        assert (await worker.exchange(down(linger_s=0.0))).roll is None


async def test_starts_keep_to_the_pace_and_a_new_pace_counts_at_once(autojump_clock):
    calls = Calls(length_s=1000.0)
    async with working(calls) as worker:
        await worker.exchange(down(*range(10), starts_per_s=0.01, linger_s=1.0, lease_s=100))
        await worker.exchange(down(starts_per_s=2.0, linger_s=3.1, lease_s=100))
    times = [at for at, _ in calls.started]
    gaps = [later - former for former, later in pairwise(times)]
    assert len(times) == 8
    assert gaps == pytest.approx([1.0, 0.45, 0.5, 0.5, 0.5, 0.5, 0.5])


async def test_when_its_lease_is_over_all_sessions_end_as_lost_and_a_new_epoch_begins(autojump_clock):
    calls = Calls(length_s=60.0)
    async with working(calls) as worker:
        await worker.exchange(down(1, 2, linger_s=0.0, lease_s=10.0))
        await trio.sleep(9.0)
        assert len(calls.running) == 2
        await trio.sleep(2.0)
        assert not calls.running
        up = await worker.exchange(down(3, linger_s=0.0))
        assert {result.status for result in up.results} == {"lost"}
        assert {result.error_kind for result in up.results} == {"worker"}
        # The word that ended the silence was no answer to one of its own: it grants nothing.
        assert up.returned == ("cafe0001-3-1",)
        await worker.exchange(down(4, linger_s=0.0))
        await trio.sleep(1.0)
        assert len(calls.running) == 1


async def test_a_word_that_was_stuck_on_its_way_extends_nothing(autojump_clock):
    calls = Calls(length_s=60.0)
    async with working(calls) as worker:
        await worker.exchange(down(1, linger_s=0.0, lease_s=10.0))  # answered at 0 s
        await trio.sleep(8.0)
        await worker.exchange(down(linger_s=0.0, lease_s=10.0))  # of before 8 s: good until 10 s
        await trio.sleep(1.0)
        await worker.exchange(down(linger_s=0.0, lease_s=10.0))  # of after 8 s: good until 18 s, not 19
        await trio.sleep(8.9)
        assert calls.running
        await trio.sleep(0.2)
        assert not calls.running


async def test_results_that_nobody_took_outlive_the_lease(autojump_clock):
    async with working(Calls(length_s=1.0)) as worker:
        await worker.exchange(down(1, linger_s=0.0, lease_s=5.0))
        await trio.sleep(60.0)
        up = await worker.exchange(down(linger_s=0.0))
    assert [result.status for result in up.results] == ["passed"]


async def test_finish_hands_back_what_did_not_begin_and_lets_the_rest_end(autojump_clock):
    calls = Calls(length_s=5.0)
    async with working(calls) as worker:
        await worker.exchange(down(1, 2, 3, starts_per_s=0.5, linger_s=1.0))
        up = await worker.exchange(down(linger_s=1.0, stop="finish"))
        assert up.returned == ("cafe0001-2-1", "cafe0001-3-1")
        assert (await worker.exchange(down(4, linger_s=0.0))).returned == ("cafe0001-4-1",)
        up = await worker.exchange(down(linger_s=30.0))
        assert [result.status for result in up.results] == ["passed"]


async def test_now_cancels_sessions_as_stopped(autojump_clock):
    async with working(Calls(length_s=60.0)) as worker:
        await worker.exchange(down(1, linger_s=1.0))
        began = trio.current_time()
        up = await worker.exchange(down(linger_s=30.0, stop="now"))
        up = up if up.results else await worker.exchange(down(linger_s=30.0))
        assert [result.status for result in up.results] == ["stopped"]
        assert up.results[0].duration_ms == pytest.approx(1000)
        assert trio.current_time() - began < 1.0


async def test_stop_waits_for_sessions_only_for_the_grace(autojump_clock):
    calls = Calls(length_s=60.0)
    async with working(calls) as worker:
        await worker.exchange(down(1, linger_s=1.0))
        began = trio.current_time()
        await worker.stop(5.0)
        assert trio.current_time() - began == pytest.approx(5.0)
        assert not calls.running


async def test_a_session_that_crashes_ends_alone(autojump_clock):
    async def call(grant, sink, watch):
        await trio.sleep(1.0)
        if grant.job.number == 1:
            raise RuntimeError("a fault of ours")
        return passed(grant)

    async with working(call) as worker:
        await worker.exchange(down(1, 2, linger_s=0.0))
        await trio.sleep(2.0)
        up = await worker.exchange(down(linger_s=0.0))
    told = {result.job: (result.status, result.error_kind, result.error) for result in up.results}
    assert told == {1: ("error", "crash", "RuntimeError: a fault of ours"), 2: ("passed", None, "")}


async def test_many_large_results_come_in_bounded_batches(autojump_clock):
    def outcome(grant):
        return {"turns": tuple(TurnResult(number=n, answer="x" * 1000) for n in range(3000))}

    async with working(Calls(length_s=1.0, outcome=outcome)) as worker:
        await worker.exchange(down(*range(8), linger_s=0.0))
        await trio.sleep(2.0)
        seen = []
        while len(seen) < 8:
            up = await worker.exchange(down(linger_s=1.0, acknowledged=tuple(seen)))
            assert 0 < len(up.results) < 4  # of 3.1 MB each, at most 8 MiB at a time
            seen += [result.attempt_id for result in up.results]
    assert len(set(seen)) == 8
    assert UP_MAX_BYTES == 8 * 2**20


async def test_a_result_over_the_bound_goes_without_its_turns_and_says_so(autojump_clock):
    def outcome(grant):
        return {"tokens": 7, "turns": (TurnResult(number=1, answer="x" * RESULT_MAX_BYTES),)}

    async with working(Calls(length_s=1.0, outcome=outcome)) as worker:
        await worker.exchange(down(1, linger_s=0.0))
        (result,) = (await worker.exchange(down(linger_s=5.0))).results
    assert (result.turns, result.tokens) == ((), 7)
    assert "over the bound" in result.notes[0]


async def test_what_no_json_holds_is_made_to_fit_and_ends_no_worker(autojump_clock):
    async def call(grant, sink, watch):
        if grant.job.number == 1:
            watch.took(grant.attempt_id, 2**64)
        await trio.sleep(1.0)
        return passed(grant, tokens=2**64, error="half a character: \ud83d")

    async with working(call) as worker:
        await worker.exchange(down(1, linger_s=0.0))
        ups = [await worker.exchange(down(linger_s=linger_s)) for linger_s in (0.1, 5.0)]
    told = [from_json(to_json(up), Up) for up in ups]
    assert told[0].tokens == {"cafe0001-1-1": 2**63 - 1}
    ((result,),) = [up.results for up in told if up.results]
    assert (result.tokens, result.error) == (2**63 - 1, "half a character: ?")


async def test_files_travel_with_their_result_where_the_folder_is_not_shared(autojump_clock):
    async def call(grant, sink, watch):
        place = sink.begin(grant)
        (place / "transcript.jsonl").write_text("{}\n")
        files = (KeptFile(path=f"{place_of(grant)}/transcript.jsonl", size_bytes=3, kind="transcript"),)
        sink.keep(grant, files)
        return passed(grant, files=files)

    from engine.farm.caller.files import place_of

    async with working(call) as worker:
        assert not worker.shares_folder
        await worker.exchange(down(1, linger_s=0.0))
        up = await worker.exchange(down(linger_s=1.0))
        up = up if up.results else await worker.exchange(down(linger_s=1.0))
    assert dict(up.files) == {up.results[0].files[0].path: b"{}\n"}


async def test_turns_are_told_as_they_end_each_once(autojump_clock):
    async def call(grant, sink, watch):
        for number in (1, 2):
            await trio.sleep(1.0)
            watch.turn_ended(TurnResult(number=number, time_to_first_audio_ms=100.0 * number))
        return passed(grant)

    async with working(call) as worker:
        await worker.exchange(down(1, linger_s=0.0))
        await trio.sleep(1.5)
        first = await worker.exchange(down(linger_s=0.0))
        await trio.sleep(1.0)
        second = await worker.exchange(down(linger_s=0.0))
    assert [up.figures["time_to_first_audio"]["total"] for up in (first, second)] == [100.0, 200.0]
    assert set(LIVE_METRICS) < set(METRICS)


async def test_it_tells_how_its_process_fares(autojump_clock):
    async with working(Calls()) as worker:
        up = await worker.exchange(down(linger_s=0.0))
    assert up.memory_bytes > 10 * 2**20
    assert up.cpu_s > 0


async def test_cancelled_it_leaves_nothing_behind(autojump_clock):
    calls = Calls(length_s=60.0)
    async with working(calls) as worker:
        await worker.exchange(down(1, 2, linger_s=1.0))
    assert not calls.running


async def test_a_tool_that_ends_the_program_ends_its_session_alone(autojump_clock):
    async def call(grant, sink, watch):
        await trio.sleep(1.0)
        if grant.job.number == 1:
            watch.cut(passed(grant, tokens=9, cost_usd=0.5))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                raise SystemExit(3)
        return passed(grant)

    async with working(call) as worker:
        await worker.exchange(down(1, 2, linger_s=0.0))
        await trio.sleep(2.0)
        up = await worker.exchange(down(linger_s=0.0))
    told = {result.job: (result.status, result.error_kind, result.tokens) for result in up.results}
    assert told == {1: ("error", "crash", 9), 2: ("passed", None, 0)}


async def test_the_time_that_its_machine_slept_counts_against_its_lease(autojump_clock):
    calls, slept = Calls(length_s=60.0), [100.0]
    async with working(calls, asleep_s=lambda: slept[0]) as worker:
        await worker.exchange(down(1, linger_s=0.0, lease_s=10.0))
        await trio.sleep(3.0)
        assert calls.running
        slept[0] += 3600.0
        await trio.sleep(1.5)
        assert not calls.running
        up = await worker.exchange(down(2, linger_s=0.0))
        assert [result.status for result in up.results] == ["lost"]
        await worker.exchange(down(3, linger_s=0.0))
        await trio.sleep(5.0)
        assert list(calls.running.values()) == [3]


async def test_what_a_session_took_that_is_cut_off_is_told(autojump_clock):
    async def call(grant, sink, watch):
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            watch.cut(passed(grant, tokens=9, began_at=5.0, duration_ms=77.0))
            raise

    async with working(call) as worker:
        await worker.exchange(down(1, linger_s=1.0, lease_s=5.0))
        await trio.sleep(6.0)
        (result,) = (await worker.exchange(down(linger_s=0.0))).results
    assert (result.status, result.error_kind, result.tokens, result.duration_ms) == ("lost", "worker", 9, 77.0)


async def test_in_one_event_loop_there_is_no_lease_to_lose(tmp_path, autojump_clock):
    calls = Calls(length_s=60.0)
    ups = []

    async def on_link(link):
        ups.append(await link.exchange(down(1, linger_s=0.0)))
        await trio.sleep(45.0)  # As a laptop that is held up, or a debugger's breakpoint.
        ups.append(await link.exchange(down(linger_s=30.0)))

    spec = WorkerSpec(plan=plan_of(1), folder="")
    await LocalBackend(spec, make=lambda spec, name: Worker(name, calls, folder=tmp_path)).run(on_link)
    assert [result.status for result in ups[1].results] == ["passed"]
