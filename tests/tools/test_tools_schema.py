"""What the model is told of a function, and how its arguments become the function's."""

import enum
import functools
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Optional

import attrs
import openai.types.realtime as service
import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, TypeAdapter, field_validator
from typing_extensions import TypedDict

from engine.errors import ConfigError
from engine.tools import ToolContext, Tools
from engine.tools.tool import Bound, Misfit

CONTEXT = ToolContext(session=None, call_id="c1", name="tool")


def tool_of(function, **settings):
    tools = Tools()
    tools.add(**settings)(function)
    (tool,) = tools
    Draft202012Validator.check_schema(tool.parameters)
    return tool


def bound(function, arguments):
    return tool_of(function).bind(arguments, CONTEXT)


def called(function, arguments):
    """Call a function as the engine does."""
    fits = bound(function, arguments)
    assert isinstance(fits, Bound), fits
    return function(*fits.args, **fits.kwargs)


def problems(function, arguments):
    fits = bound(function, arguments)
    assert isinstance(fits, Misfit), fits
    return fits.problems


# --- schema -------------------------------------------------------------------------------------------------------


def weather_google(city: str, days: int = 1) -> None:
    """Tell the weather.

    It knows the big cities.

    Args:
        city: As people
            call it.
        days: How far to look ahead.

    Returns:
        Nothing.
    """


def weather_numpy(city: str, days: int = 1) -> None:
    """Tell the weather.

    It knows the big cities.

    Parameters
    ----------
    city : str
        As people
        call it.
    days : int
        How far to look ahead.

    Returns
    -------
    None
    """


def weather_rest(city: str, days: int = 1) -> None:
    """Tell the weather.

    It knows the big cities.

    :param city: As people
        call it.
    :param days: How far to look ahead.
    :returns: Nothing.
    """


@pytest.mark.parametrize("function", [weather_google, weather_numpy, weather_rest])
def test_a_schema_comes_from_hints_and_docstring_in_each_style(function):
    tool = tool_of(function, name="weather")

    assert tool.spec == {
        "type": "function",
        "name": "weather",
        "description": "Tell the weather.\n\nIt knows the big cities.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "As people call it."},
                "days": {"type": "integer", "description": "How far to look ahead.", "default": 1},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    }


def test_a_spec_is_what_the_service_takes():
    spec = tool_of(weather_google).spec

    assert TypeAdapter(service.RealtimeFunctionTool).validate_python(spec).name == "weather_google"


def test_a_function_without_anything_is_a_tool():
    def ping():
        pass

    assert tool_of(ping).spec["parameters"] == {"type": "object", "properties": {}, "additionalProperties": False}
    assert tool_of(ping).description == ""
    assert bound(ping, {}) == Bound()


def test_name_and_description_can_be_given():
    tool = tool_of(lambda: None, name="nothing", description="Does nothing.")

    assert (tool.name, tool.description) == ("nothing", "Does nothing.")


