"""Tools whose schema is written already, as the contract's dictionaries are."""

import pytest

from engine.config import ClientSettings, SessionConfig
from engine.errors import ConfigError
from engine.tools import ToolContext, Tools
from engine.tools.tool import Bound, Misfit

CONTEXT = ToolContext(session=None, call_id="c1", name="tool")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 7}},
    "required": ["city"],
}
SPEC = {"name": "weather", "description": "Tell the weather.", "inputSchema": {"json": SCHEMA}}
FLAT = {"type": "function", "name": "weather", "description": "Tell the weather.", "parameters": SCHEMA}


def spec_of(schema):
    return {"name": "tool", "description": "", "inputSchema": {"json": schema}}


def bind(spec, handler, arguments):
    tools = Tools()
    tools.add_spec(spec, handler)
    (tool,) = tools
    return tool.bind(arguments, CONTEXT)


def by_name(city, days=1):
    return city, days


def by_context(context: ToolContext, city: str, **others):
    return context, city, others


def as_one(arguments):
    return arguments


@pytest.mark.parametrize("spec", [SPEC, FLAT])
def test_both_shapes_are_taken_and_told_in_the_services_own(spec):
    tools = Tools([{**spec, "handler": by_name}])

    assert tools.specs == [FLAT]
    config = SessionConfig(client=ClientSettings(api_key="x"), tools=tools.specs)
    assert config.to_wire().tools[0].name == "weather"


def test_a_handler_with_the_schemas_names_is_called_with_them():
    assert bind(SPEC, by_name, {"city": "Oslo"}) == Bound((), {"city": "Oslo"})
    assert bind(SPEC, lambda **given: given, {"city": "Oslo"}) == Bound((), {"city": "Oslo"})


def test_a_handler_of_one_other_parameter_is_called_with_a_dictionary():
    assert bind(SPEC, as_one, {"city": "Oslo"}) == Bound(({"city": "Oslo"},), {})
    assert bind(spec_of({"type": "object"}), as_one, {"x": 1}) == Bound(({"x": 1},), {})
    assert bind(SPEC, lambda given, /, extra=None: given, {"city": "Oslo"}) == Bound(({"city": "Oslo"},), {})


def test_a_handler_of_nothing_is_called_with_nothing():
    assert bind({"name": "tool", "inputSchema": {"json": {"type": "object"}}}, lambda: 1, {}) == Bound()
    assert bind({"type": "function", "name": "tool"}, lambda: 1, {}) == Bound()


def test_the_context_is_given_both_ways():
    assert bind(SPEC, by_context, {"city": "Oslo"}) == Bound((), {"city": "Oslo", "context": CONTEXT})

    def one(given, context: "ToolContext"):
        return given

    assert bind(SPEC, one, {"city": "Oslo"}) == Bound(({"city": "Oslo"},), {"context": CONTEXT})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, ("arguments: 'city' is a required property",)),
        ({"city": 1, "days": 9}, ("city: 1 is not of type 'string'", "days: 9 is greater than the maximum of 7")),
        ({"city": "Oslo", "unit": "C"}, ("unit: is not one of ['city', 'days']",)),
    ],
)
def test_arguments_that_do_not_fit_are_told_one_by_one(arguments, says):
    assert bind(SPEC, by_name, arguments) == Misfit(says)


def test_a_parameter_that_the_schema_forgot_to_require_is_required():
    def handler(city):
        return city

    assert bind(spec_of({"properties": {"city": {}}}), handler, {}) == Misfit(("city: is required",))


def test_what_is_told_of_bad_arguments_is_bounded():
    many = spec_of({"type": "object", "properties": {"all": {"items": {"type": "integer"}}}})
    fits = bind(many, as_one, {"all": ["x" * 10_000] * 100})

    assert isinstance(fits, Misfit)
    assert len(fits.problems) == 8
    assert max(map(len, fits.problems)) <= 500


def test_references_inside_the_schema_are_followed():
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/small"}, "tree": {"$ref": "#/$defs/tree"}},
        "$defs": {
            "small": {"type": "integer", "maximum": 3},
            "tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"}, "$ref": {"type": "string"}}},
        },
    }

    assert bind(spec_of(schema), as_one, {"a": 3, "tree": {"next": {"$ref": "x"}}}) == Bound(
        ({"a": 3, "tree": {"next": {"$ref": "x"}}},)
    )
    assert bind(spec_of(schema), as_one, {"a": 4, "tree": {"next": {"next": 5}}}) == Misfit(
        ("a: 4 is greater than the maximum of 3", "tree.next.next: 5 is not of type 'object'")
    )


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "objekt"}, "'objekt' is not valid"),
        ({"properties": {"a": {"maximum": "many"}}}, "'many' is not of type 'number'"),
        ({"properties": {"a": {"$ref": "#/$defs/missing"}}}, "missing"),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:1/schema.json"}}}, "http://127.0.0.1:1"),
        ({"allOf": [{"$ref": "other.json"}]}, "other.json"),
    ],
)
def test_a_broken_schema_is_refused_and_nothing_is_fetched(schema, says):
    with pytest.raises(ConfigError, match=says) as refused:
        Tools().add_spec(spec_of(schema), as_one)

    assert refused.value.field == "tools.tool.inputSchema"


@pytest.mark.parametrize(
    ("spec", "handler", "says"),
    [
        (SPEC, None, "a function"),
        (SPEC, "text", "a function"),
        (SPEC, lambda: None, "city, days"),
        (SPEC, lambda a, b: None, "city, days"),
        (SPEC, lambda *, given: None, "city, days"),
        (spec_of({"type": "object"}), lambda a, b: None, r"\(none\)"),
        ({"name": "two words", "inputSchema": {"json": {}}}, as_one, "1 to 64"),
        ({"type": "mcp", "server_label": "x", "server_url": "https://x"}, as_one, "a function"),
        ({"description": "no name"}, as_one, "'name'"),
        (7, as_one, "a mapping"),
    ],
)
def test_what_can_be_no_tool_is_refused_when_it_is_added(spec, handler, says):
    with pytest.raises(ConfigError, match=says):
        Tools().add_spec(spec, handler)
