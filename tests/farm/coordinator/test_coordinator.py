"""The coordinator: caps over all workers, results counted once, and what becomes of lost ones."""

import re
from collections import Counter
from itertools import pairwise

import pytest
import trio
from crewed import QUICK, Calls, Rig, WeakLink, grant_of, passed, plan_of

from engine.errors import FarmError, LedgerUnusable
from engine.farm.coordinator.coordinator import LINGER_MAX_S, STOPPED_WITHIN_S
from engine.farm.coordinator.crew import EXCHANGES_PER_S, Crew
from engine.farm.job import KeptFile
from engine.farm.ledger import Ledger
from engine.farm.link import Up
from engine.farm.plan.estimate import expected
from engine.farm.plan.model import Caps, Keep, Load
from engine.farm.worker.worker import Worker


def counted(results):
    return Counter(result.status for result in results)


async def test_every_job_is_run_once_and_the_cap_holds_over_all_workers(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(100, sessions=10), workers=3)
    await rig.run()
    assert sorted(result.job for result in rig.results()) == list(range(100))
    assert counted(rig.results()) == {"passed": 100}
    assert rig.calls.peak == 10
    assert rig.coordinator.why == "all jobs are done"
    workers = Counter(result.worker for result in rig.results())
    assert min(workers.values()) >= 10


async def test_the_pace_holds_over_all_workers(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(200, sessions=1000, starts_per_s=20.0), workers=4)
    began = trio.current_time()
    await rig.run()
    assert rig.calls.most_in(5.0) <= 5 * 20 + 20
    assert trio.current_time() - began == pytest.approx(200 / 20, rel=0.3)


async def test_no_minute_takes_more_tokens_than_its_cap_in_this_stretch_and_the_one_before(tmp_path, autojump_clock):
    part = round(expected(plan_of())["talk"].tokens / 3)
    cap = 30 * part
    taken = []

    async def call(grant, sink, watch):
        for number in (1, 2, 3):
            await trio.sleep(2.0)
            taken.append((trio.current_time(), part))
            watch.took(grant.attempt_id, number * part)
        return passed(grant, tokens=3 * part)

    plan = plan_of(40, caps=Caps(sessions=100, starts_per_s=100.0, tokens_per_min=cap))
    cut_off = Rig(folder=tmp_path, plan=plan, calls=call)
    with trio.move_on_after(40.0):
        await cut_off.run()
    cut_off.ledger.close()
    before = len(taken)
    rig = Rig(folder=tmp_path, plan=plan, calls=call)
    await rig.run()

    minutes = [sum(tokens for when, tokens in taken if at - 60.0 < when <= at) for at, _ in taken]
    assert cap / 2 < max(minutes) <= cap
    assert 0 < before < len(taken)
    assert counted(rig.results()) == {"passed": 40}


async def test_a_killed_workers_sessions_are_lost_and_tried_again_at_once(tmp_path, autojump_clock):
    calls = Calls(length_s=5.0)
    rig = Rig(folder=tmp_path, plan=plan_of(20, sessions=10, retries=QUICK), calls=calls)

    async def kill():
        await trio.sleep(2.0)
        rig.backend.links["worker-1"].kill()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(kill)
        await rig.run()
    everything = rig.results(final_only=False)
    lost = [result for result in everything if result.status == "lost"]
    assert {result.worker for result in lost} == {"worker-1"}
    assert 3 <= len(lost) <= 7
    assert counted(rig.results()) == {"passed": 20}
    assert sum(calls.ended.values()) == 20
    assert calls.peak <= 10
    assert rig.backend.incarnations["worker-1"] == 2
    assert trio.current_time() < 5.0 * 4


