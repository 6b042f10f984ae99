"""Call ids: short on the wire, unique both ways, and what the service made goes back as it came."""

from hypothesis import example, given
from hypothesis import strategies as st

from engine.limits import ID_MAX_CHARS
from engine.protocol import call_ids
from engine.protocol.call_ids import CallIds

# Long ids that begin alike are what cutting would make one.
long_ids = st.text("ab", max_size=3).map(lambda tail: "tooluse_" + "x" * 30 + tail)
ids = st.text(max_size=40) | long_ids | st.uuids().map(lambda one: f"tooluse_{one}")


@given(st.lists(ids, max_size=30))
@example(["", "-", "x" * 32, "x" * 33, "x" * 34])
def test_ids_are_short_unique_stable_and_come_back(call_ids):
    map_ = CallIds()
    wire = {call_id: map_.to_wire(call_id) for call_id in call_ids}

    assert all(0 < len(short) <= ID_MAX_CHARS for short in wire.values())
    assert len(set(wire.values())) == len(wire)
    assert {call_id: map_.to_wire(call_id) for call_id in reversed(call_ids)} == wire
    assert all(map_.to_application(short) == call_id for call_id, short in wire.items())


@given(ids.filter(lambda one: 0 < len(one) <= ID_MAX_CHARS))
def test_an_id_that_fits_stands_for_itself(call_id):
    assert CallIds().to_wire(call_id) == call_id


@given(st.lists(ids, max_size=20), st.randoms(use_true_random=False))
def test_an_id_of_the_services_own_goes_back_as_it_came(wire_ids, random):
    map_ = CallIds()
    told = {wire_id: map_.to_application(wire_id) for wire_id in wire_ids}
    random.shuffle(wire_ids)

    assert [map_.to_wire(told[wire_id]) for wire_id in wire_ids] == wire_ids


@given(st.lists(st.tuples(st.booleans(), ids), max_size=30))
def test_ids_of_both_sides_never_mix(steps):
    map_ = CallIds()
    for from_wire, one in steps:
        call_id = map_.to_application(one) if from_wire else one
        assert map_.to_application(map_.to_wire(call_id)) == call_id


def test_an_id_that_looks_like_anothers_short_form_gets_one_of_its_own():
    map_ = CallIds()
    short = map_.to_wire("x" * 40)

    assert map_.to_wire(short) != short
    assert map_.to_application(map_.to_wire(short)) == short


def test_past_the_bound_the_oldest_ids_are_forgotten_and_made_the_same_again(monkeypatch):
    monkeypatch.setattr(call_ids, "REMEMBERED", 3)
    map_, long = CallIds(), "x" * 40
    short = map_.to_wire(long)
    assert map_.to_application(long) == long  # the service names it as it is: what it is called on the wire stays
    for other in "abc":
        map_.to_application(other)

    assert map_.to_wire(long) == short
    assert map_.to_application("c") == "c"


def test_the_short_form_does_not_depend_on_the_process():
    assert CallIds().to_wire("x" * 40) == CallIds().to_wire("x" * 40)
