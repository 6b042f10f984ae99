"""The ledger's one writer: what came during a write goes with the next, and a slow disk holds nobody's lease up."""

import threading
import time
from collections import Counter

import pytest
import trio
from crewed import Calls, Rig, grant_of, passed, plan_of

from engine.errors import LedgerUnusable
from engine.farm.coordinator.coordinator import Coordinator
from engine.farm.coordinator.journal import Journal
from engine.farm.job import KeptFile
from engine.farm.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    with Ledger.create(tmp_path, plan_of(100), run_id="cafe0001") as made:
        made.begin_session()
        yield made


def nothing():
    return


async def test_all_who_asked_during_a_write_share_the_next_one(ledger):
    calls, asked = [], threading.Event()
    lease = ledger.lease
    ledger.lease = lambda grants: (calls.append(len(grants)), asked.wait(30), lease(grants))
    journal = Journal(ledger, trio.CapacityLimiter(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        journal.lease([(grant_of(0), "worker-1")], nothing)
        while not calls:  # noqa: ASYNC110 - a thread writes
            await trio.sleep(0.001)
        for number in range(1, 21):
            journal.lease([(grant_of(number), "worker-1")], nothing)
        asked.set()
        await journal.flush()
        nursery.cancel_scope.cancel()
    assert calls == [1, 20]
    assert ledger.counts().under_way == 21


async def test_what_is_written_is_told_in_the_loop_and_only_then(ledger):
    told = []
    journal = Journal(ledger, trio.CapacityLimiter(1))
    here = threading.get_ident()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        event = journal.lease(
            [(grant_of(0), "w")], lambda: told.append((threading.get_ident(), ledger.counts().under_way))
        )
        assert not event.is_set()
        await event.wait()
        nursery.cancel_scope.cancel()
    assert told == [(here, 1)]


async def test_a_try_is_ended_before_its_job_is_leased_again(ledger):
    journal = Journal(ledger, None)
    journal.lease([(grant_of(0), "w")], nothing)
    journal.returned(["cafe0001-0-1"])
    journal.lease([(grant_of(0), "w")], nothing)
    journal.record([passed(grant_of(0), status="lost", error_kind="worker")], set(), {}, nothing)
    journal.lease([(grant_of(0, attempt=2), "w")], nothing)
    assert journal.failure is None
    assert [attempt.status for attempt in ledger.attempts()] == ["lost", "leased"]


async def test_after_a_failure_nothing_is_written_and_nobody_waits(ledger):
    def full(grants):
        raise LedgerUnusable("ledger.sqlite", "no space left", "free some")

    told = []
    ledger.lease = full
    journal = Journal(ledger, trio.CapacityLimiter(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        await journal.lease([(grant_of(0), "w")], lambda: told.append(1)).wait()
        await journal.note("stop", "words").wait()
        await journal.flush()
        nursery.cancel_scope.cancel()
    assert isinstance(journal.failure, LedgerUnusable)
    assert told == []
    assert [note.kind for note in ledger.notes()] == []


@pytest.mark.parametrize("path", ["/etc/passwd", "sessions/../../x", "ledger.sqlite", "sessions/a/../../../x"])
async def test_files_that_came_along_stay_below_the_folder_of_sessions(ledger, tmp_path, path):
    journal = Journal(ledger, None)
    journal.lease([(grant_of(0), "w")], nothing)
    result = passed(grant_of(0), files=(KeptFile(path=path, size_bytes=1, kind="audio"),))
    journal.record([result], {"cafe0001-0-1"}, {path: b"x"}, nothing)
    (kept,) = ledger.results()
    assert kept.files == ()
    assert "could not be written" in kept.notes[0]
    assert not (tmp_path.parent / "x").exists()


async def test_files_are_there_before_their_result_is(ledger, tmp_path):
    journal = Journal(ledger, None)
    journal.lease([(grant_of(0), "w")], nothing)
    path = "sessions/0000/cafe0001-0-1/transcript.jsonl"
    result = passed(grant_of(0), files=(KeptFile(path=path, size_bytes=2, kind="transcript"),))
    journal.record([result], {"cafe0001-0-1"}, {path: b"{}"}, nothing)
    assert (tmp_path / path).read_bytes() == b"{}"
    # They hold what people said.
    assert (tmp_path / path).stat().st_mode & 0o777 == 0o600
    assert {(tmp_path / place).stat().st_mode & 0o777 for place in ("sessions/0000", "sessions")} == {0o700}
    assert [file.path for each in ledger.results() for file in each.files] == [path]


async def test_a_disk_that_is_slower_than_the_lease_costs_no_session(tmp_path):
    calls = Calls(length_s=1.2)
    rig = Rig(folder=tmp_path, plan=plan_of(4, sessions=3), calls=calls, workers=1)
    lease, waits = rig.ledger.lease, iter([0.0, 1.5])
    rig.ledger.lease = lambda grants: (time.sleep(next(waits, 0.0)), lease(grants))
    rig.coordinator = Coordinator(rig.plan, rig.ledger, lease_s=1.0, limiter=trio.CapacityLimiter(1))
    with trio.fail_after(20):
        await rig.coordinator.run(rig.backend)
    rig.ledger.close()
    assert Counter(result.status for result in rig.results(final_only=False)) == {"passed": 4}
