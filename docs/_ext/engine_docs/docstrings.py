"""Docstrings are written with Markdown's code marks; here they become what Sphinx reads."""

import re
from typing import Any

from sphinx.application import Sphinx

_FENCE = re.compile(r"^(\s*)```(\w*)\s*$")
_CODE = re.compile(r"(?<![`:\w])`([^`]+)`(?!`)")
_NAME = re.compile(r"^[A-Za-z_][\w.]*$")


def to_rst(_: Sphinx, __: str, ___: str, ____: Any, _____: Any, lines: list[str]) -> None:
    """Change a docstring in place."""
    lines[:] = _spans(_fences(lines))


def _fences(lines: list[str]) -> list[str]:
    told: list[str] = []
    inside = False
    for line in lines:
        fence = _FENCE.match(line)
        if fence is None:
            told.append(f"   {line}" if inside and line.strip() else line)
        elif inside:
            inside = False
            told.append("")
        else:
            inside = True
            told += ["", f"{fence[1]}.. code-block:: {fence[2] or 'text'}", ""]
    return told


def _spans(lines: list[str]) -> list[str]:
    """Names become links where they lead somewhere; other code is literal. A span may cross lines."""
    text = "\n".join(lines)
    return _CODE.sub(_span, text).split("\n")


def _span(found: re.Match[str]) -> str:
    code = " ".join(found[1].split()) if "\n" in found[1] else found[1]
    return f"`{code}`" if _NAME.match(code) else f"``{code}``"
