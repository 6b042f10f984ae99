"""A disk that fails, a file that is none of ours: one line that says what to do, and the ledger as it was."""

import os
import resource
import sqlite3
import subprocess
from contextlib import closing, contextmanager

import pytest
from entries import PLAN, RUN, attempt_id, finals, full_result, leases, result

from engine.errors import LedgerUnusable
from engine.farm.ledger import Ledger, database, export
from engine.farm.ledger.database import FILE


def told(error):
    """Give what a person reads: one line, with a way out."""
    text = str(error.value)
    assert "\n" not in text
    assert " | " in text
    return text


@contextmanager
def changed(folder):
    """Let a test write a ledger by hand."""
    with closing(sqlite3.connect(folder / FILE)) as db, db:
        yield db


def is_whole(folder):
    with closing(sqlite3.connect(folder / FILE)) as db:
        return (
            db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            and not db.execute("PRAGMA foreign_key_check").fetchall()
        )


@pytest.fixture
def finished(ledger, folder):
    """A run's folder, with 50 results."""
    ledger.lease(leases(*range(50)))
    ledger.record([full_result(number) for number in range(50)], finals(*map(result, range(50))))
    ledger.finish("done")
    return folder


ENTRANCES = {
    "to go on": Ledger.open,
    "to read": lambda folder: Ledger.open(folder, write=False),
    "to export": export,
}


@pytest.fixture(params=ENTRANCES.values(), ids=ENTRANCES)
def entrance(request):
    return request.param


# --- not what it should be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (
            2,
            r"version 2, and this engine knows version 1 \| .*export` it by realtime-engine [\d.]+, .* or a newer one;",
        ),
        (0, r"of version 0, .* by realtime-engine [\d.]+, which wrote it; or begin a new run"),
    ],
)
def test_a_ledger_of_another_version(finished, entrance, version, words):
    with changed(finished) as db:
        db.execute(f"PRAGMA user_version = {version}")

    with pytest.raises(LedgerUnusable, match=words) as error:
        entrance(finished)
    told(error)
    with changed(finished) as db:
        assert db.execute("SELECT count(*) FROM result").fetchone() == (50,), "and it was left alone"


@pytest.mark.parametrize("change", ["DROP TABLE run", "DELETE FROM run", "UPDATE run SET engine_version = ''"])
def test_a_ledger_of_another_version_that_does_not_tell_who_wrote_it(finished, entrance, change):
    with changed(finished) as db:
        db.execute("PRAGMA user_version = 2")
        db.execute(change)

    with pytest.raises(LedgerUnusable, match="by the realtime-engine that wrote it, or a newer one") as error:
        entrance(finished)
    told(error)


def test_a_file_that_is_no_database(folder, entrance):
    folder.mkdir()
    (folder / FILE).write_text("Dear diary, " * 100)

    with pytest.raises(LedgerUnusable, match=r"is no ledger .* give the folder of a run") as error:
        entrance(folder)
    told(error)
    assert (folder / FILE).read_text().startswith("Dear diary")


@pytest.mark.parametrize("fill", [lambda db: None, lambda db: db.execute("CREATE TABLE run (run_id)")])
def test_a_database_of_something_else(folder, entrance, fill):
    folder.mkdir()
    with changed(folder) as db:
        fill(db)

    with pytest.raises(LedgerUnusable, match="is no ledger"):
        entrance(folder)


@pytest.mark.parametrize("left", [0.3, 0.5, 0.97])
def test_a_file_that_was_cut_short(finished, left):
    os.truncate(finished / FILE, int((finished / FILE).stat().st_size * left))

    with pytest.raises(LedgerUnusable, match=r"is broken.*recover") as error:
        Ledger.open(finished)
    told(error)
    with pytest.raises(LedgerUnusable, match="is broken"):
        list(Ledger.open(finished, write=False).results())


def test_a_file_that_was_written_over(finished):
    with (finished / FILE).open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(20 * 4096))

    with pytest.raises(LedgerUnusable, match="is broken") as error:
        Ledger.open(finished)
    told(error)


@pytest.mark.parametrize("plan", ['{"name": "x"}', "[]", "not JSON", '{"name": "", "scenarios": []}'])
def test_a_plan_that_can_not_be_read(finished, plan):
    with changed(finished) as db:
        db.execute("UPDATE run SET plan_json = ?", (plan,))

    with pytest.raises(LedgerUnusable, match="its plan can't be read") as error:
        Ledger.open(finished)
    told(error)


