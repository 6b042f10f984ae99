"""Which files are kept: the same sample each time, and never more than the bound."""

from crewed import grant_of, passed
from hypothesis import given
from hypothesis import strategies as st

from engine.farm.coordinator.keeping import NOTHING, ROOM_MIN_BYTES, Keeping, sampled
from engine.farm.job import KeptFile
from engine.farm.plan.model import Keep

MIB = 2**20


def kept(grant, size_bytes):
    return passed(grant, files=(KeptFile(path="sessions/x", size_bytes=size_bytes, kind="audio"),))


def test_a_share_is_a_share_and_the_same_each_time():
    keep = Keep(audio=0.1, events=0.5)
    drawn = [sampled(keep, number) for number in range(5000)]
    assert drawn == [sampled(keep, number) for number in range(5000)]
    assert 400 < sum(each.audio for each in drawn) < 600
    assert 2300 < sum(each.events for each in drawn) < 2700
    assert all(each.events for each in drawn if each.audio)
    assert all(each.audio_of_failed and each.events_of_failed for each in drawn)


def test_a_share_of_nothing_keeps_nothing_of_failed_sessions_either():
    keeping = Keeping(Keep(audio=0.0, events=0.0), kept_bytes=0, at_a_time=1)
    assert keeping.room_for("a", grant_of(1).job) == NOTHING
    assert keeping.refused == 0


def test_all_is_kept_of_each_while_there_is_room():
    keeping = Keeping(Keep(max_bytes=100 * MIB, session_max_bytes=8 * MIB), kept_bytes=0, at_a_time=4)
    assert [keeping.room_for(str(n), grant_of(n).job).max_bytes for n in range(4)] == [8 * MIB] * 4


def test_no_room_is_counted():
    keeping = Keeping(Keep(max_bytes=10 * MIB), kept_bytes=10 * MIB - ROOM_MIN_BYTES + 1, at_a_time=1)
    assert keeping.room_for("a", grant_of(1).job) == NOTHING
    assert keeping.refused == 1


@given(
    bound=st.integers(0, 64 * MIB),
    before=st.integers(0, 64 * MIB),
    at_a_time=st.integers(1, 50),
    steps=st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1)), max_size=200),
)
def test_whatever_sessions_do_all_files_together_stay_under_the_bound(bound, before, at_a_time, steps):
    keeping = Keeping(Keep(max_bytes=bound), kept_bytes=before, at_a_time=at_a_time)
    running = {}
    for number, share in steps:
        grant = grant_of(number)
        if number in running:
            room = running.pop(number)
            keeping.ended(grant.attempt_id, kept(grant, int(room * share)) if share else None)
        else:
            running[number] = keeping.room_for(grant.attempt_id, grant.job).max_bytes
        assert keeping.kept_bytes + sum(running.values()) <= max(bound, before)
