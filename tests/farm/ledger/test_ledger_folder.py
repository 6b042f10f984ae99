"""One run in a folder, one who writes it, and files that their owner alone reads."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from stat import S_IMODE

import pytest
from entries import PLAN, RUN, finals, leases, result

from engine.errors import LedgerUnusable
from engine.farm.ledger import Ledger
from engine.farm.ledger.database import FILE
from engine.farm.ledger.folder import FolderLock


def told(error):
    """Give what a person reads: one line, with a way out."""
    text = str(error.value)
    assert "\n" not in text
    assert " | " in text
    return text


def test_a_folder_that_holds_a_run_takes_no_other(ledger, folder):
    ledger.finish("done")

    with pytest.raises(LedgerUnusable, match=r"holds a run already \| go on with it by --resume") as error:
        Ledger.create(folder, PLAN)
    assert error.value.path == str(folder / FILE)
    told(error)
    Ledger.open(folder).close()


@pytest.mark.parametrize("write", [True, False])
def test_a_folder_without_a_run_can_not_be_gone_on_with(tmp_path, write):
    with pytest.raises(LedgerUnusable, match="holds no run") as error:
        Ledger.open(tmp_path, write=write)
    told(error)
    assert list(tmp_path.iterdir()) == []


def test_other_files_in_the_folder_stay(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / (FILE + ".new")).write_text("of a run that was killed as it began")

    Ledger.create(folder, PLAN).close()

    assert sorted(path.name for path in folder.iterdir()) == ["ledger.lock", FILE, "notes.txt"]


@pytest.mark.parametrize("again", [lambda folder: Ledger.create(folder, PLAN), Ledger.open])
def test_one_who_writes_keeps_others_out(ledger, folder, again):
    with pytest.raises(LedgerUnusable, match=r"another run holds it \(process \d+ on .*\)") as error:
        again(folder)
    told(error)
    ledger.lease(leases(0))
    ledger.close()
    Ledger.open(folder).close()


def test_a_run_of_another_process_keeps_this_one_out_until_it_dies(folder):
    hold = "import sys; sys.path[:0] = sys.argv[2:]; from entries import PLAN; from engine.farm.ledger import Ledger\n"
    hold += "ledger = Ledger.create(sys.argv[1], PLAN); ledger.begin_session(); print('held', flush=True); input()"
    command = [sys.executable, "-c", hold, str(folder), *sys.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LedgerUnusable, match=f"another run holds it \\(process {holder.pid} "):
            Ledger.open(folder)
        assert Ledger.open(folder, write=False).stints()[0].pid == holder.pid
        holder.kill()
        holder.wait()
        with Ledger.open(folder) as ledger:
            assert ledger.begin_session().stint == 2


def test_only_the_owner_reads_what_people_said(ledger, folder):
    ledger.lease(leases(0))

    assert S_IMODE(folder.stat().st_mode) == 0o700
    names = {path.name: S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {name: mode for name, mode in names.items() if name != "ledger.lock"} == {
        FILE: 0o600,
        FILE + "-wal": 0o600,
        FILE + "-shm": 0o600,
    }


def test_a_finished_run_is_one_file(ledger, folder):
    ledger.lease(leases(0))
    ledger.finish("done")

    assert sorted(path.name for path in folder.iterdir()) == ["ledger.lock", FILE]


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(LedgerUnusable, match="can't be made: Not a directory") as error:
        Ledger.create(tmp_path / "file" / "run", PLAN)
    told(error)


def test_a_folder_that_this_user_may_not_write(open_folder, as_anybody):
    open_folder.chmod(0o555)
    with as_anybody():
        with pytest.raises(LedgerUnusable, match="can't be locked: Permission denied") as error:
            Ledger.create(open_folder, PLAN)
        told(error)
        with pytest.raises(LedgerUnusable, match="can't be made: Permission denied") as error:
            Ledger.create(open_folder / "run", PLAN)
        told(error)
    assert list(open_folder.iterdir()) == []


def test_a_finished_run_is_read_from_a_folder_that_can_not_be_written(open_folder, as_anybody):
    run = open_folder / "run"
    open_folder.chmod(0o777)
    with as_anybody():
        with Ledger.create(run, PLAN, run_id=RUN) as ledger:
            ledger.begin_session()
            ledger.lease(leases(0))
            ledger.record([result(0)], finals(result(0)))
            ledger.finish("done")
        run.chmod(0o555)
        assert list(Ledger.open(run, write=False).results()) == [result(0)]
        (run / FILE).chmod(0o400)
        with pytest.raises(LedgerUnusable, match="can't be") as error:
            Ledger.open(run)
        told(error)
        assert Ledger.open(run, write=False).counts().done == {"passed": 1}


def test_a_ledger_that_was_copied_while_it_was_written_is_read_from_a_disk_that_can_not_be(
    ledger, folder, open_folder, as_anybody
):
    ledger.lease(leases(0))
    ledger.finish("done")
    with closing(sqlite3.connect(folder / FILE)) as db:
        assert db.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    (open_folder / FILE).write_bytes((folder / FILE).read_bytes())
    (open_folder / FILE).chmod(0o444)
    open_folder.chmod(0o555)

    with as_anybody():
        assert Ledger.open(open_folder, write=False).counts().under_way == 1


def test_who_holds_a_folder_is_not_known_before_its_ledger_is_there(folder):
    folder.mkdir()
    lock = FolderLock(folder)
    with pytest.raises(LedgerUnusable, match=r"another run holds it \| wait") as error:
        Ledger.create(folder, PLAN)
    told(error)
    lock.release()
    lock.release()
    Ledger.create(folder, PLAN).close()


def test_a_ledger_whose_place_is_taken_by_a_folder(folder):
    (folder / (FILE + ".new")).mkdir(parents=True)

    with pytest.raises(LedgerUnusable, match="can't be written: Is a directory") as error:
        Ledger.create(folder, PLAN)
    told(error)


def test_a_killed_run_in_a_folder_that_can_not_be_written_says_what_to_do(open_folder, as_anybody):
    run = open_folder / "run"
    open_folder.chmod(0o777)
    with as_anybody():
        with Ledger.create(run, PLAN, run_id=RUN) as ledger:
            ledger.begin_session()
            ledger.lease(leases(0))
            log = (run / (FILE + "-wal")).read_bytes()
        (run / (FILE + "-wal")).write_bytes(log)
        run.chmod(0o555)
        with pytest.raises(LedgerUnusable, match="give a folder that this user may") as error:
            Ledger.open(run, write=False)
        told(error)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LedgerUnusable, match="there is no such folder") as error:
        Ledger.open(tmp_path / "nope", write=False)
    assert error.value.path == str(tmp_path / "nope")
    told(error)
