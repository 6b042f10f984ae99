"""Regular expressions of a plan on a model's words: searched for a bounded time, while other sessions go on."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from engine.audio.extras import load
from engine.errors import ConfigError, DeadlinePassed

SEARCH_DEADLINE_S: Final = 1.0
"""How long one expression may be searched for in all texts of a call. Most take microseconds; one that backtracks, as
`(a|aa)+$`, takes more than anybody has, and Python's `re` can't be stopped."""


def is_found(pattern: str, texts: Sequence[str]) -> bool:
    """Tell whether a regular expression is found in one of several texts; blocks, but lets other threads go on.

    Raises:
        ConfigError: It is no regular expression, or the extra `farm`, which brings regex, is not installed.
        DeadlinePassed: It takes too long.
    """
    regex: Any = load("regex", "farm")
    try:
        compiled = regex.compile(pattern, regex.VERSION0)
        share_s = SEARCH_DEADLINE_S / max(1, len(texts))
        return any(compiled.search(text, timeout=share_s, concurrent=True) is not None for text in texts)
    except regex.error as error:
        raise ConfigError("matches", pattern, f"a regular expression: {error}") from error
    except TimeoutError as error:
        message = f"the search for {pattern!r} takes longer than {SEARCH_DEADLINE_S:g} s | write it without (a+)+"
        raise DeadlinePassed("search", SEARCH_DEADLINE_S, message=message) from error


def schema_validators() -> dict[str, Any]:
    """Give JSON Schema's keywords that have regular expressions, searched for by `is_found`."""
    return {"pattern": _pattern, "patternProperties": _pattern_properties}


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterable[Any]:
    jsonschema: Any = load("jsonschema", "tools")
    if isinstance(value, str) and not is_found(pattern, [value]):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, _: Any) -> Iterable[Any]:
    if not isinstance(value, dict):
        return
    for pattern, schema in patterns.items():
        for name in [name for name in value if is_found(pattern, [name])]:
            yield from validator.descend(value[name], schema, path=name, schema_path=pattern)