async def test_slots_of_a_silent_worker_are_free_only_after_its_lease(tmp_path, autojump_clock):
    calls = Calls(length_s=30.0)
    rig = Rig(folder=tmp_path, plan=plan_of(12, sessions=6, retries=QUICK), calls=calls, lease_s=10.0)
    seen = []

    async def cut():
        await trio.sleep(2.0)
        rig.backend.links["worker-1"].cut = True
        cut_at = trio.current_time()
        while trio.current_time() < cut_at + 20:
            await trio.sleep(0.1)
            seen.append((trio.current_time() - cut_at, len(calls.running), rig.coordinator.snapshot().active))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cut)
        await rig.run()
    assert calls.peak == 6
    assert calls.twice_at_once == []
    # Its sessions go on until its lease is over, and count until then; nothing starts in their place.
    assert all(running <= active <= 6 for _, running, active in seen)
    assert all(running == 6 for after, running, _ in seen if after < 9.0)
    assert counted(rig.results()) == {"passed": 12}


async def test_sessions_outlive_a_link_that_was_cut_for_less_than_the_lease(tmp_path, autojump_clock):
    calls = Calls(length_s=20.0)
    plan = plan_of(4, sessions=4)
    rig = Rig(folder=tmp_path, plan=plan, calls=calls, workers=1)
    await rig.coordinator.begin()
    worker = Worker("worker-1", calls, folder=tmp_path)
    first, second = WeakLink(worker, None), WeakLink(worker, None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        nursery.start_soon(rig.coordinator.drive, first)
        await trio.sleep(3.0)
        first.cut = True
        await trio.sleep(2.0)
        await rig.coordinator.drive(second)
        await worker.stop(0)
    assert counted(rig.results(final_only=False)) == {"passed": 4}
    rig.ledger.close()


async def test_the_first_end_of_an_attempt_counts_and_a_late_result_is_noted(tmp_path, autojump_clock):
    """A link that is cut for good while its worker's session ends: the result comes with the next incarnation."""
    calls = Calls(length_s=3.0, outcome=lambda grant: {"tokens": 5})
    rig = Rig(folder=tmp_path, plan=plan_of(1, sessions=1, retries=QUICK), calls=calls, workers=1, lease_s=5.0)
    await rig.coordinator.begin()
    worker, other = Worker("worker-1", calls, folder=tmp_path), Worker("worker-2", calls, folder=tmp_path)
    link = WeakLink(worker, None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        nursery.start_soon(other.run)
        nursery.start_soon(rig.coordinator.drive, link)
        await trio.sleep(1.0)
        link.cut = True
        await trio.sleep(8.0)  # The lease is over, the job is open again, and the first try has ended well meanwhile.
        nursery.start_soon(rig.coordinator.drive, WeakLink(worker, None))
        await rig.coordinator.drive(WeakLink(other, None))
        await worker.stop(0)
        await other.stop(0)
    results = rig.results(final_only=False)
    assert [(result.status, result.attempt) for result in results] == [("lost", 1), ("passed", 2)]
    assert rig.ledger.counts().tokens == rig.coordinator.snapshot().tokens == 10  # Both tries were spent.
    rig.ledger.close()


async def test_a_result_that_is_told_twice_is_counted_once(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(10, sessions=5), workers=1)
    echoes = []

    def repeat(link):
        exchange = link.exchange

        async def twice(down):
            up = await exchange(down)
            told = (*up.results, *echoes)
            echoes[:] = up.results
            return Up(results=told, active=up.active, waiting=up.waiting, returned=up.returned, roll=up.roll)

        link.exchange = twice

    rig.backend.came = repeat
    await rig.run()
    assert counted(rig.results(final_only=False)) == {"passed": 10}
    assert rig.coordinator.snapshot().done == {"passed": 10}


async def test_results_that_nobody_asked_for_are_not_counted(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(3, sessions=1), workers=1)

    def flood(link):
        exchange = link.exchange

        async def flooding(down):
            up = await exchange(down)
            made_up = tuple(passed_of(f"{rig.ledger.run_id}-{number}-9") for number in range(500))
            return Up(results=(*up.results, *made_up), active=up.active, roll=up.roll)

        link.exchange = flooding

    rig.backend.came = flood
    await rig.run()
    assert counted(rig.results(final_only=False)) == {"passed": 3}


def passed_of(attempt_id):
    return passed(grant_of(0), attempt_id=attempt_id)


async def test_what_a_worker_no_longer_has_is_lost_and_tried_again(tmp_path, autojump_clock):
    calls = Calls(length_s=5.0)
    rig = Rig(folder=tmp_path, plan=plan_of(4, sessions=4, retries=QUICK), calls=calls, workers=1)

    async def call(grant, sink, watch):
        if grant.job.number == 0 and grant.attempt == 1:
            await trio.sleep(2.0)
            worker = rig.backend.links["worker-1"].worker
            worker._outcomes.add = lambda result, files, add=worker._outcomes.add: (
                None if result.job == 0 and result.attempt == 1 else add(result, files)
            )
        return await calls(grant, sink, watch)

    rig.backend.call = call
    await rig.run()
    assert [(r.job, r.status) for r in rig.results(final_only=False) if r.status != "passed"] == [(0, "lost")]
    assert counted(rig.results()) == {"passed": 4}


async def test_finish_lets_sessions_end_and_leaves_the_rest_open(tmp_path, autojump_clock):
    calls = Calls(length_s=10.0)
    rig = Rig(folder=tmp_path, plan=plan_of(20, sessions=5), calls=calls)

    async def finish():
        await trio.sleep(3.0)
        rig.coordinator.finish("Ctrl-C")
        rig.coordinator.finish("again")
        assert rig.coordinator.snapshot().phase == "finishing"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(finish)
        await rig.run()
    assert counted(rig.results(final_only=False)) == {"passed": 5}
    assert (rig.coordinator.why, rig.coordinator.stopped, rig.coordinator.open_jobs) == ("Ctrl-C", True, 15)
    assert trio.current_time() < 15


async def test_finish_takes_back_what_had_not_begun_and_it_is_no_try(tmp_path, autojump_clock):
    calls = Calls(length_s=1.0)
    rig = Rig(folder=tmp_path, plan=plan_of(30, sessions=30, starts_per_s=10.0), calls=calls, workers=1)

    async def finish():
        while len(calls.started) < 3:  # noqa: ASYNC110
            await trio.sleep(0.01)
        rig.coordinator.finish("enough")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(finish)
        await rig.run()
    ended = counted(rig.results(final_only=False))
    assert set(ended) == {"passed"}
    assert ended["passed"] == len(calls.started) < 30
    again = Rig(folder=tmp_path, plan=rig.plan, calls=Calls())
    await again.run()
    assert {result.attempt for result in again.results()} == {1}
    assert counted(again.results()) == {"passed": 30}


async def test_past_the_grace_sessions_are_stopped_and_open_for_a_resumed_run(tmp_path, autojump_clock):
    plan = plan_of(6, sessions=3)
    rig = Rig(folder=tmp_path, plan=plan, calls=Calls(length_s=100.0), grace_s=5.0)

    async def finish():
        await trio.sleep(2.0)
        rig.coordinator.finish("Ctrl-C")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(finish)
        await rig.run()
    assert counted(rig.results(final_only=False)) == {"stopped": 3}
    assert rig.results() == []
    assert trio.current_time() == pytest.approx(7.0, abs=2 * LINGER_MAX_S)

    again = Rig(folder=tmp_path, plan=plan, calls=Calls())
    await again.run()
    assert sorted(result.job for result in again.results()) == list(range(6))
    assert again.coordinator.snapshot().done == {"passed": 6}


async def test_stop_cancels_at_once(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(6, sessions=3), calls=Calls(length_s=100.0))

    async def stop():
        await trio.sleep(2.0)
        rig.coordinator.stop("Ctrl-C twice")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop)
        await rig.run()
    assert counted(rig.results(final_only=False)) == {"stopped": 3}
    assert trio.current_time() < 2.0 + 3 * LINGER_MAX_S


async def test_a_coordinator_that_was_cut_off_leaves_lost_tries_and_holds_their_slots_for_a_lease(
    tmp_path, autojump_clock
):
    plan = plan_of(8, sessions=4, retries=QUICK)
    rig = Rig(folder=tmp_path, plan=plan, calls=Calls(length_s=50.0), lease_s=10.0)
    with trio.move_on_after(5.0):
        await rig.run()
    rig.ledger.close()

    calls = Calls(length_s=1.0)
    again = Rig(folder=tmp_path, plan=plan, calls=calls, lease_s=10.0)
    began = trio.current_time()
    await again.run()
    # All four slots may still be in use on machines that nobody sees.
    assert min(at for at, _ in calls.started) >= began + 10.0
    assert counted(again.results()) == {"passed": 8}
    assert counted(again.results(final_only=False)) == {"passed": 8, "lost": 4}
    assert again.coordinator.snapshot().retried == 4


async def test_figures_of_earlier_stretches_are_known_when_the_run_goes_on(tmp_path, autojump_clock):
    plan = plan_of(8, sessions=2)
    rig = Rig(folder=tmp_path, plan=plan, calls=Calls(length_s=1.0))
    with trio.move_on_after(2.5):
        await rig.run()
    rig.ledger.close()
    assert rig.coordinator.knows_figures
    earlier = rig.coordinator.snapshot().figures.count("sessions")
    assert 0 < earlier < 8

    again = Rig(folder=tmp_path, plan=plan, calls=Calls(length_s=1.0))
    await again.coordinator.begin()
    assert not again.coordinator.knows_figures
    assert again.coordinator.snapshot().figures.metrics == ()
    again.ledger.close()
    third = Rig(folder=tmp_path, plan=plan, calls=Calls(length_s=1.0))
    await third.run()
    assert third.coordinator.snapshot().figures.count("sessions") == 8


async def test_errors_are_retried_by_policy_and_the_last_try_is_final(tmp_path, autojump_clock):
    def outcome(grant):
        if grant.job.number == 0:
            return {"status": "error", "error_kind": "service", "error": "busy"}
        return {"status": "error", "error_kind": "service"} if grant.attempt == 1 else {}

    rig = Rig(folder=tmp_path, plan=plan_of(3, retries=QUICK), calls=Calls(outcome=outcome))
    await rig.run()
    final = {result.job: (result.status, result.attempt) for result in rig.results()}
    assert final == {0: ("error", 3), 1: ("passed", 2), 2: ("passed", 2)}
    assert rig.coordinator.snapshot().errors == {"service": 5}


async def test_a_budget_stops_admission_and_the_rest_stays_open(tmp_path, autojump_clock):
    caps = Caps(sessions=2, starts_per_s=100.0, budget_tokens=500)
    calls = Calls(outcome=lambda grant: {"tokens": 100})
    rig = Rig(folder=tmp_path, plan=plan_of(100, caps=caps), calls=calls)
    await rig.run()
    assert 0 < len(rig.results()) <= 6
    assert rig.coordinator.open_jobs == 100 - len(rig.results())
    assert "budget" in rig.coordinator.why


async def test_a_load_of_its_own_time_ends_with_it_and_every_begun_job_has_its_last_result(tmp_path, autojump_clock):
    load = Load(shape="constant", sessions=4, duration_s=30.0)
    rig = Rig(folder=tmp_path, plan=plan_of(5, sessions=4, load=load), calls=Calls(length_s=2.0))
    await rig.run()
    assert len(rig.results()) == len(rig.results(final_only=False)) > 40
    assert rig.coordinator.open_jobs is None
    assert trio.current_time() == pytest.approx(32.0, abs=2.0)


async def test_exchanges_stay_under_the_bound_however_many_workers_there_are(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(150, sessions=150, starts_per_s=20.0), workers=100)
    links = []
    rig.backend.came = links.append
    await rig.run()
    lasted_s = trio.current_time()
    assert sum(len(link.told) for link in links) <= (EXCHANGES_PER_S + 1) * lasted_s + 2 * len(links)
    assert counted(rig.results()) == {"passed": 150}


async def test_a_workers_slots_are_not_exceeded(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(30, sessions=100), workers=3, slots=2)
    await rig.run()
    assert rig.calls.peak == 6
    assert counted(rig.results()) == {"passed": 30}


async def test_a_full_disk_ends_the_run_in_one_line_and_what_was_acknowledged_is_there(tmp_path, autojump_clock):
    calls = Calls(length_s=1.0)
    rig = Rig(folder=tmp_path, plan=plan_of(100, sessions=5), calls=calls)
    record, written = rig.ledger.record, []

    def full(results, final):
        results = list(results)
        if len(written) + len(results) > 20:
            raise LedgerUnusable(
                str(tmp_path / "ledger.sqlite"), "no space left on the disk", "free some, then --resume"
            )
        written.extend(results)
        return record(results, final)

    rig.ledger.record = full
    words = r"no space left on the disk; (\d) sessions have no result there, and will be had again \| free some"
    with pytest.raises(LedgerUnusable, match=words) as caught:
        await rig.run()
    assert "\n" not in str(caught.value)
    assert not calls.running
    rig.ledger.close()
    assert len(rig.results()) == len(written) <= 20
    lost = Ledger.open(tmp_path).begin_session().lost
    assert len(lost) == int(re.search(words, str(caught.value))[1]) > 0


async def test_a_backend_that_gives_up_is_told_and_the_ledger_is_whole(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(3))

    class Leaving:
        async def run(self, on_link):
            return

    with pytest.raises(FarmError, match="--resume"):
        await rig.coordinator.run(Leaving())
    rig.ledger.close()
    assert rig.results() == []


async def test_a_run_that_is_over_ends_a_backend_that_has_no_worker(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(3))

    class Hanging:
        async def run(self, on_link):
            await trio.sleep_forever()

    async def stop():
        await trio.sleep(3.0)
        rig.coordinator.stop("Ctrl-C")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop)
        await rig.coordinator.run(Hanging())
    assert trio.current_time() < 15
    rig.ledger.close()


