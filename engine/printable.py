"""Makes the words of others fit for a terminal: what would steer it is shown instead of done.

A transcript, an error's text, a tool's name or a line of a recording is whatever its sender wrote. Escape sequences in
it could clear the screen, set the window's title, fill the clipboard or, in some terminals, type for the user;
overrides of the writing direction make text read as what it isn't.
"""

import re
from typing import Final

_STEERING: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for tab and newline, other line ends, overrides of the writing direction, half surrogates.
Joiners stay: scripts and emoji need them."""


def printable(words: object) -> str:
    r"""Write a text with each character that steers a terminal as Python would escape it, as in `\x1b[2J`."""
    return _STEERING.sub(_escaped, str(words))


def one_line(words: object) -> str:
    """Write a text so on one line, so that no part of it can pass for a line of its own."""
    return " ".join(printable(words).split("\n"))


def _escaped(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]