def test_a_ledger_without_its_run(finished, entrance):
    with changed(finished) as db:
        db.execute("DELETE FROM run")

    with pytest.raises(LedgerUnusable, match="is broken: it names no run"):
        Ledger.open(finished)


def test_another_program_that_writes_it(ledger, folder, monkeypatch):
    ledger.finish("done")
    monkeypatch.setattr(database, "BUSY_MAX_S", 0.01)
    with Ledger.open(folder) as ledger:
        ledger.begin_session()
        with changed(folder) as shell:
            shell.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerUnusable, match=r"another program is writing it .* close that") as error:
                ledger.lease(leases(0))
            told(error)
        ledger.lease(leases(0))


def test_a_file_system_that_takes_no_log(finished, monkeypatch):
    # A database in memory is one that stays out of WAL mode, as on a network's file system.
    def in_memory(path, options):
        db = sqlite3.connect(":memory:", isolation_level=None)
        db.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {database.SCHEMA_VERSION}")
        return db

    monkeypatch.setattr(database, "_connect", in_memory)
    with pytest.raises(LedgerUnusable, match="give a folder on a local disk") as error:
        Ledger.open(finished)
    told(error)


def test_an_error_that_is_a_fault_of_ours_is_not_dressed_up(finished):
    with (
        pytest.raises(sqlite3.OperationalError, match="no such table"),
        database.connected_to_read(finished / FILE) as db,
    ):
        db.execute("SELECT * FROM nonsense")


def test_every_transaction_waits_for_the_disk(ledger):
    # 2 is FULL: a machine that loses its power keeps what a call had returned from.
    assert ledger._db.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert ledger._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


# --- a disk that takes no more -------------------------------------------------------------------------------------


@contextmanager
def files_up_to(size_bytes):
    """Let no file grow past a size, as a quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_until_it_fails(ledger):
    """Lease and record until the disk says no; give the error, and what was written before it."""
    leased, recorded = set(), set()

    def write():
        for number in range(0, 100_000, 5):
            numbers = range(number, number + 5)
            ledger.lease(leases(*numbers))
            leased.update(map(attempt_id, numbers))
            ledger.record(map(full_result, numbers), {attempt_id(each) for each in numbers})
            recorded.update(map(attempt_id, numbers))

    with pytest.raises(LedgerUnusable) as error:
        write()
    return error, leased, recorded


def check_what_is_there(ledger, resumed, leased, recorded):
    assert {each.attempt_id for each in ledger.results()} == recorded
    assert {each.attempt_id for each in resumed.lost} == leased - recorded
    assert {each.attempt_id for each in ledger.attempts()} == leased


def test_a_file_that_may_not_grow(ledger, folder, reopened):
    with files_up_to(1_000_000):
        error, leased, recorded = write_until_it_fails(ledger)
        assert "go on with --resume" in told(error)
        ledger.close()
    assert len(recorded) > 50

    ledger, resumed = reopened()

    check_what_is_there(ledger, resumed, leased, recorded)
    assert is_whole(folder)


def test_a_database_that_is_full(ledger, folder, reopened):
    ledger._db.execute("PRAGMA max_page_count = 100")
    error, leased, recorded = write_until_it_fails(ledger)
    assert "the disk is full (SQLITE_FULL) | make room" in told(error)
    ledger.note("still", "there")  # a small thing may yet have room, and the ledger takes it

    ledger, resumed = reopened(ledger)

    check_what_is_there(ledger, resumed, leased, recorded)
    assert is_whole(folder)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    where = tmp_path / "disk"
    where.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a disk")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def test_a_disk_that_is_full_and_then_has_room_again(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 500_000)
    ledger = Ledger.create(small_disk / "run", PLAN, run_id=RUN)
    ledger.begin_session()
    error, leased, recorded = write_until_it_fails(ledger)
    assert "the disk is full" in told(error)
    ledger.close()
    assert list(Ledger.open(small_disk / "run", write=False).results()), "it can be read while the disk is full"

    ballast.unlink()
    with Ledger.open(small_disk / "run", plan=PLAN) as ledger:
        check_what_is_there(ledger, ledger.begin_session(), leased, recorded)
        ledger.finish("done")
    assert is_whole(small_disk / "run")


def test_a_run_that_can_not_begin_for_want_of_room(small_disk):
    (small_disk / "ballast").write_bytes(b"x" * (2**20 - 3 * 4096))

    with pytest.raises(LedgerUnusable, match=r"disk is full|No space left") as error:
        Ledger.create(small_disk / "run", PLAN)
    told(error)
    (small_disk / "ballast").unlink()
    Ledger.create(small_disk / "run", PLAN).close()