async def test_the_bound_of_kept_files_holds_over_the_run(tmp_path, autojump_clock):
    room = []

    def outcome(grant):
        room.append(grant.keep.max_bytes)
        size = min(grant.keep.max_bytes, 2 * 2**20)
        return {"files": (KeptFile(path="sessions/0000/x/audio.flac", size_bytes=size, kind="audio"),)} if size else {}

    keep = Keep(max_bytes=20 * 2**20)
    rig = Rig(folder=tmp_path, plan=plan_of(40, sessions=5, keep=keep), calls=Calls(outcome=outcome))
    await rig.run()
    assert 15 * 2**20 < rig.coordinator.snapshot().kept_bytes <= 20 * 2**20
    assert room[-1] == 0
    with Ledger.open(tmp_path, write=False) as ledger:
        assert any(note.kind == "files" for note in ledger.notes())


async def test_a_snapshot_tells_how_it_stands(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(10, sessions=4), calls=Calls(length_s=10.0))
    pictures = []

    async def look():
        await trio.sleep(12.0)
        pictures.append(rig.coordinator.snapshot())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await rig.run()
    (picture,) = pictures
    assert (picture.phase, picture.jobs, picture.done, picture.active) == ("running", 10, {"passed": 4}, 4)
    assert [row.name for row in picture.workers] == ["worker-1", "worker-2"]
    assert sum(row.active for row in picture.workers) == 4
    assert picture.left_s == pytest.approx(12 * 6 / 4, rel=0.2)
    assert picture.figures.count("session_time") == 4
    assert rig.coordinator.snapshot().phase == "over"


