"""A plan may be made of several files; errors name the one in which the mistake is."""

import pytest
from plans_made import GOOD, line_of, load_text, write_plan, write_sound

from engine.errors import ConfigError
from engine.farm.plan.load import load_plan


def refused(path):
    with pytest.raises(ConfigError) as caught:
        load_plan(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sections_are_joined_scenarios_and_thresholds_added_up(tmp_path):
    write_plan(
        tmp_path,
        'thresholds = ["errors <= 3"]\n[session]\nmodel = "gpt-realtime-mini"\ninstructions = "Long."\n'
        'audio.voice = "sage"\n'
        '[caps]\nsessions = 5\nstarts_per_s = 2\n[load]\nshape = "arrival"\nrate_per_s = 1\n'
        '[[scenario]]\nname = "first"\nturns = [{ type = "x" }]\n',
        "common.toml",
    )
    plan = load_text(tmp_path, 'include = "common.toml"\n' + GOOD)
    assert [scenario.name for scenario in plan.scenarios] == ["first", "greet"]
    assert next(threshold.text for threshold in plan.thresholds) == "errors <= 3"
    assert len(plan.thresholds) == 3
    assert plan.session["model"] == "gpt-realtime-mini"
    assert plan.session["instructions"] == "Be brief."
    assert plan.session["audio"] == {"voice": "sage", "wire_format": "pcmu"}
    assert (plan.caps.sessions, plan.caps.starts_per_s) == (20, 2)
    # A load is one thing: it is taken as a whole.
    assert (plan.load.shape, plan.load.rate_per_s) == ("constant", None)


def test_paths_of_an_included_file_start_from_its_own_folder(tmp_path):
    write_sound(tmp_path / "common" / "sounds" / "a.wav", 0.1)
    (tmp_path / "common" / "tools.py").write_text("def look(): ...")
    (tmp_path / "common" / "rows.csv").write_text("n\n1\n")
    (tmp_path / "common" / "script.toml").write_text('echo = "{text}"')
    write_plan(
        tmp_path,
        '[target]\nscript = "script.toml"\n[[scenario]]\nname = "c"\ndata = "rows.csv"\n'
        'turns = [{ say = "sounds/a.wav" }, { type = "{n}" }]\ntools = [{ function = "tools.py:look" }]\n',
        "common/common.toml",
    )
    plan = load_text(tmp_path, 'name = "x"\ninclude = ["common/common.toml"]\n')
    assert plan.scenarios[0].turns[0].say == "common/sounds/a.wav"
    assert plan.scenarios[0].tools[0].function == "common/tools.py:look"
    assert plan.target.script == "common/script.toml"
    assert plan.scenarios[0].rows == ({"n": "1"},)


def test_a_mistake_in_an_included_file_is_told_with_that_file_and_line(tmp_path):
    write_plan(tmp_path, "[caps]\n\nsesions = 3\n", "sub/common.toml")
    message = refused(write_plan(tmp_path, 'include = ["sub/common.toml"]\n' + GOOD))
    assert message.startswith("sub/common.toml:3: caps.sesions is not known (did you mean 'sessions'?)")


def test_a_mistake_in_the_second_scenario_is_told_where_it_is_written(tmp_path):
    write_plan(tmp_path, '[[scenario]]\nname = "first"\nturns = [{ type = "x" }]\n', "common.toml")
    text = 'include = ["common.toml"]\n' + GOOD.replace("at_most = 0.3", "at_most = 3")
    path = write_plan(tmp_path, text)
    assert refused(path).startswith(f"{path}:{line_of(text, 'at_most')}: scenario[1].expect[1].at_most = 3")


def test_a_circle_of_includes_is_told_with_all_of_it(tmp_path):
    write_plan(tmp_path, 'include = ["b.toml"]\n', "a.toml")
    write_plan(tmp_path, '\ninclude = ["a.toml"]\n', "b.toml")
    message = refused(write_plan(tmp_path, 'include = ["a.toml"]\n' + GOOD))
    assert (
        message == "b.toml:2: the include is a circle: a.toml includes b.toml includes a.toml | leave one of them out"
    )


def test_a_file_that_includes_itself_is_a_circle_too(tmp_path):
    path = write_plan(tmp_path, 'include = ["plan.toml"]\n' + GOOD)
    assert refused(path).startswith(f"{path}:1: the include is a circle: plan.toml includes plan.toml")


def test_a_file_that_two_others_include_is_read_once(tmp_path):
    write_plan(tmp_path, '[[scenario]]\nname = "base"\nturns = [{ type = "x" }]\n', "base.toml")
    write_plan(tmp_path, 'include = ["base.toml"]\n', "a.toml")
    write_plan(tmp_path, 'include = ["base.toml"]\n', "b.toml")
    plan = load_text(tmp_path, 'include = ["a.toml", "b.toml"]\n' + GOOD)
    assert [scenario.name for scenario in plan.scenarios] == ["base", "greet"]


def test_an_included_file_that_is_missing_is_told_with_where_it_was_looked_for(tmp_path):
    message = refused(write_plan(tmp_path, 'include = ["nowhere.toml"]\n' + GOOD))
    assert "plan.toml:1: the included file 'nowhere.toml' is not there" in message
    assert str(tmp_path / "nowhere.toml") in message


@pytest.mark.parametrize("include", ["3", "[3]", '[""]', "{ a = 1 }"])
def test_what_is_no_list_of_files_is_refused(tmp_path, include):
    assert "plan.toml:1: include takes a list of files" in refused(
        write_plan(tmp_path, f"include = {include}\n" + GOOD)
    )


def test_both_names_of_one_thing_are_refused(tmp_path):
    text = GOOD + '[[scenario.tools]]\nname = "x"\n'
    assert "tool and tools are the same" in refused(write_plan(tmp_path, text))
    assert "threshold and thresholds are the same" in refused(write_plan(tmp_path, 'threshold = ["a"]\n' + GOOD))


def test_files_that_cannot_be_read_are_told(tmp_path):
    assert "can't be read (No such file" in refused(tmp_path / "none.toml")
    assert "a folder, not a plan" in refused(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "caf\xe9"')
    assert "no UTF-8 text (byte 11)" in refused(tmp_path / "latin.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (16 * 2**20 + 1))
    assert "over 16777216 bytes" in refused(tmp_path / "large.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "x"\ntarget = simulator\n', ':2: no TOML: Invalid value | texts stand in quotes: "simulator"'),
        ('name = "x"\n[caps\n', ":2: no TOML: "),
        ('name = "x"\nname = "y"\n', ":2: no TOML: Cannot overwrite a value"),
        ('name = "x', ":1: no TOML: "),
        ("a = [", ":1: no TOML: "),
        ("a = " + "[" * 100_000, "tables within tables without end"),
        ('name = "x"\nkeep = true x # no', ":2: no TOML: "),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(tmp_path, text, words):
    assert words in refused(write_plan(tmp_path, text))


def test_a_plan_of_windows_is_read(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_bytes(
        b'\xef\xbb\xbfname = "x"\r\n[[scenario]]\r\nname = "a"\r\nturns = [{ type = "h" }]\r\nrepeat = 0\r\n'
    )
    with pytest.raises(ConfigError, match=r"plan\.toml:5: scenario\[0\]\.repeat = 0 is not possible"):
        load_plan(path)
