"""Figures of earlier stretches: what reading them may not do to the run that goes on."""

import pytest
from crewed import passed, plan_of

from engine.farm.coordinator.earlier import read_earlier
from engine.farm.coordinator.tally import Tally
from engine.farm.job import Grant, Job
from engine.farm.ledger import Counts, FiguresReader, Ledger
from engine.farm.ledger.database import FILE

RUN = "cafe0001"


@pytest.fixture
def path(tmp_path):
    """A ledger of a thousand sessions, and of a hundred pages and more."""
    grants = [Grant(attempt_id=f"{RUN}-{n}-1", job=Job(number=n, scenario="talk", index=n)) for n in range(1000)]
    results = [passed(grant, session_id="sess_" + "x" * 400) for grant in grants]
    with Ledger.create(tmp_path / "run", plan_of(1000), run_id=RUN) as ledger:
        ledger.begin_session()
        ledger.lease([(grant, "worker-1") for grant in grants])
        ledger.record(results, {result.attempt_id for result in results})
    return tmp_path / "run" / FILE


@pytest.mark.parametrize("in_a_thread", [False, True])
async def test_they_are_read_or_it_is_noted_that_they_can_not_be_and_nobody_is_stopped_for_that(
    path, in_a_thread, autojump_clock
):
    for spoilt in (False, True):
        notes, tally = [], Tally(Counts(done={}), 0.0, knows_earlier=False)
        reader = FiguresReader(path, ["talk"])
        if spoilt:
            whole = path.read_bytes()
            path.write_bytes(whole[: 20 * 4096] + b"\xff" * (len(whole) - 20 * 4096))
        await read_earlier(reader, tally, notes.append, in_a_thread=in_a_thread)
        assert tally.whole().count("sessions") == (0 if spoilt else 1000)
        assert tally.knows_earlier is not spoilt
        assert [("can't be read" in note, str(path) in note) for note in notes] == [(True, True)] * spoilt