async def test_a_link_that_has_what_nobody_granted_is_not_worked_with(tmp_path, autojump_clock):
    rig = Rig(folder=tmp_path, plan=plan_of(3), lease_s=5.0)
    await rig.coordinator.begin()

    class Stranger:
        name, slots, shares_folder = "worker-9", None, True

        async def exchange(self, down):
            return Up(active=1, roll=("dead0001-7-1",))

        async def stop(self, grace_s):
            return

    await rig.coordinator.drive(Stranger())
    assert rig.coordinator.snapshot().workers[0].state == "down"
    rig.ledger.close()


@pytest.mark.parametrize("jobs", [4, 40], ids=["no job is left", "the cap is full"])
async def test_while_all_sessions_only_go_on_workers_are_asked_twice_a_second(tmp_path, autojump_clock, jobs):
    plan = plan_of(jobs, sessions=4)
    rig = Rig(folder=tmp_path, plan=plan, calls=Calls(length_s=100.0), lease_s=10.0, grace_s=0.0)
    links = []
    rig.backend.came = links.append
    counts = []

    async def look():
        await trio.sleep(20.0)
        counts.append(sum(len(link.told) for link in links))
        await trio.sleep(50.0)
        counts.append(sum(len(link.told) for link in links))
        rig.coordinator.stop("seen")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await rig.run()
    assert (counts[1] - counts[0]) / 50.0 <= len(links) / LINGER_MAX_S + 1