class Unit(enum.Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


@dataclass
class Place:
    title: str
    altitude: float = 0.0


class Address(BaseModel):
    place: Place
    zip_code: str = Field(pattern=r"^\d+$")


class Options(TypedDict, total=False):
    fast: bool


def everything(
    text: str,
    number: Annotated[int, Field(ge=0, le=9, description="Hint's own words.")],
    unit: Unit,
    way: Literal["walk", "ride"],
    when: date,
    address: Address,
    options: Options,
    maybe: Optional[float],  # noqa: UP045 - as people write it
    some: list[Place],
    table: dict[str, int],
    *,
    flag: bool = False,
    noted: Annotated[str, "A plain note."] = "x",
    limited: int = Field(default=3, gt=2),
    anything: Any = None,
):
    """Take everything.

    Args:
        text: Words.
        number: Not these words.
    """
    return locals()


ALL = {
    "text": "a",
    "number": 5,
    "unit": "f",
    "way": "ride",
    "when": "2026-02-03",
    "address": {"place": {"title": "top"}, "zip_code": "123"},
    "options": {"fast": True},
    "maybe": None,
    "some": [{"title": "a", "altitude": 2}],
    "table": {"x": 1},
}


def test_every_common_type_has_a_schema_and_arrives_as_that_type():
    got = called(everything, ALL)

    assert got["unit"] is Unit.FAHRENHEIT
    assert got["when"] == date(2026, 2, 3)
    assert got["address"] == Address(place=Place("top"), zip_code="123")
    assert got["some"] == [Place("a", 2.0)]
    assert (got["options"], got["maybe"], got["table"]) == ({"fast": True}, None, {"x": 1})
    assert got["flag"] is False
    assert (got["noted"], got["limited"], got["anything"]) == ("x", 3, None)


def test_what_the_schema_lets_pass_the_function_takes():
    schema = tool_of(everything).parameters

    assert Draft202012Validator(schema).is_valid(ALL)
    for wrong in ({"number": 10}, {"unit": "k"}, {"way": "fly"}, {"table": {"x": "y"}}, {"some": [{}]}, {"new": 1}):
        assert not Draft202012Validator(schema).is_valid(ALL | wrong)
        assert problems(everything, ALL | wrong)


def test_what_a_hint_says_wins_over_the_docstring():
    properties = tool_of(everything).parameters["properties"]

    assert properties["number"]["description"] == "Hint's own words."
    assert properties["text"]["description"] == "Words."
    assert properties["noted"]["description"] == "A plain note."


def test_titles_are_left_out_but_not_names_and_values_that_are_called_so():
    def file(title: str, place: Place, entry: dict[str, str] = {"title": "x"}):  # noqa: B006 - its schema is the point
        pass

    schema = tool_of(file).parameters

    assert schema["properties"]["title"] == {"type": "string"}
    assert schema["properties"]["entry"]["default"] == {"title": "x"}
    assert "title" in schema["$defs"]["Place"]["properties"]
    assert "title" not in schema["$defs"]["Place"]


@pytest.mark.parametrize("name", ["_private", "__dunder", "json", "copy", "schema", "self", "model_config", "p0"])
def test_a_parameter_may_have_any_name(name):
    namespace = {}
    exec(f"def f({name}: int, other: int = 2): return {name}", namespace)

    assert list(tool_of(namespace["f"]).parameters["properties"]) == [name, "other"]
    assert called(namespace["f"], {name: 7}) == 7


def test_a_default_is_the_functions_own_object():
    missing = object()

    def find(text: str | None = missing):
        return text

    assert called(find, {}) is missing
    assert "default" not in tool_of(find).parameters["properties"]["text"]


def test_positional_only_and_keyword_only_parameters_are_given():
    def mixed(a: int, b: int = 2, /, c: int = 3, *, d: int = 4):
        return a, b, c, d

    assert called(mixed, {"a": 1, "c": 5}) == (1, 2, 5, 4)


def test_keyword_arguments_without_names_are_taken_by_type():
    def tag(item: str, **tags: int):
        return item, tags

    assert tool_of(tag).parameters["additionalProperties"] == {"type": "integer"}
    assert called(tag, {"item": "a", "x": 1, "y": "2"}) == ("a", {"x": 1, "y": 2})
    assert problems(tag, {"item": "a", "x": "no"})


def test_keyword_arguments_without_names_may_have_types_of_their_own():
    def places(**named: Place):
        return named

    schema = tool_of(places).parameters

    assert not Draft202012Validator(schema).is_valid({"home": {}})
    assert called(places, {"home": {"title": "x"}}) == {"home": Place("x")}


def test_the_context_is_given_and_not_told():
    def where(ctx: ToolContext, city: str):
        return ctx, city

    def maybe(city: str, *, ctx: ToolContext | None = None):
        return ctx, city

    for function in (where, maybe):
        assert list(tool_of(function).parameters["properties"]) == ["city"]
        assert called(function, {"city": "Oslo"}) == (CONTEXT, "Oslo")
        assert problems(function, {"city": "Oslo", "ctx": {}})


def test_methods_partials_wrapped_functions_and_callable_objects_are_tools():
    class Clock:
        def tell(self, zone: str) -> str:
            """Tell the time."""
            return zone

        def __call__(self, zone: str) -> str:
            """Tell the time."""
            return zone

    def plain(prefix: str, zone: str) -> str:
        """Tell the time."""
        return zone

    @functools.wraps(plain)
    def wrapped(*args, **kwargs):
        return plain(*args, **kwargs)

    partial = functools.partial(plain, "x")
    for function in (Clock().tell, Clock(), partial):
        tool = tool_of(function, name="clock")
        assert list(tool.parameters["properties"]) == ["zone"]
        assert tool.description == "Tell the time."
        assert called(function, {"zone": "CET"}) == "CET"
    assert list(tool_of(wrapped).parameters["properties"]) == ["prefix", "zone"]


# --- arguments ------------------------------------------------------------------------------------------------------


def test_arguments_are_read_as_json_is_read():
    def add(a: int, b: float, c: bool):
        return a, b, c

    assert called(add, {"a": "3", "b": 1, "c": "true"}) == (3, 1.0, True)
    assert problems(add, {"a": 3.5, "b": 1, "c": True}) == (
        "a: Input should be a valid integer, got a number with a fractional part",
    )


def test_problems_name_the_argument_and_are_bounded():
    def pick(places: list[Place], way: Literal["a"]):
        pass

    assert problems(pick, {"places": [{"altitude": 1}], "way": "b"}) == (
        "places.0.title: Field required",
        "way: Input should be 'a'",
    )
    assert len(problems(pick, {"places": [{}] * 1000, "way": "a"})) == 8


def test_a_validator_of_the_applications_own_speaks_to_the_model():
    class Even(BaseModel):
        value: int

        @field_validator("value")
        @classmethod
        def is_even(cls, value):
            if value % 2:
                raise ValueError("odd")
            return value

    def take(number: Even):
        return number.value

    assert called(take, {"number": {"value": 2}}) == 2
    assert problems(take, {"number": {"value": 3}}) == ("number.value: Value error, odd",)


def test_arguments_nested_too_deep_do_not_fit():
    def take(a: Any):
        pass

    for depth in (500, 200_000):
        deep: dict[str, Any] = {}
        for _ in range(depth):
            deep = {"a": deep}
        assert problems(take, deep)
        while deep:  # taken apart by hand: Python frees it by recursion
            deep = deep["a"]


# --- what is refused --------------------------------------------------------------------------------------------------


def starred(*names: str):
    pass


def generates():
    yield 1


async def generates_later():
    yield 1


def unresolved(a: "Nowhere"):  # noqa: F821 - the point of it
    pass


@attrs.define
class Opaque:
    a: int


def opaque(a: Opaque):
    pass


def of_functions(a: type(lambda: 0)):
    pass


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (starred, r"\*names.*take a list"),
        (generates, "collect it in a list"),
        (generates_later, "collect it in a list"),
        (unresolved, "Nowhere"),
        (opaque, "Opaque"),
        (of_functions, "tools.of_functions"),
        (Place, "a function"),
        ("text", "a function"),
        (None, "a function"),
    ],
)
def test_what_can_be_no_tool_is_refused_when_it_is_added(function, says):
    with pytest.raises(ConfigError, match=says):
        Tools([function])


def test_without_the_extra_it_says_what_to_install():
    code = """
import sys
sys.modules["docstring_parser"] = None
from engine.tools import Tools
try:
    Tools([lambda: 1])
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip().startswith("ConfigError docstring_parser is not installed | pip install")
    assert "realtime-engine[tools]" in done.stdout


def test_importing_the_tools_loads_none_of_the_libraries():
    code = (
        "import sys, engine.tools\n"
        "print({'pydantic', 'pydantic_core', 'jsonschema', 'docstring_parser', 'referencing'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
