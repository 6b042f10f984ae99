"""Finds the line of each key of a TOML text, which `tomllib` does not tell.

The text was parsed before: nothing is checked here, and what is odd leads to a missing line, never to an error.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

Path = tuple[str | int, ...]
"""Keys and places in arrays, from the top."""

_BLANK: Final = " \t\r\n"
_BARE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def key_lines(text: str) -> Mapping[Path, int]:
    """Give the line of each table, key and array element, from 1.

    Args:
        text: TOML that `tomllib` takes.
    """
    scan = _Scan(text)
    scan.document()
    return scan.lines


def shown(path: Path) -> str:
    """Write a path as errors name it: `scenarios[0].turns[1].say`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


class _Scan:
    """Walks over a text once.

    Args:
        text: What is scanned.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._ends = [found.end() for found in re.finditer("\n", text)]
        self._arrays: dict[Path, int] = {}

    def document(self) -> None:
        under: Path = ()
        while self._skip():
            if self._next("[["):
                under = self._array_header()
            elif self._next("["):
                under = self._header()
            else:
                self._pair(under)

    def _header(self) -> Path:
        path = self._resolved(self._keys())
        self._next("]")
        return path

    def _array_header(self) -> Path:
        *above, last = self._keys()
        path = (*self._resolved(above), last)
        self._next("]]")
        self._arrays[path] = self._arrays.get(path, -1) + 1
        self._note(path)
        self._note((*path, self._arrays[path]))
        return (*path, self._arrays[path])

    def _resolved(self, keys: list[str]) -> Path:
        """Let arrays of tables stand for their last element."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            self._note(path)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _pair(self, under: Path) -> None:
        path = under
        for key in self._keys():
            path = (*path, key)
            self._note(path)
        self._skip()
        self._next("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip()
        self._note(path)
        if self._next("["):
            self._array(path)
        elif self._next("{"):
            self._table(path)
        elif self._text[self._at : self._at + 1] in ('"', "'"):
            self._string()
        else:
            self._run_to(",]}#\n")

    def _array(self, path: Path) -> None:
        index = 0
        while self._skip() and not self._next("]"):
            self._value((*path, index))
            index += 1
            self._skip()
            self._next(",")

    def _table(self, path: Path) -> None:
        while self._skip() and not self._next("}"):
            self._pair(path)
            self._skip()
            self._next(",")

    def _keys(self) -> list[str]:
        keys = [self._key()]
        while self._skip() and self._next("."):
            self._skip()
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        self._skip()
        begin = self._at
        if self._text[begin : begin + 1] in ('"', "'"):
            self._string()
            return str(tomllib.loads(f"key = {self._text[begin : self._at]}")["key"])
        while self._text[self._at : self._at + 1] in _BARE:
            self._at += 1
        if self._at == begin:
            self._at += 1
        return self._text[begin : self._at]

    def _string(self) -> None:
        quote = self._text[self._at]
        mark = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._at += len(mark)
        while self._at < len(self._text) and not self._text.startswith(mark, self._at):
            self._at += 2 if quote == '"' and self._text[self._at] == "\\" else 1
        self._at += len(mark)
        # Up to two more quotes belong to a text of several lines.
        while len(mark) > 1 and self._text.startswith(quote, self._at):
            self._at += 1

    def _skip(self) -> bool:
        """Go on to what is neither blank nor comment; tell whether there is any."""
        while self._at < len(self._text):
            if self._text[self._at] == "#":
                self._run_to("\n")
            elif self._text[self._at] in _BLANK:
                self._at += 1
            else:
                return True
        return False

    def _run_to(self, marks: str) -> None:
        while self._at < len(self._text) and self._text[self._at] not in marks:
            self._at += 1

    def _next(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, bisect_right(self._ends, max(self._at - 1, 0)) + 1)