def test_workers_that_come_together_do_not_speak_in_step(tmp_path):
    crew = Crew(100)
    here = [crew.came(WeakLink(Worker(f"worker-{number}", Calls(), folder=tmp_path), None)) for number in range(100)]
    for each in here:
        crew.heard(each, Up(), 1.0)
    first = sorted(crew.pause_s(each) for each in here)
    assert 0 <= first[0] < 0.05
    assert 0.45 < first[-1] <= crew.exchange_every_s == 0.5
    assert max(later - former for former, later in pairwise(first)) < 0.05
    crew.heard(here[0], Up(), 2.0)
    assert crew.pause_s(here[0]) == crew.exchange_every_s


async def test_a_session_that_holds_on_when_it_is_cancelled_does_not_hold_the_run(tmp_path, autojump_clock):
    async def stubborn(grant, sink, watch):
        with trio.CancelScope(shield=True):
            await trio.sleep(60.0)
        return passed(grant)

    rig = Rig(folder=tmp_path, plan=plan_of(4, sessions=2), calls=stubborn, workers=1, lease_s=5.0)
    over_at = []

    async def stop():
        await trio.sleep(2.0)
        rig.coordinator.stop("Ctrl-C")
        while not rig.coordinator.over:  # noqa: ASYNC110
            await trio.sleep(0.1)
        over_at.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop)
        await rig.run()
    assert over_at[0] < 2.0 + STOPPED_WITHIN_S + 5.0 + 1.0
    assert {(r.status, r.error[:35]) for r in rig.results(final_only=False)} == {
        ("lost", "2 sessions did not end within 5 s o")
    }


