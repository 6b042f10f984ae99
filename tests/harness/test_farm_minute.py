"""The model that tells how well the cap of tokens a minute holds counts right."""

import pytest

from benchmarks.farm_minute import EVEN, GROWS, Kind, fullest_minute, main, modelled


def test_the_fullest_minute_is_half_open():
    assert fullest_minute([(0.0, 10.0), (59.9, 5.0), (60.0, 7.0), (200.0, 11.0)]) == 15.0
    assert fullest_minute([]) == 0.0


@pytest.mark.parametrize("kind", [EVEN, GROWS, Kind(what="alike", life_s=20.0, alike=True, at_end=True)])
def test_a_run_uses_most_of_its_cap_and_no_more(kind):
    row = modelled(kind, 60, 1, 240.0)

    assert 0.6 < row.had <= row.fullest <= 1.0


def test_it_prints_a_row_for_each_kind(capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.farm_minute.TABLE", ((EVEN, 60),))
    assert main(["--runs", "1", "--minutes", "3"]) == 0

    head, _, row = capsys.readouterr().out.splitlines()
    assert head.count("|") == row.count("|") == 5
    assert EVEN.what in row
