"""A set of tools: what can be added, under which names, with which settings."""

import pickle

import pytest
from tool_host import room

from engine.errors import ConfigError
from engine.tools import CallReport, Deferred, ToolCall, ToolContext, Tools, bounds
from engine.tools.tool import ToolSettings


def first():
    """The first."""


async def second(a: int):
    """The second."""


SPEC = {"name": "third", "description": "The third.", "inputSchema": {"type": "object"}, "handler": lambda: None}


def test_functions_and_dictionaries_are_added_in_order():
    tools = Tools([first, second, SPEC])

    assert tools.names == [spec["name"] for spec in tools.specs] == ["first", "second", "third"]
    assert [tool.description for tool in tools] == ["The first.", "The second.", "The third."]
    assert len(tools) == 3
    assert "first" in tools
    assert "fourth" not in tools
    assert tools.get("fourth") is None


def test_a_decorator_gives_the_function_back_with_and_without_settings():
    tools = Tools()

    assert tools.add(first) is first
    assert tools.add(name="other", deadline_s=3)(first) is first
    assert tools.add()(second) is second
    assert tools.names == ["first", "other", "second"]
    assert tools.get("other").settings == ToolSettings(deadline_s=3)


def test_the_given_dictionary_is_left_as_it_is():
    before = dict(SPEC)
    Tools([SPEC])

    assert before == SPEC


def test_what_is_given_and_what_is_told_can_be_changed_without_changing_the_tools():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    tools = Tools([{"name": "tool", "inputSchema": {"json": schema}, "handler": lambda a: a}])

    schema["properties"]["b"] = {}
    tools.specs[0]["parameters"]["properties"]["c"] = {}

    assert tools.specs[0]["parameters"]["properties"] == {"a": {"type": "string"}}


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, "ümlaut", "a.b"])
def test_a_name_that_the_service_refuses_is_refused_at_once(name):
    def function():
        pass

    function.__name__ = name
    with pytest.raises(ConfigError, match="1 to 64"):
        Tools([function])


def test_a_lambda_needs_a_name():
    with pytest.raises(ConfigError, match="<lambda>"):
        Tools([lambda: None])


def test_each_name_is_taken_once():
    tools = Tools([first])

    with pytest.raises(ConfigError, match=r"'first'.*each name once"):
        tools.add(name="first")(second)
    with pytest.raises(ConfigError, match="each name once"):
        tools.add_spec({**SPEC, "name": "first"}, lambda: None)
    assert tools.specs[0]["description"] == "The first."


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("deadline_s", 0),
        ("deadline_s", -1),
        ("deadline_s", "30"),
        ("deadline_s", True),
        ("deadline_s", float("nan")),
        ("max_result_bytes", 0),
        ("cancel_on_interruption", "yes"),
        ("ends_session", 1),
        ("deferred", None),
        ("approve", "always"),
    ],
)
def test_a_wrong_setting_is_refused_when_the_tool_is_added(setting, value):
    with pytest.raises(ConfigError, match=f"tools.{setting}="):
        Tools().add(**{setting: value})(first)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("limit", 0), ("limit", 2.5), ("limit", True), ("waiting_limit", -1), ("waiting_limit", None)],
)
def test_a_wrong_limit_is_refused(setting, value):
    with pytest.raises(ConfigError, match=f"tools.{setting}="):
        Tools(**{setting: value})


def test_a_deferred_tools_deadline_is_that_of_its_work():
    assert ToolSettings().answer_s == bounds.TOOL_DEADLINE_S
    assert ToolSettings(deadline_s=3).answer_s == 3
    assert ToolSettings(deadline_s=3, deferred=True).answer_s == bounds.TOOL_DEADLINE_S
    assert ToolSettings(deadline_s=3, deferred=True).work_s == 3
    assert ToolSettings(deadline_s=3).work_s == bounds.DEFERRED_DEADLINE_S, "of what it returns as Deferred"
    assert ToolSettings(deferred=True).work_s == bounds.DEFERRED_DEADLINE_S


async def test_a_tool_that_is_added_later_can_be_called(autojump_clock):
    tools = Tools()
    async with room(tools=tools) as it:
        await it.calls("first")
        tools.add(first)
        await it.calls("first", response_id="r2")

        assert "there is no tool called 'first'. The tools are: none." in it.answers["c1"]
        assert it.runner.statistics().by_tool["(unknown)"] == {"refused": 1}


def test_deferred_work_is_a_function_and_not_what_it_gives():
    coroutine = second(1)
    with pytest.raises(ConfigError, match=r"'coroutine'.*not what it gives"):
        Deferred(coroutine)
    coroutine.close()
    with pytest.raises(ConfigError, match=r"Deferred.deadline_s=0 "):
        Deferred(first, deadline_s=0)


def test_what_is_said_in_a_call_does_not_show_in_a_repr():
    secret = "4111-1111"
    call = ToolCall("c1", "pay", {"card": secret}, "r1")
    report = CallReport(
        call=call, ending="failed", began_at=0, took_s=1, deferred=False, exception=ValueError(f"bad card {secret}")
    )

    for shown in (call, report, Deferred(first, note=secret), ToolContext(secret, "c1", "pay")):
        assert secret not in repr(shown)
    assert "ValueError" in repr(report)
    assert pickle.loads(pickle.dumps(call)) == call
