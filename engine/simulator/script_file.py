"""Scripts as TOML files, for `ScriptedResponder`; what is wrong in one is told with file, key and what is allowed.

```toml
echo = "You said: {text}"
transcripts = ["What is the weather in Oslo?", { fail = "audio_unintelligible" }]

[[turn]]
when = "weather"
repeat = true
think_ms = 300
parts = [{ say = "Let me look." }, { call = "get_weather", arguments = { city = "Oslo" } }]

[[turn]]
say = "A turn of one message can be written like this."

[[translation]]
heard = "Good morning."
said = "Buenos días."
```
"""

import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import attrs

from engine.errors import ConfigError
from engine.simulator.responder import Call, Fail, Incomplete, McpCall, Part, Say
from engine.simulator.script import ECHO, Script, Turn, Unheard
from engine.simulator.scripted_interpreter import Translation

Json = dict[str, Any]

_TYPE_WORDS: dict[type, str] = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
_REASONS = ("max_output_tokens", "content_filter")
_TURN_KEYS = ("when", "repeat", "think_ms", "parts", "say")


def load_script(path: str | Path) -> Script:
    """Read a script.

    Raises:
        ConfigError: The file can't be read, is no TOML, or holds something else than a script.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("script", str(path), f"a file that can be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError("script", str(path), f"a TOML file ({error})") from error
    return _Reader(path.name).script(table)


@attrs.frozen
class _Reader:
    """Reads the parts of one file and knows its name.

    Attributes:
        file: For errors.
    """

    file: str

    def script(self, table: Json) -> Script:
        self._keys(table, "", ("echo", "transcripts", "turn", "translation"))
        return Script(
            turns=[self._turn(turn, f"turn[{i}]") for i, turn in enumerate(self._list(table, "", "turn"))],
            transcripts=[
                self._transcript(heard, f"transcripts[{i}]")
                for i, heard in enumerate(self._list(table, "", "transcripts"))
            ],
            echo=self._value(table, "", "echo", ECHO, str),
            translations=[
                self._translation(said, f"translation[{i}]")
                for i, said in enumerate(self._list(table, "", "translation"))
            ],
        )

    def _turn(self, table: Any, path: str) -> Turn:
        self._keys(table, path, _TURN_KEYS)
        if ("say" in table) == ("parts" in table):
            raise self._wrong(path, sorted(table), "either `say` or `parts`")
        parts = [{"say": table["say"]}] if "say" in table else self._list(table, path, "parts")
        if not parts:
            raise self._wrong(f"{path}.parts", parts, "at least one part")
        try:
            return Turn(
                parts=[self._part(part, f"{path}.parts[{i}]") for i, part in enumerate(parts)],
                when=self._value(table, path, "when", None, str),
                repeat=self._repeat(table, path),
                think_ms=self._think_ms(table, path),
            )
        except ConfigError as error:
            raise self._wrong(f"{path}.when", error.value, error.allowed) if error.field == "when" else error from None

    def _repeat(self, table: Json, path: str) -> int | None:
        repeat = self._value(table, path, "repeat", 1, bool, int)
        if repeat is True:
            return None
        if repeat is False:
            return 1
        if repeat < 1:
            raise self._wrong(f"{path}.repeat", repeat, "1 or more, or true for always")
        return cast("int", repeat)

    def _think_ms(self, table: Json, path: str) -> float:
        think_ms = self._value(table, path, "think_ms", 0.0, float, int)
        if not 0 <= think_ms < math.inf:
            raise self._wrong(f"{path}.think_ms", think_ms, "milliseconds, 0 or more")
        return float(think_ms)

    def _transcript(self, value: Any, path: str) -> str | Unheard:
        if isinstance(value, str):
            return value
        self._keys(value, path, ("fail",))
        return Unheard(self._value(value, path, "fail", Unheard().code, str))

    def _translation(self, table: Any, path: str) -> Translation:
        self._keys(table, path, ("heard", "said"))
        return Translation(self._value(table, path, "heard", "", str), self._value(table, path, "said", "", str))

    def _part(self, table: Any, path: str) -> Part:
        kinds = [kind for kind in _PARTS if isinstance(table, dict) and kind in table]
        if len(kinds) != 1:
            raise self._wrong(path, table, "a table with exactly one of " + ", ".join(_PARTS))
        keys, make = _PARTS[kinds[0]]
        self._keys(table, path, keys)
        return make(self, table, path)

    def _say(self, table: Json, path: str) -> Part:
        return Say(self._value(table, path, "say", "", str))

    def _call(self, table: Json, path: str) -> Part:
        arguments = table.get("arguments", {})
        if not isinstance(arguments, str | dict):
            raise self._wrong(f"{path}.arguments", arguments, "a table, or JSON text")
        name, call_id = self._value(table, path, "call", "", str), self._value(table, path, "call_id", None, str)
        try:
            return Call(name, arguments, call_id)
        except TypeError as error:
            raise self._wrong(f"{path}.arguments", arguments, f"values that JSON has ({error})") from error

    def _mcp_call(self, table: Json, path: str) -> Part:
        call = self._call({**table, "call": table["mcp_call"]}, path)
        assert isinstance(call, Call)  # noqa: S101 - what `_call` makes
        return McpCall(self._value(table, path, "server", "", str), call.name, call.arguments)

    def _fail(self, table: Json, path: str) -> Part:
        default = Fail()
        return Fail(
            self._value(table, path, "fail", default.code, str),
            self._value(table, path, "message", default.message, str),
            self._value(table, path, "error_type", default.error_type, str),
        )

    def _incomplete(self, table: Json, path: str) -> Part:
        reason = table["incomplete"]
        if reason not in _REASONS:
            raise self._wrong(f"{path}.incomplete", reason, " or ".join(_REASONS))
        return Incomplete(reason)

    def _keys(self, table: Any, path: str, allowed: tuple[str, ...]) -> None:
        if not isinstance(table, dict):
            raise self._wrong(path, table, "a table with " + ", ".join(allowed))
        for key in table:
            if key not in allowed:
                raise self._wrong(f"{path}.{key}" if path else key, table[key], "the keys " + ", ".join(allowed))

    def _list(self, table: Json, path: str, key: str) -> list[Any]:
        value = table.get(key, [])
        if not isinstance(value, list):
            raise self._wrong(f"{path}.{key}" if path else key, value, "an array")
        return value

    def _value(self, table: Json, path: str, key: str, default: Any, *types: type) -> Any:
        value = table.get(key, default)
        if key in table and type(value) not in types:
            words = " or ".join(_TYPE_WORDS[cls] for cls in types)
            raise self._wrong(f"{path}.{key}" if path else key, value, words)
        return value

    def _wrong(self, path: str, value: object, allowed: str) -> ConfigError:
        field = f"{self.file}: {path}"
        return ConfigError(field, value, allowed)


_PARTS: dict[str, tuple[tuple[str, ...], Callable[[_Reader, Json, str], Part]]] = {
    "say": (("say",), _Reader._say),
    "call": (("call", "arguments", "call_id"), _Reader._call),
    "fail": (("fail", "message", "error_type"), _Reader._fail),
    "incomplete": (("incomplete",), _Reader._incomplete),
    "mcp_call": (("mcp_call", "server", "arguments"), _Reader._mcp_call),
}
