"""Of too many values some are kept: about as many as were asked for, and of each kind its share."""

import pytest

from engine.farm.report.thinning import kept


def test_few_are_all_kept():
    assert all(kept(number, one_of) for number in range(100) for one_of in (0, 1))


@pytest.mark.parametrize("one_of", [2, 3, 10, 50])
def test_about_one_in_so_many_is_kept(one_of):
    every = one_of * 2000
    assert sum(kept(number, one_of) for number in range(every)) == pytest.approx(2000, rel=0.1)


@pytest.mark.parametrize("one_of", [2, 4, 10, 50])
def test_what_comes_in_a_rhythm_keeps_its_share(one_of):
    chosen = [number for number in range(one_of * 4000) if kept(number, one_of)]
    for rhythm in (2, 4, 10, 50):
        places = [number % rhythm for number in chosen]
        assert all(places.count(place) == pytest.approx(4000 / rhythm, rel=0.4) for place in range(rhythm))


def test_the_same_numbers_are_kept_each_time():
    assert [number for number in range(40) if kept(number, 4)] == [number for number in range(40) if kept(number, 4)]
