"""A failing scenario becomes small, and still fails."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from .scenario import draw
from .shrink import least, shrink


@given(st.sets(st.integers(0, 30), max_size=4), st.integers(1, 31))
def test_what_is_left_is_what_it_takes(needed, size):
    things = list(range(max(size, max(needed, default=0) + 1)))

    assert least(things, lambda part: needed <= set(part)) == sorted(needed)


def test_no_more_tries_than_allowed():
    asked = []

    def fails(part):
        asked.append(part)
        return False

    least(list(range(100)), fails, tries=7)

    assert len(asked) == 7


def test_a_scenario_keeps_the_deed_and_the_fault_that_it_takes():
    scenario = next(drawn for drawn in (draw(f"x:{n}") for n in range(99)) if len(drawn.faults) > 2)
    deed, fault = scenario.deeds[7], scenario.faults[1]

    small = shrink(scenario, lambda each: deed in each.deeds and fault in each.faults)

    assert (small.deeds, small.faults) == ((deed,), (fault,))
    assert small == attrs.evolve(scenario, deeds=(deed,), faults=(fault,), weather=small.weather)


def test_the_same_seed_draws_the_same_scenario():
    assert draw("a") == draw("a") != draw("b")
