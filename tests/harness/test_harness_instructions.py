import tomllib

import pytest

from benchmarks import instructions


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(instructions, "FILE", tmp_path / "regression.toml")
    (tmp_path / "regression.toml").write_text(instructions.written({"delta_in": 100_000, "frame_out": 50_000}))
    return tmp_path / "regression.toml"


def test_the_file_names_what_it_was_made_with(kept):
    told = tomllib.loads(kept.read_text())
    assert told["instructions"] == {"delta_in": 100_000, "frame_out": 50_000}
    assert told["made_with"] == instructions.made_with()


@pytest.mark.parametrize(("count", "status"), [(104_000, 0), (90_000, 0), (106_000, 1)])
def test_only_what_grew_past_the_tolerance_fails(kept, capsys, count, status):
    assert instructions.compared({"delta_in": count, "frame_out": 50_000}, 0.05) == status
    assert f"100,000 before, {count / 1000 - 100:+.1f} %" in capsys.readouterr().out


def test_counts_of_other_versions_are_not_judged(kept, capsys):
    kept.write_text(kept.read_text().replace('python = "', 'python = "2.'))
    assert instructions.compared({"delta_in": 900_000, "frame_out": 50_000}, 0.05) == 0
    assert "not judged" in capsys.readouterr().out


def test_the_file_in_the_tree_has_a_count_for_each_path():
    told = tomllib.loads(instructions.FILE.read_text())
    assert told["instructions"].keys() == instructions.PATHS.keys()
