"""Makes a plan of the table that TOML gives; what is wrong is told with its path, and what is allowed there."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import attrs

from engine.errors import ConfigError
from engine.farm.plan import model
from engine.farm.plan.checks import waits
from engine.farm.plan.homes import TOP, home_of, keys_of
from engine.farm.plan.nearest import did_you_mean
from engine.farm.plan.thresholds import read_threshold

T = TypeVar("T")
Read = Callable[[Any, str], Any]
"""Reads a value at a path."""

SHOWN_CHARS: Final = 80
"""How much of a wrong value an error shows."""

_MEANT: Final[Mapping[str, str]] = {
    "vus": "sessions",
    "users": "sessions",
    "concurrency": "sessions",
    "duration": "duration_s",
    "rate": "rate_per_s",
    "spawn_rate": "starts_per_s",
    "target": "to",
    "text": "say",
    "wav": "say",
    "file": "say",
    "audio": "say",
    "sleep": "wait_s",
    "wait": "wait_s",
    "silence": "silence_ms",
    "dtmf": "push",
    "digits": "push",
    "word_error_rate": "reference",
    "wer": "reference",
    "regex": "matches",
    "json": "json_answer",
    "schema": "json_answer",
    "timeout": "deadline_s",
    "timeout_s": "deadline_s",
    "result": "answer",
    "returns": "answer",
    "handler": "function",
    "assert": "expect",
    "checks": "expect",
    "steps": "turns",
    "dataset": "data",
    "iterations": "repeat",
    "url": "target",
    "model": "session",
    "max": "at_most",
}
"""Words of other tools, and of those who guess: what they are called here, where that is a key of the table."""


def read_plan(table: Mapping[str, Any], folder: str, source: str) -> model.Plan:
    """Make a plan, without looking at its files.

    Args:
        table: By the names of `engine.farm.plan.model`.
        folder: That paths start from.
        source: Where it was read from, for messages.

    Raises:
        ConfigError: It is no plan; `field` is the path of what is wrong.
    """
    given = {_WRITTEN.get(key, key): value for key, value in table.items()}
    _known_keys(given, "", TOP)
    # First, for one of them may hold what the top misses.
    sections = {key: _SECTION_READERS[key](table[key], key) for key in _SECTION_READERS if key in table}
    if "name" not in table:
        raise _missing("", "name", _nameless(table))
    if "scenarios" not in table:
        raise _missing("", "scenario", "at least one [[scenario]]: what a caller does")
    with _below("", ""):
        return model.Plan(
            name=table["name"],
            scenarios=_each(_scenario)(table["scenarios"], "scenarios"),
            thresholds=_each(_threshold)(table.get("thresholds", []), "thresholds"),
            session=_table(table.get("session", {}), "session"),
            folder=folder,
            source=source,
            **sections,
        )


_WRITTEN: Final[Mapping[str, str]] = {"scenarios": "scenario"}


def _nameless(table: Mapping[str, Any]) -> str:
    below = " (the one in [session] is the session's)" if "name" in _mapping(table.get("session")) else ""
    return f"text, which reports and lists show, before the first [section]{below}"


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}


def _target(given: Any, path: str) -> model.Target:
    """Read whom to call: a table, or its kind or its address alone."""
    if isinstance(given, str):
        with _below(path, "target."):
            return model.Target(kind="url", url=given) if "://" in given else model.Target(kind=given)  # type: ignore[arg-type]
    target: model.Target = _record(model.Target, "target.")(given, path)
    return target


def _scenario(given: Any, path: str) -> model.Scenario:
    if isinstance(given, dict) and "rows" in given:
        raise _unknown(f"{path}.rows", "rows", keys_of(model.Scenario))
    if isinstance(given, dict) and "turns" not in given and given.keys() <= {*keys_of(model.Scenario)}:
        raise _missing(path, "turns", _NEEDED["turns"])
    return _record_of(model.Scenario, "scenario.", given, path, _SCENARIO_READERS)


def _threshold(given: Any, path: str) -> model.Threshold:
    with _below(path, "thresholds"):
        return read_threshold(given)


def _each(read: Callable[[Any, str], T]) -> Callable[[Any, str], tuple[T, ...]]:
    def read_all(given: Any, path: str) -> tuple[T, ...]:
        if isinstance(given, dict):
            raise _in_one_bracket(path)
        if not isinstance(given, list):
            raise _wrong(path, given, "a list, in square brackets")
        return tuple(read(one, f"{path}[{index}]") for index, one in enumerate(given))

    return read_all


def _record(cls: type[T], prefix: str, readers: Mapping[str, Read] | None = None) -> Callable[[Any, str], T]:
    return lambda given, path: _record_of(cls, prefix, given, path, readers or {})


def _record_of(cls: type[T], prefix: str, given: Any, path: str, readers: Mapping[str, Read]) -> T:
    _known_keys(_table(given, path), path, keys_of(cls))
    for name in keys_of(cls, needed=True):
        if name not in given:
            raise _missing(path, name, _NEEDED.get(name, "a value"))
    values = {name: readers.get(name, _as_it_is)(value, f"{path}.{name}") for name, value in given.items()}
    values = _with_names(cls, values)
    with _below(path, prefix):
        return cls(**values)


def _with_names(cls: type, values: dict[str, Any]) -> dict[str, Any]:
    """Let texts with names stand where numbers do: `interrupt_after_ms = "{cut_ms}"`."""
    fields = {field.name: field for field in attrs.fields(cls)}
    told = {name: text for name, text in values.items() if name in model.NUMBERS and _has_name(text)}
    if not told or "from_values" not in fields:
        return values
    for name in told:
        # The number itself comes with the values; until then something stands there that is allowed.
        values[name] = 1 if fields[name].default is attrs.NOTHING else fields[name].default
    return {**values, "from_values": told}


def _has_name(value: Any) -> bool:
    return isinstance(value, str) and waits(value)


_NEEDED: Final[Mapping[str, str]] = {
    "name": "text",
    "turns": "what the caller does: at least one step, as { say = 'hello.wav' }",
    "at_most": "a share of the reference's words, as 0.2",
    "reference": "text, what should have been heard or said",
    "duration_s": "seconds that the stage takes",
    "to": "sessions, or starts a second, that it reaches",
}


def _one_of(prefix: str, kinds: Mapping[str, type[Any]], example: str) -> Read:
    """Read one of several records, told apart by a key that only it has."""

    def read(given: Any, path: str) -> Any:
        if not isinstance(given, dict):
            raise _wrong(path, given, f"a table, as {example}")
        found = [key for key in kinds if key in given]
        if len(found) > 1:
            raise _several(path, found, tuple(kinds))
        if not found:
            every = {field.name for kind in kinds.values() for field in attrs.fields(kind)}
            strange = next((key for key in given if key not in every), None)
            if strange is not None:
                raise _unknown(f"{path}.{strange}", strange, tuple(kinds))
            raise _wrong(path, ", ".join(given) or "an empty table", f"a table with one of {', '.join(kinds)}")
        return _record_of(kinds[found[0]], prefix.format(found[0]), given, path, {})

    return read


_STEPS: Final[Mapping[str, type[Any]]] = {
    "say": model.Say,
    "type": model.Type,
    "wait_s": model.Wait,
    "silence_ms": model.Silence,
    "push": model.Push,
}
_TOOLS: Final[Mapping[str, type[Any]]] = {"function": model.FunctionTool, "name": model.CannedTool}
_EXPECTATIONS: Final[Mapping[str, type[Any]]] = {
    "contains": model.Contains,
    "matches": model.Matches,
    "reference": model.WordErrorRate,
    "tool_called": model.ToolCalled,
    "first_audio_within_ms": model.FirstAudioWithin,
    "no_error": model.NoError,
    "json_answer": model.JsonAnswer,
}
_SCENARIO_READERS: Final[Mapping[str, Read]] = {
    "turns": _each(_one_of("{}.", _STEPS, "{ say = 'hello.wav' }")),
    "tools": _each(_one_of("tool.", _TOOLS, "{ name = 'get_weather', answer = 'rain' }")),
    "expect": _each(_one_of("expect.", _EXPECTATIONS, "{ contains = 'Oslo' }")),
}
_SECTION_READERS: Final[Mapping[str, Read]] = {
    "target": _target,
    "load": _record(model.Load, "load.", {"stages": _each(_record(model.Stage, "load.stages."))}),
    "caps": _record(model.Caps, "caps."),
    "retries": _record(model.Retries, "retries."),
    "keep": _record(model.Keep, "keep."),
}


def _as_it_is(value: Any, _: str) -> Any:
    return value


def _table(given: Any, path: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        written = f"[[{path.partition('[')[0].removesuffix('s')}]]" if "[" in path else f"[{path}]"
        raise _wrong(path, given, f"a table, under {written}")
    return given


def _known_keys(given: Mapping[str, Any], path: str, known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise _unknown(f"{path}.{key}" if path else key, key, known)


def _unknown(path: str, key: str, known: tuple[str, ...]) -> ConfigError:
    allowed = "the keys " + ", ".join(known)
    home = home_of(key)
    if home:
        return ConfigError(
            path, "(elsewhere)", allowed, message=f"{path} belongs {home} | here are: {', '.join(known)}"
        )
    meant = _MEANT.get(key.lower())
    hint = f" (did you mean {meant!r}?)" if meant in known else did_you_mean(key, known)
    return ConfigError(path, "(not known)", allowed, message=f"{path} is not known{hint}; allowed: {allowed}")


def _wrong(path: str, value: Any, allowed: str) -> ConfigError:
    return ConfigError(path, value, allowed, message=f"{path} = {short(value)} is not possible; allowed: {allowed}")


def _several(path: str, found: list[str], kinds: tuple[str, ...]) -> ConfigError:
    allowed = f"one of {', '.join(kinds)}; a table of its own for each"
    return ConfigError(path, found, allowed, message=f"{path} has {' and '.join(found)}; allowed: {allowed}")


_ONE_OF_MANY: Final = re.compile(r"(scenario\.(?:turn|tool))s$")
"""`[[scenario.turn]]` reads better; stages and expectations have no such name."""


def _in_one_bracket(path: str) -> ConfigError:
    shown = path.replace("scenarios", "scenario")
    one = _ONE_OF_MANY.sub(r"\1", re.sub(r"\[\d+\]", "", shown))
    message = (
        f"{shown} is one table; allowed: a list, in square brackets, or tables under [[{one}]], in double brackets"
    )
    return ConfigError(path, "(a table)", f"[[{one}]]", message=message)


def _missing(path: str, key: str, allowed: str) -> ConfigError:
    whole = f"{path}.{key}" if path else key
    return ConfigError(whole, None, allowed, message=f"{whole} is missing; needed is {allowed}")


def short(value: Any) -> str:
    """Show a value in one line."""
    text = value if isinstance(value, str) else repr(value)
    return (repr(text) if isinstance(value, str) else text)[:SHOWN_CHARS] + ("…" if len(text) > SHOWN_CHARS else "")


@contextmanager
def _below(path: str, prefix: str) -> Iterator[None]:
    """Tell errors of records with the path at which they stand."""
    try:
        yield
    except ConfigError as error:
        rest = error.field.removeprefix(prefix)
        field = f"{path}.{rest}" if path and rest else path or rest
        allowed = error.allowed
        if isinstance(error.value, str) and waits(error.value):
            allowed += "; a {name} can stand in texts, settings, and numbers of steps and expectations"
        plain = str(error).startswith(f"{error.field}=")
        message = f"{field} = {short(error.value)} is not possible; allowed: {allowed}" if plain else str(error)
        raise ConfigError(field, error.value, allowed, message=message) from error