async def test_jobs_that_were_cut_off_wait_for_a_lease_also_when_it_happens_twice(tmp_path, autojump_clock):
    """Their sessions may go on, on machines that nobody sees: no job is had twice at a time."""
    plan = plan_of(8, sessions=4, retries=QUICK)
    rig = Rig(folder=tmp_path, plan=plan, calls=Calls(length_s=50.0))
    with trio.move_on_after(5.0):
        await rig.run()
    rig.ledger.close()
    cut_at = trio.current_time()
    for stretch_s in (3.0, 6.0):
        again = Rig(folder=tmp_path, plan=plan, calls=Calls(length_s=50.0))
        with trio.move_on_after(stretch_s):
            await again.run()
        again.ledger.close()
        assert again.calls.started == []
    last = Rig(folder=tmp_path, plan=plan)
    await last.run()
    firsts = [at for at, attempt_id in last.calls.started if not attempt_id.endswith("-1")]
    assert len(firsts) == 4
    assert min(firsts) >= cut_at + 3.0 + 6.0 + 10.0
    assert counted(last.results()) == {"passed": 8}


async def test_what_stopped_sessions_took_counts_against_the_budget_of_a_resumed_run(tmp_path, autojump_clock):
    caps = Caps(sessions=2, starts_per_s=100.0, budget_tokens=500)

    class Talks(Calls):
        async def __call__(self, grant, sink, watch):
            try:
                return await super().__call__(grant, sink, watch)
            except trio.Cancelled:
                watch.cut(passed(grant, tokens=150, cost_usd=0.25, session_id="sess_1"))
                raise

    plan = plan_of(20, caps=caps)
    rig = Rig(folder=tmp_path, plan=plan, calls=Talks(length_s=100.0))

    async def stop():
        await trio.sleep(2.0)
        rig.coordinator.stop("Ctrl-C")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop)
        await rig.run()
    assert [(r.status, r.tokens, r.cost_usd, r.session_id) for r in rig.results(final_only=False)] == [
        ("stopped", 150, 0.25, "sess_1")
    ] * 2
    again = Rig(folder=tmp_path, plan=plan, calls=Calls(outcome=lambda grant: {"tokens": 100}))
    await again.run()
    assert again.coordinator.snapshot().tokens <= 500
    assert 0 < len(again.results()) <= 2
