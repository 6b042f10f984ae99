"""Tools whose JSON Schema somebody wrote: the contract's dictionaries and the service's flat form, with a handler."""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from engine.audio.extras import load
from engine.contract import to_wire_tool
from engine.errors import ConfigError
from engine.tools import bounds
from engine.tools.call import ToolContext
from engine.tools.tool import Bind, Bound, Misfit, Tool, ToolSettings, check_function, code_of

_EXTRA: Final = "tools"
_NAMED_KINDS: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_PLACED_KINDS: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def tool_of_spec(spec: Any, handler: Callable[..., Any] | None, settings: ToolSettings, field: str = "tools") -> Tool:
    """Make a tool of its dictionary.

    Args:
        spec: `{"name", "description", "inputSchema": {"json": schema}}` or
            `{"type": "function", "name", "description", "parameters": schema}`.
        handler: Called with the schema's properties as keyword arguments when it has parameters of these names (or
            `**kwargs`), else with one dictionary.
        settings: How it is run.
        field: How an error names it.

    Raises:
        ConfigError: It is no such dictionary, its schema is broken, the handler fits neither way, or the extra is
            missing.
    """
    described = to_wire_tool(spec, field)
    if described.type != "function" or described.name is None:
        raise ConfigError(field, described.type, "a function: what the service runs itself goes to SessionConfig")
    field = f"{field}.{described.name}"
    handler = check_function(handler, field)
    schema = copy.deepcopy(dict(described.parameters or {"type": "object", "properties": {}}))
    return Tool(
        name=described.name,
        description=described.description or "",
        parameters=schema,
        function=handler,
        bind=_checked(schema, _calling(handler, schema, field), field),
        settings=settings,
    )


def _checked(schema: Mapping[str, Any], bind: Bind, field: str) -> Bind:
    """Look at the arguments by the schema (Draft 2020-12) before they are bound."""
    jsonschema = load("jsonschema", _EXTRA)
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        _check_references(schema)
    except (jsonschema.SchemaError, load("referencing.exceptions", _EXTRA).Unresolvable) as error:
        what = getattr(error, "message", None) or f"$ref {error}"
        raise ConfigError(f"{field}.inputSchema", what[: bounds.SHOWN_CHARS], "JSON Schema, Draft 2020-12") from error
    # An empty registry: nothing is fetched from anywhere.
    validator = jsonschema.Draft202012Validator(schema, registry=load("referencing", _EXTRA).Registry())

    def checked(arguments: Mapping[str, Any], context: ToolContext) -> Bound | Misfit:
        found = [_problem(each) for each in islice(validator.iter_errors(arguments), bounds.SHOWN_PROBLEMS)]
        return Misfit(tuple(found)) if found else bind(arguments, context)

    return checked


def _problem(error: Any) -> str:
    where = ".".join(map(str, error.absolute_path)) or "arguments"
    return f"{where}: {error.message}"[: bounds.SHOWN_CHARS]


def _check_references(schema: Mapping[str, Any]) -> None:
    """Resolve every `$ref` now: one that leads nowhere would show in the middle of a call."""
    referencing = load("referencing", _EXTRA)
    resource = load("referencing.jsonschema", _EXTRA).DRAFT202012.create_resource(schema)
    resolver = referencing.Registry().with_resource("", resource).resolver("")
    for reference in _references(schema):
        resolver.lookup(reference)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, (list, tuple)):
        for value in schema:
            yield from _references(value)


def _calling(handler: Callable[..., Any], schema: Mapping[str, Any], field: str) -> Bind:
    """Decide how the handler takes its arguments."""
    parameters = inspect.signature(handler).parameters.values()
    hints = getattr(code_of(handler), "__annotations__", {})
    contexts = [each.name for each in parameters if hints.get(each.name) in (ToolContext, ToolContext.__name__)]
    own = [each for each in parameters if each.name not in contexts]
    if _takes_names(own, schema):
        return _by_name(own, contexts)
    if _takes_one(own):
        return lambda arguments, context: Bound((dict(arguments),), dict.fromkeys(contexts, context))
    names = ", ".join(schema.get("properties", ())) or "none"
    raise ConfigError(
        field, str(inspect.signature(handler)), f"a function of the schema's names ({names}), or of one dict"
    )


def _takes_names(own: list[inspect.Parameter], schema: Mapping[str, Any]) -> bool:
    properties = set(schema.get("properties", ()))
    named = {each.name for each in own if each.kind in _NAMED_KINDS}
    placed = any(each.kind is inspect.Parameter.POSITIONAL_ONLY for each in own)
    return (properties <= named or _is_open(own)) and _needed(own) <= properties and not placed


def _needed(own: list[inspect.Parameter]) -> set[str]:
    return {each.name for each in own if each.kind in _NAMED_KINDS and each.default is inspect.Parameter.empty}


def _is_open(own: list[inspect.Parameter]) -> bool:
    return any(each.kind is inspect.Parameter.VAR_KEYWORD for each in own)


def _takes_one(own: list[inspect.Parameter]) -> bool:
    first, rest = own[:1], own[1:]
    return bool(first) and first[0].kind in _PLACED_KINDS and all(_may_be_left_out(each) for each in rest)


def _may_be_left_out(parameter: inspect.Parameter) -> bool:
    starred = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return starred or parameter.default is not inspect.Parameter.empty


def _by_name(own: list[inspect.Parameter], contexts: list[str]) -> Bind:
    known = {each.name for each in own if each.kind in _NAMED_KINDS}
    needed, is_open = _needed(own), _is_open(own)

    def bind(arguments: Mapping[str, Any], context: ToolContext) -> Bound | Misfit:
        unknown = set() if is_open else set(arguments) - known
        problems = [f"{name}: is required" for name in sorted(needed - set(arguments))]
        problems += [f"{name}: is not one of {sorted(known)}"[: bounds.SHOWN_CHARS] for name in sorted(unknown)]
        if problems:
            return Misfit(tuple(problems[: bounds.SHOWN_PROBLEMS]))
        return Bound((), {**arguments, **dict.fromkeys(contexts, context)})

    return bind
