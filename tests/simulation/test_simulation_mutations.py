"""The checks bite: each fault that is put into the engine is found in a fixed user's talk."""

import logging

import pytest

from .mutations import MUTATIONS, caught, mutated
from .run import alone
from .scenario import draw, trial


@pytest.fixture(autouse=True)
def quiet(caplog):
    """What a broken engine logs is no news."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_fault_of_the_engine_is_found(mutation):
    assert caught(mutation) != []


@pytest.mark.parametrize("number", sorted({number for each in MUTATIONS for number in each.trials}, key=str))
def test_nothing_is_found_where_there_is_no_fault(number):
    assert alone(trial(number) if isinstance(number, int) else draw(number)) == []


def test_a_mutation_leaves_the_engine_as_it_was():
    for mutation in MUTATIONS:
        before = [vars(place.cls)[place.method] for place in mutation.places]
        with mutated(mutation):
            assert [vars(place.cls)[place.method] for place in mutation.places] != before
        assert [vars(place.cls)[place.method] for place in mutation.places] == before


def test_there_are_enough():
    assert len(MUTATIONS) >= 15
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
