"""What the model is told of a function, from its type hints and docstring; and its arguments, checked by the same."""

import inspect
import json
import typing
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import attrs

from engine.audio.extras import load
from engine.errors import ConfigError
from engine.tools import bounds
from engine.tools.call import ToolContext
from engine.tools.tool import Bind, Bound, Misfit, code_of

_EXTRA: Final = "tools"


@attrs.frozen
class Described:
    """What a function's own code says of it.

    Attributes:
        description: The docstring without its parts on parameters, returns and the like.
        parameters: JSON Schema of the arguments.
        bind: Checks and converts arguments.
    """

    description: str
    parameters: Mapping[str, Any]
    bind: Bind


def describe(function: Callable[..., Any], field: str) -> Described:
    """Read a function.

    Args:
        function: Its parameters may have any type that pydantic knows. A parameter of type `ToolContext` is given by
            the engine and not told to the model; `**kwargs` takes whatever else the model gives.
        field: How an error names it.

    Raises:
        ConfigError: It can't be called with named arguments, a type has no JSON Schema, or the extra is missing.
    """
    words = load("docstring_parser", _EXTRA).parse(inspect.getdoc(code_of(function)) or "")
    told = {each.arg_name.lstrip("*"): " ".join((each.description or "").split()) for each in words.params}
    try:
        reader = _Reader(_parameters(function, field), told)
        return Described((words.description or "").strip(), reader.schema(), reader.bind)
    except ConfigError:
        raise
    except (load("pydantic.errors", _EXTRA).PydanticUserError, NameError, TypeError, ValueError) as error:
        what = str(error).partition("\n")[0]
        allowed = "parameters whose type hints can be resolved and have a JSON Schema"
        raise ConfigError(field, "(see the cause)", allowed, message=f"{field}: {what}; allowed: {allowed}") from error


@attrs.frozen
class _Parameter:
    name: str
    kind: Any
    hint: Any
    default: Any

    @property
    def is_context(self) -> bool:
        return self.hint is ToolContext or ToolContext in typing.get_args(self.hint)

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


def _parameters(function: Callable[..., Any], field: str) -> list[_Parameter]:
    hints = typing.get_type_hints(code_of(function), include_extras=True)
    found = [
        _Parameter(each.name, each.kind, hints.get(each.name, Any), each.default)
        for each in inspect.signature(function).parameters.values()
    ]
    if starred := [each.name for each in found if each.kind is inspect.Parameter.VAR_POSITIONAL]:
        raise ConfigError(field, f"*{starred[0]}", "parameters with names: take a list instead")
    return found


class _Reader:
    """The parameters of a function as a pydantic model.

    Its fields have names of their own (`p0`, `p1`, ...) and the parameters' names as aliases, for a parameter may be
    called `_x`, `json` or `copy`, which pydantic keeps for itself.
    """

    def __init__(self, parameters: list[_Parameter], told: Mapping[str, str]) -> None:
        self._pydantic = pydantic = load("pydantic", _EXTRA)
        rest = [each for each in parameters if each.kind is inspect.Parameter.VAR_KEYWORD]
        self._fields = {f"p{index}": each for index, each in enumerate(parameters) if each not in rest}
        self._rest = pydantic.TypeAdapter(dict.__class_getitem__((str, rest[0].hint))) if rest else None
        self._model = pydantic.create_model(
            "Arguments",
            __config__=pydantic.ConfigDict(extra="allow" if rest else "forbid"),
            **{
                field: self._definition(each, told.get(each.name))
                for field, each in self._fields.items()
                if not each.is_context
            },
        )

    def _definition(self, parameter: _Parameter, told: str | None) -> tuple[Any, Any]:
        """Make a field; what the hint itself says of it comes last, so that it wins."""
        hint, *said = _unpacked(parameter.hint)
        told = next((each for each in said if isinstance(each, str)), told)
        about = self._pydantic.Field(alias=parameter.name, description=told or None)
        return Annotated[(hint, about, *said)], ... if parameter.required else parameter.default

    def schema(self) -> dict[str, Any]:
        with warnings.catch_warnings():
            # A default that JSON can't say is left out of the schema, which is what we want.
            warnings.simplefilter("ignore")
            schema: dict[str, Any] = self._model.model_json_schema()
        if self._rest is not None:
            rest = self._rest.json_schema()
            schema["additionalProperties"] = rest["additionalProperties"]
            schema["$defs"] = {**schema.get("$defs", {}), **rest.get("$defs", {})}
        plain: dict[str, Any] = _plain(schema)
        return {"type": "object", "properties": {}, **{key: value for key, value in plain.items() if value != {}}}

    def bind(self, arguments: Mapping[str, Any], context: ToolContext) -> Bound | Misfit:
        try:
            model = self._model.model_validate_json(json.dumps(arguments))
            rest = self._rest.validate_python(model.model_extra) if self._rest is not None else {}
        except self._pydantic.ValidationError as error:
            return Misfit(_problems(error))
        except RecursionError:
            return Misfit(("they are nested too deep",))
        return self._bound(model, rest, context)

    def _bound(self, model: Any, rest: Mapping[str, Any], context: ToolContext) -> Bound:
        args: list[Any] = []
        kwargs: dict[str, Any] = dict(rest)
        for field, parameter in self._fields.items():
            value = context if parameter.is_context else self._value(model, field, parameter.default)
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                args.append(value)
            else:
                kwargs[parameter.name] = value
        return Bound(tuple(args), kwargs)

    def _value(self, model: Any, field: str, default: Any) -> Any:
        """Give what the model gave, or the function's own default: pydantic's is a copy, and may not be `is` it."""
        by_field = isinstance(default, self._pydantic.fields.FieldInfo)
        return getattr(model, field) if field in model.model_fields_set or by_field else default


def _unpacked(hint: Any) -> tuple[Any, ...]:
    """Give a type, and what `Annotated` says of it."""
    return typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)


def _problems(error: Any) -> tuple[str, ...]:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in found]
    return tuple(each[: bounds.SHOWN_CHARS] for each in told[: bounds.SHOWN_PROBLEMS])


_NAMED: Final = frozenset({"properties", "$defs", "patternProperties"})
"""Keywords whose keys are names of the author's."""

_DATA: Final = frozenset({"default", "const", "enum", "examples"})
"""Keywords that hold values, not schemas."""


def _plain(schema: Any) -> Any:
    """Leave out the titles that pydantic makes of the names: the model pays for each word."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _inside(key, value) for key, value in schema.items() if key != "title"}


def _inside(keyword: str, value: Any) -> Any:
    if keyword in _DATA:
        return value
    if keyword in _NAMED:
        return {name: _plain(schema) for name, schema in value.items()}
    return _plain(value)
