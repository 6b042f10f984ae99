"""A plan may be a Python file; what its code raises is told with its line."""

import textwrap

import pytest
from plans_made import write_sound

from engine.errors import ConfigError
from engine.farm.plan.load import load_plan

HEAD = """\
from engine.farm.plan.model import Load, Plan, Say, Scenario, Type
"""


def write(folder, code):
    path = folder / "plan.py"
    path.write_text(HEAD + textwrap.dedent(code))
    return path


def refused(folder, code):
    with pytest.raises(ConfigError) as caught:
        load_plan(write(folder, code))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plan_is_a_name_or_a_function(tmp_path):
    for code in (
        'plan = Plan(name="p", scenarios=[Scenario(name="s", turns=[Type(type="x")])])',
        'def plan():\n    return Plan(name="p", scenarios=[Scenario(name="s", turns=[Type(type="x")])])',
    ):
        plan = load_plan(write(tmp_path, code))
        assert (plan.name, plan.folder, plan.source) == ("p", str(tmp_path), str(tmp_path / "plan.py"))


def test_its_paths_start_from_its_folder_and_it_may_import_what_lies_beside_it(tmp_path):
    write_sound(tmp_path / "a.wav", 0.1)
    (tmp_path / "rows.csv").write_text("f\na\n")
    (tmp_path / "plan_parts_beside.py").write_text("NAME = 'from beside'")
    code = """
    from plan_parts_beside import NAME
    plan = Plan(name=NAME, scenarios=[Scenario(name="s", data="rows.csv", turns=[Say(say="{f}.wav")])])
    """
    plan = load_plan(write(tmp_path, code))
    assert plan.name == "from beside"
    assert plan.scenarios[0].rows == ({"f": "a"},)


def test_what_its_code_raises_is_told_with_its_line(tmp_path):
    path = tmp_path / "plan.py"
    assert refused(tmp_path, "\n\n1 / 0") == f"{path}:4: ZeroDivisionError: division by zero"
    assert refused(tmp_path, "def plan():\n    raise KeyError('x')").startswith(f"{path}:3: KeyError")
    assert refused(tmp_path, "raise SystemExit(3)").startswith(f"{path}:2: SystemExit: 3")
    assert refused(tmp_path, "def plan(:").startswith(f"{path}:2: SyntaxError")
    assert refused(tmp_path, "import no_such_module_at_all").startswith(f"{path}:2: ModuleNotFoundError")


def test_what_is_no_python_is_told_once_with_its_own_place(tmp_path):
    path = tmp_path / "plan.py"
    assert refused(tmp_path, "plan = (\n") == f"{path}:2: SyntaxError: '(' was never closed"
    (tmp_path / "plan_parts_broken.py").write_text("\n\nx = = 3\n")
    said = refused(tmp_path, "import plan_parts_broken")
    assert said == f"{path}:2: SyntaxError: invalid syntax (plan_parts_broken.py, line 3)"


def test_a_value_that_is_wrong_is_told_with_its_line(tmp_path):
    said = refused(tmp_path, 'x = 1\nplan = Plan(name="p",\n  scenarios=[], load=Load(sessions=0))')
    assert said.startswith(f"{tmp_path / 'plan.py'}:4: load.sessions=0 is not possible")


def test_a_plan_that_can_not_work_is_told_with_the_path_of_what_is_wrong(tmp_path):
    said = refused(tmp_path, 'plan = Plan(name="p", scenarios=[Scenario(name="s", turns=[Say(say="no.wav")])])')
    assert said.startswith(f"{tmp_path / 'plan.py'}: scenario[0].turns[0].say: ")


def test_a_file_without_a_plan_is_told(tmp_path):
    assert "defines no `plan` | write plan = Plan(...)" in refused(tmp_path, "x = 1")
    assert "has a `plan` that is a int" in refused(tmp_path, "plan = 3")
    assert "has a `plan` that is a dict" in refused(tmp_path, "def plan():\n    return {'a': 1}")
    with pytest.raises(ConfigError, match="No such file"):
        load_plan(tmp_path / "none.py")
