"""Reads a plan's TOML file and the files that it includes: one table, and the file and line of each of its keys."""

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from engine.errors import ConfigError
from engine.farm.plan import lines
from engine.farm.plan.model import SOUND_SUFFIXES

PLAN_MAX_BYTES: Final = 16 * 2**20
"""Largest plan file. What is larger is data, and belongs in a CSV or JSONL file that the plan names."""

ALIASES: Final[Mapping[str, str]] = {"scenario": "scenarios", "threshold": "thresholds"}
SCENARIO_ALIASES: Final[Mapping[str, str]] = {"turn": "turns", "tool": "tools", "tag": "tags"}
"""Names for one that read well in `[[scenario.turn]]`, and what they stand for."""

_JOINED: Final = ("session", "caps", "retries", "keep")
"""Sections that are joined key by key with those of an included file. Others replace them as a whole, for their keys
only make sense together."""

_LISTS: Final = ("scenarios", "thresholds")
"""What files add to."""


@attrs.frozen
class Place:
    """Where a key stands, and how it is written there.

    Attributes:
        file: As it was given, or as it is included.
        line: From 1.
    """

    file: str
    line: int


@attrs.frozen
class Source:
    """What files say.

    Attributes:
        table: By the names of `engine.farm.plan.model`.
        places: By path, as `scenarios[0].turns[1].say`.
    """

    table: dict[str, Any]
    places: Mapping[str, Place]

    def place(self, path: str) -> Place | None:
        """Find the nearest place of a path: its own, or that of the table that it is in."""
        while path:
            if path in self.places:
                return self.places[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None


def read_source(path: Path) -> Source:
    """Read a file and all that it includes, each once.

    Raises:
        ConfigError: A file can't be read, is no TOML, or includes itself.
    """
    return _read(path, path.parent.absolute(), (), set())


def located(file: str, line: int | None, words: str, *, value: object = None, allowed: str = "") -> ConfigError:
    """Make an error that names its file, and its line where there is one."""
    where = f"{file}:{line}" if line else file
    return ConfigError(where, value, allowed, message=f"{where}: {words}")


def _read(path: Path, folder: Path, chain: tuple[Path, ...], seen: set[Path]) -> Source:
    name = str(path) if not chain else os.path.relpath(path, folder)
    seen.add(path.resolve())
    text = _text(path, name)
    table = _parsed(text, name)
    places = {at: Place(name, line) for at, line in lines.key_lines(text).items()}
    table, places = _canonical(table, places, name)
    _move_paths(table, path.parent.absolute(), folder)
    own = Source(table, {lines.shown(at): place for at, place in places.items()})
    whole = Source({}, {})
    for index, given in enumerate(_included(own, name)):
        place = own.place(f"include[{index}]") or Place(name, 0)
        below = _below(place, given, (*chain, path))
        if below.resolve() not in seen:
            whole = _joined(whole, _read(below, folder, (*chain, path), seen))
    return _joined(whole, own)


def _text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > PLAN_MAX_BYTES:
            raise located(name, None, f"the file is over {PLAN_MAX_BYTES} bytes | put data in a CSV or JSONL file")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise located(name, None, f"the plan can't be read ({error.strerror}) | check the path") from error
    except UnicodeDecodeError as error:
        words = f"the plan is no UTF-8 text (byte {error.start}) | save it as UTF-8"
        raise located(name, None, words) from error


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words, _, where = str(error).partition(" (at ")
        line = where.partition("line ")[2].partition(",")[0]
        number = int(line) if line.isdigit() else text.count("\n") + 1
        raise located(name, number, f"no TOML: {words}{_hint(text, number)}") from error


def _hint(text: str, line: int) -> str:
    """Say what is usually wrong with such a line."""
    written = (text.splitlines() or [""])[min(line, text.count("\n") + 1) - 1 :][:1]
    if _is_open(written[0] if written else ""):
        return " | a text that begins here has no quotation mark at its end"
    value = written[0].partition("=")[2].partition("#")[0].strip() if written else ""
    is_word = value[:1].isalpha() and value not in {"true", "false", "inf", "nan"}
    return f' | texts stand in quotes: "{value[:40]}"' if is_word else ""


def _is_open(line: str) -> bool:
    """Tell whether a text of one line begins in it that does not end."""
    closed = re.sub(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'', "", line)
    return '"' in closed.partition("#")[0]


Places = dict[lines.Path, Place]


def _canonical(table: dict[str, Any], places: Places, name: str) -> tuple[dict[str, Any], Places]:
    """Let names for one stand for those for many, in the table and in the places."""
    table = _renamed(table, ALIASES, places, (), name)
    scenarios = table.get("scenarios")
    if isinstance(scenarios, list):
        for index, scenario in enumerate(scenarios):
            if isinstance(scenario, dict):
                at = ("scenario" if ("scenario",) in places else "scenarios", index)
                scenarios[index] = _renamed(scenario, SCENARIO_ALIASES, places, at, name)
    return table, {_long(at): place for at, place in places.items()}


def _renamed(
    table: dict[str, Any], aliases: Mapping[str, str], places: Places, at: lines.Path, name: str
) -> dict[str, Any]:
    for short, long in aliases.items():
        if short in table and long in table:
            raise located(name, places[*at, short].line, f"{short} and {long} are the same | give one of them")
    return {aliases.get(key, key): value for key, value in table.items()}


def _long(at: lines.Path) -> lines.Path:
    parts = list(at)
    parts[0] = ALIASES.get(str(parts[0]), parts[0])
    if len(parts) > 2 and parts[0] == "scenarios":
        parts[2] = SCENARIO_ALIASES.get(str(parts[2]), parts[2])
    return tuple(parts)


def _included(own: Source, name: str) -> list[Any]:
    given = own.table.pop("include", [])
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
        place = own.places["include"]
        raise located(name, place.line, 'include takes a list of files, as ["common.toml"]', value=given)
    return given


def _below(place: Place, given: str, chain: tuple[Path, ...]) -> Path:
    """Find an included file.

    Args:
        place: Of the include.
        given: What it says.
        chain: The files that led here; the last one says it.
    """
    below = chain[-1].parent / given
    if not below.is_file():
        words = f"the included file {given!r} is not there ({below.absolute()}) | paths start from the file's folder"
        raise located(place.file, place.line, words, value=given)
    resolved = [one.resolve() for one in chain]
    if below.resolve() in resolved:
        circle = [*chain[resolved.index(below.resolve()) :], below]
        words = " includes ".join(one.name for one in circle)
        raise located(place.file, place.line, f"the include is a circle: {words} | leave one of them out", value=given)
    return below


def _joined(under: Source, over: Source) -> Source:
    table = dict(under.table)
    places = dict(under.places)
    for key, value in over.table.items():
        before = table.get(key)
        if key in _LISTS and isinstance(before, list) and isinstance(value, list):
            table[key] = [*before, *value]
            places.update(_shifted(over.places, key, len(before)))
            continue
        if key in _JOINED and isinstance(before, dict) and isinstance(value, dict):
            table[key] = _deep(before, value)
        else:
            table[key] = value
            places = {at: place for at, place in places.items() if not _is_below(at, key)}
        places.update({at: place for at, place in over.places.items() if _is_below(at, key)})
    return Source(table, places)


def _deep(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {**under, **over}
    for key in set(under) & set(over):
        # Of settings, the parts are joined as `settings.joined` does; values such as turn_detection stay whole.
        if key in {"audio", "engine", "client"} and isinstance(under[key], dict) and isinstance(over[key], dict):
            both[key] = {**under[key], **over[key]}
    return both


def _is_below(at: str, key: str) -> bool:
    return at == key or at.startswith((f"{key}.", f"{key}["))


def _shifted(places: Mapping[str, Place], key: str, by: int) -> Iterator[tuple[str, Place]]:
    for at, place in places.items():
        if at.startswith(f"{key}["):
            index, _, rest = at[len(key) + 1 :].partition("]")
            yield f"{key}[{int(index) + by}]{rest}", place


def _move_paths(table: dict[str, Any], here: Path, folder: Path) -> None:
    """Let paths of an included file start from the plan's folder instead of its own."""
    if here == folder:
        return

    def moved(given: str) -> str:
        return given if Path(given).is_absolute() else os.path.relpath(here / given, folder)

    _replace(table.get("target"), "script", moved)
    for scenario in _tables(table.get("scenarios")):
        _replace(scenario, "data", moved)
        for step in _tables(scenario.get("turns")):
            _replace(step, "say", lambda given: moved(given) if given.lower().endswith(SOUND_SUFFIXES) else given)
        for tool in _tables(scenario.get("tools")):
            _replace(tool, "function", lambda given: moved(given) if ".py:" in given else given)


def _tables(given: Any) -> Iterator[dict[str, Any]]:
    return (one for one in given if isinstance(one, dict)) if isinstance(given, list) else iter(())


def _replace(table: Any, key: str, moved: Callable[[str], str]) -> None:
    if isinstance(table, dict) and isinstance(table.get(key), str):
        table[key] = moved(table[key])
