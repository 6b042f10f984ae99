"""Docstrings are written with Markdown's code marks; here they become what Sphinx reads."""

import re
from textwrap import dedent, indent
from typing import Any

from sphinx.application import Sphinx

_FENCED = re.compile(r"^([ ]*)```(\w*)\n(.*?)\n[ ]*```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<![`:\w])`([^`]+)`(?!`)")
_NAME = re.compile(r"^[A-Za-z_][\w.]*$")


def to_rst(_: Sphinx, __: str, ___: str, ____: Any, _____: Any, lines: list[str]) -> None:
    """Change a docstring in place."""
    parts = _FENCED.split("\n".join(lines))
    # Every fourth piece is prose; the three after it are a fence's indent, language and code.
    told = [_CODE.sub(_span, parts[0])]
    for margin, language, code, prose in zip(*(parts[start::4] for start in (1, 2, 3, 4)), strict=True):
        body = indent(dedent(code), margin + "   ")
        told.append(f"\n{margin}.. code-block:: {language or 'text'}\n\n{body}\n\n{_CODE.sub(_span, prose)}")
    lines[:] = "".join(told).split("\n")


def _span(found: re.Match[str]) -> str:
    """Names become links where they lead somewhere; other code is literal. A span may cross lines."""
    code = " ".join(found[1].split())
    return f"`{code}`" if _NAME.match(code) else f"``{code}``"
