"""Counts by name: a bounded number of names, and nothing uncounted."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from engine.counting import OTHERS, NameCounts
from engine.limits import COUNTED_NAMES


def counted(names):
    counts = NameCounts()
    for name in names:
        counts.add(name)
    return counts


@given(st.lists(st.sampled_from("abc")))
def test_below_the_bound_it_counts_as_a_counter_does(names):
    assert counted(names).snapshot() == Counter(names)


def test_at_the_bound_all_names_are_told_apart_and_one_past_it_is_among_the_others():
    counts = counted(f"name_{number}" for number in range(COUNTED_NAMES))
    assert OTHERS not in counts.snapshot()

    counts.add("one more")
    counts.add("and more")
    counts.add("name_0")

    assert counts.snapshot()[OTHERS] == 2
    assert counts.snapshot()["name_0"] == 2
    assert len(counts.snapshot()) == COUNTED_NAMES + 1


def test_a_snapshot_does_not_change():
    counts = counted("a")
    before = counts.snapshot()
    counts.add("a")

    assert before == {"a": 1}
