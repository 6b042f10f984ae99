"""Writes a ledger, is killed with SIGKILL at a random moment, and goes on: `killed_writer.py FOLDER ROUNDS SEED`.

Each round is a child that tells through a pipe what the ledger has taken, as a coordinator tells workers. After its
death all that it told must be there, and nothing else but what one call was about to write.
"""

import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from entries import PLAN, RUN, attempt_id, broken, full_result, grant

from engine.farm.ledger import Ledger

BATCH = 8
TRIES = 3


def work(folder, tell, dice):
    """Run the run's next stretch until death."""
    ledger = Ledger.open(folder) if (folder / "ledger.sqlite").exists() else Ledger.create(folder, PLAN, run_id=RUN)
    resumed = ledger.begin_session()
    tell("begun", [each.attempt_id for each in resumed.lost])
    given_up = [each.last.attempt_id for each in resumed.waiting if each.tries >= TRIES]
    ledger.settle(given_up)
    tell("final", given_up)
    again = [(each.job.number, each.attempts + 1) for each in resumed.waiting if each.tries < TRIES]
    new = resumed.next_index.get("greet", 0)
    while True:
        room = dice.randint(1, BATCH)
        batch, again = again[:room], again[room:]
        if not batch:
            batch, new = [(number, 1) for number in range(new, new + room)], new + room
        ledger.lease([(grant(*each), "w1") for each in batch])
        tell("leased", [attempt_id(*each) for each in batch])
        if dice.random() < 0.1:
            ledger.returned([attempt_id(*batch[0])])
            tell("returned", [attempt_id(*batch[0])])
            again.append(batch.pop(0))
        results = [full_result(*each) if dice.random() < 0.8 else broken(*each) for each in batch]
        finals = {each.attempt_id for each in results if each.status == "passed" or each.attempt >= TRIES}
        ledger.record(results, finals)
        tell("ended", [each.attempt_id for each in results])
        tell("final", finals)
        again += [(each.job, each.attempt + 1) for each in results if each.attempt_id not in finals]


def child(folder, dice, out):
    """Be the one who is killed."""

    def tell(what, attempts):
        os.write(out, " ".join([what, *attempts]).encode() + b"\n")

    try:
        work(folder, tell, dice)
    finally:
        os._exit(9)


def killed(folder, dice):
    """Let a child work, kill it; give what it told."""
    source, out = os.pipe()
    seed = dice.random()
    pid = os.fork()
    if pid == 0:
        child(folder, random.Random(seed), out)
    os.close(out)
    # So many lines, and a little more: at a moment that no line names, on a slow machine as on a fast one.
    lines, heard = max(0, dice.randint(-5, 60)), b""
    while heard.count(b"\n") < lines:
        more = os.read(source, 65536)
        assert more, "the child failed by itself"
        heard += more
    time.sleep(dice.uniform(0.0, 0.003 if lines else 0.03))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, "the child failed by itself"
    while more := os.read(source, 65536):
        heard += more
    os.close(source)
    return [line.split() for line in heard.decode().splitlines(keepends=False)]


class Told:
    """What children told over all rounds, and so must be in the ledger."""

    def __init__(self):
        self.under_way, self.ended, self.final = set(), set(), set()
        self.leases = Counter()

    def take(self, lines):
        for what, *attempts in lines:
            if what == "begun":
                # What was under way at the last death is lost, and of it what was told as leased must not be missing.
                assert self.under_way <= set(attempts) | self.ended, "a lease was forgotten"
                self.ended |= set(attempts)
                self.under_way = set()
            if what == "leased":
                self.under_way |= set(attempts)
            if what in ("returned", "ended"):
                self.under_way -= set(attempts)
            if what == "ended":
                self.ended |= set(attempts)
            if what == "final":
                self.final |= set(attempts)


def check(folder, told):
    """Compare the ledger with what was told."""
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    ledger = Ledger.open(folder, write=False)
    attempts = {each.attempt_id: each for each in ledger.attempts()}
    results = {each.attempt_id: each for each in ledger.results(final_only=False)}
    finals = Counter(each.job for each in attempts.values() if each.final)
    live = {name for name, each in attempts.items() if each.status == "leased"}
    assert max(finals.values(), default=1) == 1, "a job has two final results"
    assert told.final <= {name for name, each in attempts.items() if each.final}
    assert told.ended <= set(results), "a result that was acknowledged is gone"
    assert len(set(results) - told.ended) <= 3 * BATCH, "there is more than one call could have written"
    assert told.under_way <= set(attempts)
    assert {name for name, each in attempts.items() if each.status != "returned"} == set(results) | live
    assert all(len(each.turns) == (2 if each.status == "passed" else 0) for each in results.values())
    assert all(each.status == attempts[each.attempt_id].status for each in results.values())
    # Written, and killed before it was told.
    told.ended |= set(results)
    returned = {name for name in told.under_way if attempts[name].status == "returned"}
    assert len(returned) <= 1, "only one was given back by the last call"
    told.under_way -= returned
    return len(attempts), sum(finals.values()), sum(each.status == "lost" for each in results.values())


def warm_up():
    """Load and build once what each child would load anew, and die of it before it writes."""
    with tempfile.TemporaryDirectory() as folder, Ledger.create(folder, PLAN, run_id=RUN) as ledger:
        ledger.begin_session()
        ledger.lease([(grant(0), "w1")])
        ledger.record([full_result(0)], set())
        ledger.close()
        with Ledger.open(folder) as again:
            again.begin_session()


def main(folder, rounds, seed):
    """Kill so many times, and check after each."""
    warm_up()
    dice, told = random.Random(seed), Told()
    deaths_as_it_began = 0
    for _ in range(rounds):
        lines = killed(folder, dice)
        told.take(lines)
        deaths_as_it_began += not lines
        if (folder / "ledger.sqlite").exists():
            attempts, finals, lost = check(folder, told)
    with Ledger.open(folder) as ledger:
        resumed = ledger.begin_session()
        told.take([["begun", *(each.attempt_id for each in resumed.lost)]])
        counts = ledger.counts()
    assert counts.under_way == 0
    assert sum(counts.done.values()) + counts.waiting == resumed.next_index["greet"], "a job is missing"
    print(f"{rounds} kills, {deaths_as_it_began} as it began, {attempts} attempts, {finals} final, {lost} lost")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
